"""Where the states of sequences are kept: in memory, or in a folder that a server's workers share.

In the folder a state is a file. To take it is to rename it, which only one worker can do; what a worker that died had
taken is found and given back.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

import msgspec
import numpy as np

from modelport.core.datatypes import DTYPES, Array, datatype_of
from modelport.core.errors import OverloadedError

State = Mapping[str, Array]
#: Somebody has the state at the moment.
BUSY: Final[State] = {}
#: Files are looked through for forgotten ones once in so many new sequences.
_SWEEP = 64


class States(Protocol):
    """The states of one version's sequences, by key."""

    def take(self, key: str, new: bool) -> State | None:
        """The state, which nobody else gets until it is given back; `BUSY`; or None where there is none.

        With `new` a fresh one without tensors begins, whatever there was. Raises OverloadedError: too many.
        """

    def give(self, key: str, state: State) -> None:
        """Keep the state until the next request."""

    def drop(self, key: str) -> None:
        """Forget a state that was taken."""


class OwnStates:
    """In this process's memory. A sequence's requests come one after the other: none is ever busy."""

    def __init__(self, idle_seconds: float, limit: int) -> None:
        self._idle, self._limit = idle_seconds, limit
        self._kept: OrderedDict[str, tuple[float, State]] = OrderedDict()

    def take(self, key: str, new: bool) -> State | None:
        self._forget()
        kept = self._kept.pop(key, None)
        if new:
            if len(self._kept) >= self._limit:
                raise _too_many(self._limit)
            return _fresh()
        return None if kept is None else kept[1]

    def give(self, key: str, state: State) -> None:
        self._kept[key] = (time.monotonic(), state)

    def drop(self, key: str) -> None:
        self._kept.pop(key, None)

    def _forget(self) -> None:
        last = time.monotonic() - self._idle
        while self._kept:
            key = next(iter(self._kept))
            if self._kept[key][0] > last:
                break
            del self._kept[key]


class SharedStates:
    """In a folder of files that all workers see."""

    def __init__(self, folder: Path, idle_seconds: float, limit: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._idle, self._limit = folder, idle_seconds, limit
        self._begun = 0

    def take(self, key: str, new: bool) -> State | None:
        path, taken = self._paths(key)
        self._give_back(path)
        if any(self._folder.glob(f"{path.name}.taken.*")):
            return BUSY
        if new:
            self._make_room()
            path.touch()
        elif self._is_old(path):
            return None
        try:
            path.rename(taken)
        except FileNotFoundError:
            return BUSY if any(self._folder.glob(f"{path.name}.taken.*")) else None
        return _fresh() if new else _read(taken.read_bytes())

    def give(self, key: str, state: State) -> None:
        path, taken = self._paths(key)
        taken.write_bytes(_written(state))
        taken.rename(path)

    def drop(self, key: str) -> None:
        self._paths(key)[1].unlink(missing_ok=True)

    def _paths(self, key: str) -> tuple[Path, Path]:
        name = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        return self._folder / name, self._folder / f"{name}.taken.{os.getpid()}"

    def _give_back(self, path: Path) -> None:
        """What a worker had that is no more."""
        for taken in self._folder.glob(f"{path.name}.taken.*"):
            if not Path(f"/proc/{taken.name.rpartition('.')[2]}").exists():
                taken.rename(path)

    def _is_old(self, path: Path) -> bool:
        try:
            return time.time() - path.stat().st_mtime > self._idle
        except FileNotFoundError:
            return True

    def _make_room(self) -> None:
        self._begun += 1
        if self._begun % _SWEEP != 1 and self._limit > _SWEEP:
            return
        kept = 0
        for path in self._folder.iterdir():
            if self._is_old(path):
                path.unlink(missing_ok=True)
            else:
                kept += 1
        if kept >= self._limit:
            raise _too_many(self._limit)


def _fresh() -> State:
    return {"": np.empty(0)}


def _too_many(limit: int) -> OverloadedError:
    return OverloadedError(f"{limit} sequences are under way, which is the limit (max_sequences); end some of them")


def _written(state: State) -> bytes:
    parts = [(name, datatype_of(array), array.shape, array.tobytes()) for name, array in state.items()]
    return msgspec.msgpack.encode(parts)


def _read(data: bytes) -> State:
    parts = msgspec.msgpack.decode(data, type=list[tuple[str, str, tuple[int, ...], bytes]])
    return {name: np.frombuffer(raw, DTYPES[kind]).reshape(shape) for name, kind, shape, raw in parts}
