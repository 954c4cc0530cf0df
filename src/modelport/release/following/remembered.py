"""The last desired state on the disk: a server begins with it where the registry can't be reached."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from modelport.artifacts.durable import make_folder, write_durably
from modelport.registry.releases import Desired

_log = logging.getLogger("modelport.following")


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the registry said last, and since when (Unix seconds) versions wait for a rollback: model → version."""

    desired: Desired
    waiting: dict[str, dict[int, float]] = field(default_factory=dict)


class Memory:
    """The file `desired.json`, written whole or not at all. Several processes may write it: they write the same."""

    def __init__(self, folder: Path, registry: str = "") -> None:
        """`registry` is where it is, if not in the home of the cache: each has a file of its own."""
        mark = f"-{hashlib.sha256(registry.encode()).hexdigest()[:12]}" if registry else ""
        self._path = folder.absolute() / f"desired{mark}.json"

    def read(self) -> Remembered | None:
        """What was written last; None where there is nothing that this Modelport could read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Remembered)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("%s can't be read: %s", self._path, error)
            return None

    def write(self, remembered: Remembered) -> None:
        """Remember this. A disk that takes no more is warned about: serving goes on."""
        try:
            make_folder(self._path.parent)
            write_durably(self._path, (msgspec.json.encode(remembered),))
        except OSError as error:
            _log.warning("%s can't be written, a restart without the registry would fail: %s", self._path, error)
