"""How sure a figure is: percentile intervals of a paired bootstrap on rows, and McNemar's test."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from modelport.evaluate.metrics.weights import Figures, Scored

#: The share of samples that lies within an interval.
CONFIDENCE = 0.95
#: Rows that are drawn in all samples together at most: more rows need fewer samples, and 200 are enough.
_WORK, _FEWEST = 40_000_000, 200
#: Up to so many rows that only one of two models has right, McNemar's test is exact.
_EXACT = 1000

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sampled:
    """Intervals by metric. `other` and `difference` (this − other) are empty where nothing is compared."""

    own: dict[str, Interval]
    other: dict[str, Interval]
    difference: dict[str, Interval]
    resamples: int


@dataclass(frozen=True, slots=True)
class McNemar:
    """Rows that only this model has right, that only the other has right, and how likely that is by chance."""

    only_this: int
    only_other: int
    p_value: float


def bootstrap(scored: Scored, other: Scored | None, resamples: int, seed: int) -> Sampled:
    """Draw rows with replacement, the same ones for both models, and measure again each time.

    The same arguments give the same intervals. An interval is left out where less than half of the samples have the
    metric defined.
    """
    count = min(resamples, max(_FEWEST, _WORK // max(scored.rows, 1))) if resamples else 0
    random = np.random.default_rng(seed)
    own: dict[str, list[float]] = {}
    others: dict[str, list[float]] = {}
    differences: dict[str, list[float]] = {}
    for _ in range(count):
        drawn = np.bincount(random.integers(0, scored.rows, scored.rows), minlength=scored.rows).astype(np.float64)
        mine = scored.figures(drawn)
        _note(own, mine)
        if other is not None:
            theirs = other.figures(drawn)
            _note(others, theirs)
            _note(differences, differences_of(mine, theirs))
    return Sampled(_intervals(own, count), _intervals(others, count), _intervals(differences, count), count)


def differences_of(mine: Figures, theirs: Figures) -> Figures:
    """This − other, of each metric that both have."""
    made: Figures = {}
    for name, value in mine.items():
        against = theirs.get(name)
        if name in theirs:
            made[name] = None if value is None or against is None else value - against
    return made


def mcnemar(right: np.ndarray, other_right: np.ndarray) -> McNemar:
    """Whether two models are right equally often, by the rows on which they differ (two-sided)."""
    this = int(((right > 0) & ~(other_right > 0)).sum())
    other = int((~(right > 0) & (other_right > 0)).sum())
    return McNemar(this, other, _chance(this, other))


def _chance(this: int, other: int) -> float:
    total = this + other
    if total == 0:
        return 1.0
    if total <= _EXACT:
        tail = sum(math.comb(total, count) for count in range(min(this, other) + 1))
        return min(1.0, float(tail / (1 << total - 1)))
    statistic = (abs(this - other) - 1) ** 2 / total
    return math.erfc(math.sqrt(statistic / 2))


def _note(samples: dict[str, list[float]], figures: Figures) -> None:
    for name, value in figures.items():
        if value is not None and math.isfinite(value):
            samples.setdefault(name, []).append(value)


def _intervals(samples: dict[str, list[float]], count: int) -> dict[str, Interval]:
    tail = 100 * (1 - CONFIDENCE) / 2
    made = {}
    for name, values in samples.items():
        if 2 * len(values) >= count:
            low, high = np.percentile(values, (tail, 100 - tail))
            made[name] = (float(low), float(high))
    return made
