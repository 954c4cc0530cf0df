"""What an alias named before, as a stack: a number goes on it when the alias moves on, and off it on the way back.

The newest is last. Pure: the database, the history's verification and the migration tell the same story by it.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

Past = tuple[int, ...]
#: So many versions are remembered.
DEEPEST = 100


def after(past: Past, named: int) -> Past:
    """The past once the alias moves on from the version that it names (0: none)."""
    return (*past, named)[-DEEPEST:] if named else past


def without(past: Past, deleted: int, named: int) -> Past:
    """The past once a version was deleted: each way back still leads to another version than the one before."""
    left = [number for number in past if number != deleted]
    followed_by = (*left[1:], named)
    return tuple(number for number, following in zip(left, followed_by, strict=False) if number != following)


def past_text(past: Iterable[int]) -> str:
    """As the database has it."""
    return orjson.dumps(list(past)).decode()


def parse_past(text: str) -> Past:
    """The past of an alias's row."""
    return tuple(orjson.loads(text))
