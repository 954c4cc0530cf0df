"""Weights of rows: all the same, a slice's (1 and 0), or how often a bootstrap sample drew each."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Metric's name → value; None where it is undefined: recall without a row of the class, say.
Figures = dict[str, float | None]


class Scored(Protocol):
    """Truth and answers, ready to be measured again and again with other weights."""

    @property
    def rows(self) -> int:
        """How many rows there are."""

    def figures(self, weights: Floats | None = None) -> Figures:
        """Every metric; `weights` has one number ≥ 0 for each row (None: 1)."""


def ones(rows: int) -> Floats:
    """The same weight for every row."""
    return np.ones(rows)


def mean(values: NDArray[Any], weights: Floats) -> float | None:
    """The weighted mean; None where nothing has a weight."""
    total = float(weights.sum())
    return float(values @ weights) / total if total > 0 else None


def ratio(part: float, whole: float) -> float | None:
    """`part` ÷ `whole`; None where the whole is nothing."""
    return part / whole if whole > 0 else None
