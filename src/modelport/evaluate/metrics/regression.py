"""The metrics of a regression."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from modelport.evaluate.metrics.weights import Figures, Floats, mean, ones

#: Percentiles of the residuals.
PERCENTS = (5, 25, 50, 75, 95)


@dataclass(frozen=True)
class Regression:
    """The true and the answered number of each row. A residual is answer − truth."""

    truth: Floats
    answers: Floats

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.truth)

    @cached_property
    def residuals(self) -> Floats:
        """Answer − truth, for each row."""
        return self.answers - self.truth

    def figures(self, weights: Floats | None = None) -> Figures:
        """Every metric. All are undefined where an answer is not a number; R² too where the truth never changes."""
        weights = ones(self.rows) if weights is None else weights
        mse = mean(self.residuals**2, weights)
        return {
            "mse": mse,
            "rmse": None if mse is None else mse**0.5,
            "mae": mean(np.abs(self.residuals), weights),
            "r2": self._explained(mse, weights),
            "bias": mean(self.residuals, weights),
            **self._percentiles(weights),
        }

    @cached_property
    def _order(self) -> np.ndarray:
        return np.argsort(self.residuals, kind="stable")

    def _explained(self, mse: float | None, weights: Floats) -> float | None:
        centre = mean(self.truth, weights)
        if centre is None or mse is None:
            return None
        spread = mean((self.truth - centre) ** 2, weights)
        return 1 - mse / spread if spread else None

    def _percentiles(self, weights: Floats) -> Figures:
        """Percentiles between the rows that have a weight, as NumPy has them for whole weights."""
        kept = weights[self._order].astype(np.int64)
        values = self.residuals[self._order]
        names = [f"residual.p{percent}" for percent in PERCENTS]
        total = int(kept.sum())
        if not total:
            return dict.fromkeys(names)
        ends = np.cumsum(kept)
        made: Figures = {}
        for name, percent in zip(names, PERCENTS, strict=True):
            place = (total - 1) * percent / 100
            under = values[np.searchsorted(ends, int(place), side="right")]
            over = values[np.searchsorted(ends, min(int(place) + 1, total - 1), side="right")]
            made[name] = float(under + (over - under) * (place - int(place)))
        return made
