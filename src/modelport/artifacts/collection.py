"""Garbage collection: content that no version names goes, after a time of grace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice

from modelport.artifacts.base import ArtifactStore, Stored

#: Given digests, holds off everybody who would begin to name content, and gives those that are named now.
Guard = Callable[[Sequence[str]], AbstractContextManager[set[str]]]
#: How many contents are looked at while others are held off.
_BATCH = 20


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection took away, or would."""

    contents: int = 0
    size: int = 0
    uploads: int = 0


def collect(store: ArtifactStore, guard: Guard, grace: float, *, dry: bool = False) -> Collected:
    """Remove content that nothing names and that is older than `grace` seconds, and uploads that were given up.

    Safe against pushes at the same time: whoever makes a version checks, held off while content is removed, that all of
    it is there. A crash leaves nothing that the next collection does not remove. With `dry` nothing is removed.
    """
    before = time.time() - grace
    old = (item for item in store.stored() if item.changed < before)
    contents, size = 0, 0
    for batch in _batches(old):
        with guard([item.digest for item in batch]) as named:
            for item in batch:
                if item.digest not in named:
                    contents, size = contents + 1, size + item.size
                    if not dry:
                        store.remove(item.digest)
    return Collected(contents, size, 0 if dry else store.abandon(before))


def _batches(items: Iterator[Stored]) -> Iterator[list[Stored]]:
    while batch := list(islice(items, _BATCH)):
        yield batch
