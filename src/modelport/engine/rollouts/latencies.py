"""Latencies as counts in buckets, fine enough to compare two versions: each bound is 15.5 % above the one before.

The buckets of `/metrics` are made for pictures: there, 2.4 ms and 2.6 ms look as different as 1 ms and 5 ms.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

#: Buckets in a factor of ten.
_PER_DECADE = 16
_DECADES = 7
#: Upper bounds in nanoseconds, from 10 µs to 100 s; one more bucket has what took longer.
BOUNDS_NS = tuple(round(1e4 * 10 ** (at / _PER_DECADE)) for at in range(_PER_DECADE * _DECADES + 1))
WIDTH = len(BOUNDS_NS) + 1


def bucket_of(nanoseconds: int) -> int:
    """The index of the bucket that a latency is counted in."""
    return bisect_left(BOUNDS_NS, nanoseconds)


def quantile(counts: Sequence[int], part: float) -> float | None:
    """The latency in seconds that the part (0.99, say) of all stay below; None where nothing was counted.

    Within a bucket they are taken as evenly spread on a logarithmic scale: wrong by 15.5 % at most.
    """
    total = sum(counts)
    if not total:
        return None
    wanted, before = part * total, 0
    for at, count in enumerate(counts):
        if count and before + count >= wanted:
            return _within(at, (wanted - before) / count)
        before += count
    return BOUNDS_NS[-1] / 1e9


def _within(at: int, part: float) -> float:
    if at >= len(BOUNDS_NS):
        return BOUNDS_NS[-1] / 1e9
    upper = BOUNDS_NS[at]
    lower = BOUNDS_NS[at - 1] if at else upper / 2
    return float(lower * (upper / lower) ** max(min(part, 1.0), 0.0)) / 1e9
