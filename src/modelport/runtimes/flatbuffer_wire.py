"""The FlatBuffers wire format, read table by table: a field by its number, vectors, texts.

Source: "FlatBuffer Internals" in the FlatBuffers documentation. Nothing is known here about any table's meaning.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

#: More elements than this no vector has that is read here; a damaged length would otherwise fill the memory.
_MOST = 1 << 26


@dataclass(frozen=True, slots=True)
class Table:
    """A table at a place in the bytes. What lies outside of them raises ValueError."""

    data: bytes
    at: int

    def number(self, field: int, form: str, default: int = 0) -> int:
        """A scalar; `form` is the letter of `struct` for it."""
        place = self._place(field)
        return default if place is None else int(_unpack(form, self.data, place))

    def text(self, field: int) -> str:
        """A string; empty where it is left out."""
        place = self._place(field)
        if place is None:
            return ""
        start = self._target(place)
        return self._slice(start + 4, _unpack("I", self.data, start)).decode(errors="replace")

    def table(self, field: int) -> Table | None:
        """A table within the table."""
        place = self._place(field)
        return None if place is None else Table(self.data, self._target(place))

    def tables(self, field: int) -> list[Table]:
        """A vector of tables."""
        start, count = self._vector(field)
        return [Table(self.data, self._target(start + 4 * item)) for item in range(count)]

    def numbers(self, field: int, form: str) -> list[int]:
        """A vector of scalars."""
        start, count = self._vector(field)
        size = struct.calcsize(f"<{form}")
        return list(struct.unpack(f"<{count}{form}", self._slice(start, count * size)))

    def reals(self, field: int) -> tuple[float, ...]:
        """A vector of float32."""
        start, count = self._vector(field)
        return struct.unpack(f"<{count}f", self._slice(start, count * 4))

    def structs(self, field: int, size: int) -> bytes:
        """The bytes of a vector of structs, of so many bytes each."""
        start, count = self._vector(field)
        return self._slice(start, count * size)

    def length(self, field: int) -> int:
        """How many elements a vector has."""
        return self._vector(field)[1]

    def _place(self, field: int) -> int | None:
        vtable = self.at - _unpack("i", self.data, self.at)
        size = _unpack("H", self.data, vtable)
        offset = _unpack("H", self.data, vtable + 4 + 2 * field) if 4 + 2 * field < size else 0
        return self.at + offset if offset else None

    def _target(self, place: int) -> int:
        return place + _unpack("I", self.data, place)

    def _vector(self, field: int) -> tuple[int, int]:
        place = self._place(field)
        if place is None:
            return 0, 0
        start = self._target(place)
        count = _unpack("I", self.data, start)
        if count > _MOST:
            raise ValueError(f"a vector of {count} elements at byte {start}")
        return start + 4, count

    def _slice(self, start: int, size: int) -> bytes:
        if start < 0 or start + size > len(self.data):
            raise ValueError(f"the data ends before byte {start + size}")
        return self.data[start : start + size]


def root(data: bytes, start: int = 0) -> Table:
    """The table that the bytes from `start` on begin with."""
    return Table(data, start + _unpack("I", data, start))


def _unpack(form: str, data: bytes, place: int) -> int:
    if place < 0 or place + struct.calcsize(f"<{form}") > len(data):
        raise ValueError(f"byte {place} is outside of the data")
    found: int = struct.unpack_from(f"<{form}", data, place)[0]
    return found
