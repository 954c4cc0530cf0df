"""Universal Binary JSON: whether a file is whole, as some readers crash at one that is not, and what stands in it.

Source: the specification at ubjson.org, draft 12 (containers with a type and a count), big-endian throughout.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Bytes of a value of each type, after its marker.
_SIZES = {b"i": 1, b"U": 1, b"I": 2, b"l": 4, b"L": 8, b"d": 4, b"D": 8, b"C": 1, b"Z": 0, b"T": 0, b"F": 0}
_FORMS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8", b"C": ">u1"}
_WORDS = {b"Z": None, b"T": True, b"F": False}
_INTEGERS = frozenset(b"iUIlL")
#: Objects in objects, at most.
_DEEPEST = 64


def is_whole(data: bytes) -> bool:
    """Whether one value fills the data from its first to its last byte."""
    try:
        return _Reader(data).value(0, 0) == len(data)
    except (ValueError, IndexError):
        return False


def parsed(data: bytes) -> Any:
    """What the data holds, arrays of one type as numpy's. Raises ValueError where it is not whole."""
    if not is_whole(data):
        raise ValueError("it has no end")
    value, _ = _Parser(data).value(0)
    return value


class _Parser:
    """Gives values, each with the place after it. For data that is known to be whole."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def value(self, at: int) -> tuple[Any, int]:
        return self._after(self._data[at : at + 1], at + 1)

    def _after(self, marker: bytes, at: int) -> tuple[Any, int]:
        if marker in (b"{", b"["):
            return self._container(marker == b"{", at)
        if marker in (b"S", b"H"):
            return self._text(at)
        if marker in _WORDS:
            return _WORDS[marker], at
        return self._numbers(marker, 1, at)[0].item(), at + _SIZES[marker]

    def _container(self, is_object: bool, at: int) -> tuple[Any, int]:
        kind, count = b"", -1
        if self._data[at] == ord("$"):
            kind, at = self._data[at + 1 : at + 2], at + 2
        if self._data[at] == ord("#"):
            count, at = self.value(at + 1)
        if kind in _FORMS and not is_object:
            return self._numbers(kind, count, at), at + count * _SIZES[kind]
        end = b"}" if is_object else b"]"
        items: list[tuple[str, Any]] = []
        while len(items) != count if count >= 0 else self._data[at : at + 1] != end:
            key, at = self._text(at) if is_object else ("", at)
            value, at = self._after(kind, at) if kind else self.value(at)
            items.append((key, value))
        return dict(items) if is_object else [value for _, value in items], at if count >= 0 else at + 1

    def _numbers(self, kind: bytes, count: int, at: int) -> Any:
        return np.frombuffer(self._data, _FORMS[kind], count, at)

    def _text(self, at: int) -> tuple[str, int]:
        length, at = self.value(at)
        return self._data[at : at + length].decode(errors="replace"), at + length


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
