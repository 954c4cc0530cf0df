"""A histogram of times whose buckets grow by 1 %: small, mergeable, and within half a percent at every percentile."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

_LEAST = 1e-6
_GROWTH = 1.01
#: From a microsecond to three hours; what is outside falls into the first or the last bucket.
_COUNT = math.ceil(math.log(1e10) / math.log(_GROWTH))


class Histogram:
    """Counts of times in seconds. Not for several threads."""

    def __init__(self) -> None:
        self._counts = np.zeros(_COUNT, np.int64)
        self.sum = 0.0
        self.least, self.greatest = math.inf, 0.0

    def add(self, seconds: Sequence[float]) -> None:
        """Count all of these."""
        if not seconds:
            return
        times = np.asarray(seconds, np.float64)
        places = np.log(np.maximum(times, _LEAST) / _LEAST) / math.log(_GROWTH)
        self._counts += np.bincount(np.minimum(places.astype(np.int64), _COUNT - 1), minlength=_COUNT)
        self.sum += float(times.sum())
        self.least = min(self.least, float(times.min()))
        self.greatest = max(self.greatest, float(times.max()))

    def merge(self, other: Histogram) -> None:
        """Count also what the other has counted."""
        self._counts += other._counts
        self.sum += other.sum
        self.least, self.greatest = min(self.least, other.least), max(self.greatest, other.greatest)

    @property
    def count(self) -> int:
        """How many times were counted."""
        return int(self._counts.sum())

    @property
    def mean(self) -> float:
        """The mean, exact; NaN where nothing was counted."""
        return self.sum / self.count if self.count else math.nan

    def percentile(self, percent: float) -> float:
        """The time that so many percent of the times do not exceed, within 0.5 %; NaN where nothing was counted."""
        total = self.count
        if not total:
            return math.nan
        rank = max(1, math.ceil(total * percent / 100))
        place = int(np.searchsorted(np.cumsum(self._counts), rank))
        middle = _LEAST * _GROWTH ** (place + 0.5)
        return float(min(max(middle, self.least), self.greatest))

    def share_within(self, seconds: float) -> float:
        """Which share of the times is at most that long, within a bucket's 1 %; NaN where nothing was counted."""
        if not self.count:
            return math.nan
        place = int(math.log(max(seconds, _LEAST) / _LEAST) / math.log(_GROWTH))
        return float(self._counts[: place + 1].sum() / self.count)

    def percentiles(self, percents: Iterable[float]) -> dict[str, float]:
        """By name: `{"p50": …, "p99.9": …, "max": …}`, in seconds."""
        found = {f"p{percent:g}": self.percentile(percent) for percent in percents}
        return {**found, "max": self.greatest if self.count else math.nan}

    def to_dict(self) -> dict[str, Any]:
        """The buckets that are not empty, as pairs of a bucket's upper edge in seconds and its count."""
        filled = np.flatnonzero(self._counts)
        edges = [[_LEAST * _GROWTH ** (int(place) + 1), int(self._counts[place])] for place in filled]
        return {"count": self.count, "sum": self.sum, "buckets": edges}
