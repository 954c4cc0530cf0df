"""Universal Binary JSON, read only far enough to know that a file is whole: some readers crash at one that is not.

Source: the specification at ubjson.org, draft 12 (containers with a type and a count), big-endian throughout.
"""

from __future__ import annotations

#: Bytes of a value of each type, after its marker.
_SIZES = {b"i": 1, b"U": 1, b"I": 2, b"l": 4, b"L": 8, b"d": 4, b"D": 8, b"C": 1, b"Z": 0, b"T": 0, b"F": 0}
_INTEGERS = frozenset(b"iUIlL")
#: Objects in objects, at most.
_DEEPEST = 64


def is_whole(data: bytes) -> bool:
    """Whether one value fills the data from its first to its last byte."""
    try:
        return _Reader(data).value(0, 0) == len(data)
    except (ValueError, IndexError):
        return False


class _Reader:
    """Steps over values. Each method takes the place where something begins, and gives the one after its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def value(self, at: int, depth: int) -> int:
        """A marker and its value."""
        return self._after(self._data[at : at + 1], at + 1, depth)

    def _after(self, marker: bytes, at: int, depth: int) -> int:
        if depth > _DEEPEST:
            raise ValueError("too deep")
        if marker in (b"{", b"["):
            return self._container(marker == b"{", at, depth + 1)
        if marker in (b"S", b"H"):
            return self._text(at)
        return self._within(at + _size(marker))

    def _container(self, is_object: bool, at: int, depth: int) -> int:
        kind = b""
        if self._data[at] == ord("$"):
            kind, at = self._data[at + 1 : at + 2], at + 2
        if self._data[at] == ord("#"):
            count, at = self._integer(at + 1)
            return self._counted(is_object, kind, count, at, depth)
        if kind:
            raise ValueError("a type without a count")
        end = ord("}") if is_object else ord("]")
        while self._data[at] != end:
            at = self.value(self._text(at) if is_object else at, depth)
        return at + 1

    def _counted(self, is_object: bool, kind: bytes, count: int, at: int, depth: int) -> int:
        if kind in _SIZES and not is_object:
            return self._within(at + count * _SIZES[kind])
        self._within(at + count)  # at least a byte each
        for _ in range(count):
            at = self._text(at) if is_object else at
            at = self._after(kind, at, depth) if kind else self.value(at, depth)
        return at

    def _text(self, at: int) -> int:
        """A length and as many bytes."""
        length, at = self._integer(at)
        return self._within(at + length)

    def _integer(self, at: int) -> tuple[int, int]:
        """A whole number, not negative, with its marker."""
        marker = self._data[at]
        if marker not in _INTEGERS:
            raise ValueError("no length")
        end = self._within(at + 1 + _SIZES[bytes([marker])])
        number = int.from_bytes(self._data[at + 1 : end], signed=marker != ord("U"))
        if number < 0:
            raise ValueError("a negative length")
        return number, end

    def _within(self, at: int) -> int:
        if at > len(self._data):
            raise ValueError("it ends too soon")
        return at


def _size(marker: bytes) -> int:
    if marker not in _SIZES:
        raise ValueError("no such type")
    return _SIZES[marker]
