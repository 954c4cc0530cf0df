"""One worker's numbers: an append-only table of named rows of doubles in an mmap, readable by other processes.

Layout (little-endian): 8 bytes magic, 8 bytes "bytes used"; then entries, each 8-byte aligned: 4 bytes key length,
4 bytes count of values, the key, padding, the values. An entry never moves, and the "bytes used" grows only once it is
complete, so a reader in another process sees whole entries or none. A worker that replaces a dead one opens its file
again and goes on counting where that stopped.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

_MAGIC = b"MPORT\x00\x01\x00"
_START = 16
_ENTRY = struct.Struct("<II")
#: The values of one entry, written in place.
Row: TypeAlias = "memoryview[float]"
SIZE = 8 << 20


class Segment:
    """A writer's view. Not thread-safe for new entries; a row of values has one writer."""

    def __init__(self, path: Path | None = None, size: int = SIZE) -> None:
        """Open or create the file at `path`; None keeps the numbers in this process."""
        self._map = _mapped(path, size)
        self._view = memoryview(self._map)
        if self._map[:8] != _MAGIC:
            self._map[:_START] = _MAGIC + _START.to_bytes(8, "little")
        self._rows = {key: self._values(at, count) for key, at, count in _entries(self._view)}

    def row(self, key: bytes, count: int) -> Row | None:
        """The `count` doubles under `key`, zero at first. None when the segment is full."""
        row = self._rows.get(key)
        if row is None:
            row = self._append(key, count)
        return row

    def read(self) -> Iterator[tuple[bytes, list[float]]]:
        """Every row with its present values."""
        return read(self._view)

    def _append(self, key: bytes, count: int) -> Row | None:
        used = int.from_bytes(self._map[8:16], "little")
        values = used + _padded(_ENTRY.size + len(key))
        end = values + 8 * count
        if end > len(self._map):
            return None
        self._map[used : used + _ENTRY.size] = _ENTRY.pack(len(key), count)
        self._map[used + _ENTRY.size : used + _ENTRY.size + len(key)] = key
        self._map[values:end] = bytes(end - values)  # a writer that died here may have left something
        self._map[8:16] = end.to_bytes(8, "little")
        self._rows[key] = self._values(values, count)
        return self._rows[key]

    def _values(self, at: int, count: int) -> Row:
        return self._view[at : at + 8 * count].cast("d")


def read_file(path: Path) -> list[tuple[bytes, list[float]]]:
    """The rows of another worker's segment; none where the file is not one (yet)."""
    with path.open("rb") as file:
        head = file.read(_START)
        if head[:8] != _MAGIC:
            return []
        rest = file.read(max(int.from_bytes(head[8:], "little") - _START, 0))
    return list(read(memoryview(head + rest)))


def read(view: memoryview) -> Iterator[tuple[bytes, list[float]]]:
    """The rows in a segment's bytes."""
    for key, at, count in _entries(view):
        yield key, list(view[at : at + 8 * count].cast("d"))


def _entries(view: memoryview) -> Iterator[tuple[bytes, int, int]]:
    at, used = _START, int.from_bytes(view[8:16], "little")
    while at < used:
        length, count = _ENTRY.unpack_from(view, at)
        values = at + _padded(_ENTRY.size + length)
        yield bytes(view[at + _ENTRY.size : at + _ENTRY.size + length]), values, count
        at = values + 8 * count


def _mapped(path: Path | None, size: int) -> mmap.mmap:
    if path is None:
        return mmap.mmap(-1, size)
    with path.open("a+b") as file:
        file.truncate(max(size, file.seek(0, 2)))
        return mmap.mmap(file.fileno(), 0)


def _padded(length: int) -> int:
    return (length + 7) & ~7
