"""What a worker is computing right now, in a file that outlives it.

The file has slots; each holds one prediction: a head of 16 bytes (state, rows, inputs: little-endian u32, 4 unused),
128 bytes about the model (its artifact's sha256, its version as u64, its name), then for each input its length (u32)
and its bytes. State 0 is an empty slot; 1 has the inputs' bytes; 2 has samples of rows that are too large for a slot,
and their full keys where those were known. Writing costs a few copies of memory and no computation.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelport.engine.quarantine.identity import Row, cut, full_key, sample_key

_HEAD, _ABOUT, _LENGTH = struct.Struct("<IIIxxxx"), struct.Struct("<32sQ88s"), struct.Struct("<I")
_EMPTY, _RAW, _SAMPLED = range(3)
_BEFORE_INPUTS = _HEAD.size + _ABOUT.size
_SLOTS, _SLOT = 64, 32768
_KEY = 32
#: What `begin` gives for inputs that do not fit as they are, and for more predictions at a time than there are slots.
TOO_LARGE, NO_SLOT = -1, -2


@dataclass(frozen=True, slots=True)
class Flown:
    """A row that was in flight: keys of its sample and, where known, of all its bytes."""

    model: str
    version: int
    digest: str
    sample: str
    full: str | None


def about(model: str, version: int, digest: str) -> bytes:
    """What is written of a model."""
    return _ABOUT.pack(bytes.fromhex(digest)[:32], version, model.encode()[:88])


class Flight:
    """The writer's side. For any thread: each prediction has a slot of its own."""

    def __init__(self, path: Path | None = None) -> None:
        """Without a path nothing is kept, which costs as much."""
        self._map = _mapped(path)
        self._map[:] = bytes(len(self._map))
        self._free = [slot * _SLOT for slot in range(_SLOTS)]

    def begin(self, model: bytes, inputs: Mapping[str, Any], rows: int) -> int:
        """Note what is run from now on; gives the slot, for `end`, or TOO_LARGE. `model` is from `about`."""
        if not self._free:
            return NO_SLOT
        start = self._free.pop()
        written, at, end = self._map, start + _BEFORE_INPUTS, start + _SLOT
        try:
            for array in inputs.values():
                after = at + 4 + array.nbytes
                if after > end or array.dtype.hasobject:
                    raise ValueError
                _LENGTH.pack_into(written, at, array.nbytes)
                written[at + 4 : after] = array
                at = after
        except (ValueError, BufferError):  # not in one piece, or of numbers that Python does not know
            self._free.append(start)
            return TOO_LARGE
        written[start + 16 : start + _BEFORE_INPUTS] = model
        _HEAD.pack_into(written, start, _RAW, rows, len(inputs))
        return start

    def begin_rows(self, model: bytes, rows: Sequence[Row], sure: bool) -> int:
        """As `begin`, by samples of the rows; `sure` computes the full keys as well."""
        if not self._free:
            return NO_SLOT
        start = self._free.pop()
        fit = rows[: (_SLOT - _BEFORE_INPUTS) // (2 * _KEY)]
        keys = "".join(sample_key(row) + (full_key(row) if sure else " " * _KEY) for row in fit).encode()
        self._map[start + 16 : start + _BEFORE_INPUTS] = model
        self._map[start + _BEFORE_INPUTS : start + _BEFORE_INPUTS + len(keys)] = keys
        _HEAD.pack_into(self._map, start, _SAMPLED, len(fit), 1)
        return start

    def end(self, slot: int) -> None:
        """It is over."""
        if slot >= 0:
            self._map[slot] = _EMPTY
            self._free.append(slot)


def read_flight(path: Path) -> list[Flown]:
    """The rows that a process was computing when it ended."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    found: list[Flown] = []
    for start in range(0, len(content) - _SLOT + 1, _SLOT):
        found += _slot(content[start : start + _SLOT])
    return found


def _slot(content: bytes) -> list[Flown]:
    state, rows, count = _HEAD.unpack_from(content)
    if state not in (_RAW, _SAMPLED):
        return []
    digest, version, name = _ABOUT.unpack_from(content, _HEAD.size)
    model = name.rstrip(b"\0").decode(errors="replace")
    keys = _raw(content, rows, count) if state == _RAW else _sampled(content, rows)
    return [Flown(model, version, digest.hex(), sample, full) for sample, full in keys]


def _raw(content: bytes, rows: int, count: int) -> list[tuple[str, str | None]]:
    parts, at = [], _BEFORE_INPUTS
    for _ in range(count):
        (size,) = _LENGTH.unpack_from(content, at)
        parts.append(content[at + 4 : at + 4 + size])
        at += 4 + size
    cuts = zip(*(cut(part, rows) for part in parts), strict=True)
    return [(sample_key(row), full_key(row)) for row in cuts]


def _sampled(content: bytes, rows: int) -> list[tuple[str, str | None]]:
    each = 2 * _KEY
    texts = [content[_BEFORE_INPUTS + at * each :][:each].decode(errors="replace") for at in range(rows)]
    return [(text[:_KEY], text[_KEY:].strip() or None) for text in texts]


def _mapped(path: Path | None) -> mmap.mmap:
    size = _SLOTS * _SLOT
    if path is None:
        return mmap.mmap(-1, size)
    with path.open("w+b") as file:
        file.truncate(size)
        return mmap.mmap(file.fileno(), 0)
