"""Guess what a caller meant by a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'amount'?)` for the nearest of the known names, or an empty text where none is near."""
    by_folded = {item.casefold(): item for item in known}
    near = get_close_matches(name.casefold()[:200], by_folded, n=1, cutoff=0.6)
    return f" (did you mean {by_folded[near[0]]!r}?)" if near else ""
