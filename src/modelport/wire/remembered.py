"""What is made once for a key and kept: bounded, so that nobody can fill the memory with keys."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """Up to `limit` values; one more empties it. On hot paths: nothing is kept in order."""

    __slots__ = ("_kept", "_limit")

    def __init__(self, limit: int) -> None:
        self._kept: dict[Hashable, T] = {}
        self._limit = limit

    def get(self, key: Hashable, make: Callable[..., T], *arguments: Any) -> T:
        """The value of a key, made by `make(*arguments)` where there is none yet."""
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= self._limit:
                self._kept.clear()
            found = self._kept[key] = make(*arguments)
        return found
