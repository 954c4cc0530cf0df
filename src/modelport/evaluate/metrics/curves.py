"""ROC curves, the area below them, and calibration: what the scores of a classification are worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modelport.evaluate.metrics.weights import Floats, Ints, ones

#: Equal parts of 0…1 that confidences are sorted into.
BINS = 10


class Ranked:
    """One class's scores, sorted once: then its curve and its area cost one pass for any weights.

    Rows with the same score are one step of the curve, so that ties count half.
    """

    def __init__(self, positive: np.ndarray, scores: Floats) -> None:
        """`positive` is true where a row is of the class."""
        self._order = np.argsort(-scores, kind="stable")
        ordered = scores[self._order]
        self._ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1) if len(ordered) else np.empty(0, int)
        self._positive = positive[self._order].astype(np.float64)

    def area(self, weights: Floats) -> float | None:
        """ROC-AUC; None where one side has no weight."""
        caught, alarms = self._steps(weights)
        if caught[-1] <= 0 or alarms[-1] <= 0:
            return None
        return float(np.trapezoid(caught, alarms) / (caught[-1] * alarms[-1]))

    def curve(self, most: int = 200) -> tuple[tuple[float, float], ...]:
        """(false positive rate, true positive rate) from (0, 0) to (1, 1), not more than so many points."""
        caught, alarms = self._steps(ones(len(self._order)))
        if caught[-1] <= 0 or alarms[-1] <= 0:
            return ()
        points = np.stack([alarms / alarms[-1], caught / caught[-1]], axis=1)
        kept = np.unique(np.linspace(0, len(points) - 1, most).round().astype(int))
        return tuple((float(x), float(y)) for x, y in points[kept])

    def _steps(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weight of the class and of the others among the best rows, step by step from none to all."""
        ordered = weights[self._order]
        caught = np.cumsum(ordered * self._positive)[self._ends]
        alarms = np.cumsum(ordered)[self._ends] - caught
        return np.concatenate([[0.0], caught]), np.concatenate([[0.0], alarms])


@dataclass(frozen=True, slots=True)
class Bin:
    """The rows whose confidence lies in one part of 0…1: what was said, and how often it was right."""

    low: float
    high: float
    rows: float
    confidence: float | None
    accuracy: float | None


class Calibration:
    """The confidence in each row's answer beside whether it was right."""

    def __init__(self, confidence: Floats, right: np.ndarray) -> None:
        """Confidences lie in 0…1."""
        self._confidence, self._right = confidence, right.astype(np.float64)
        self._bin: Ints = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)

    def error(self, weights: Floats) -> float | None:
        """The expected calibration error: |confidence − accuracy| of the bins, weighted by their rows."""
        rows, confidence, right = self._sums(weights)
        total = rows.sum()
        return float(np.abs(confidence - right).sum() / total) if total > 0 else None

    def bins(self) -> tuple[Bin, ...]:
        """All bins, from 0 to 1."""
        rows, confidence, right = self._sums(ones(len(self._bin)))
        return tuple(
            Bin(
                low=place / BINS,
                high=(place + 1) / BINS,
                rows=float(rows[place]),
                confidence=float(confidence[place] / rows[place]) if rows[place] else None,
                accuracy=float(right[place] / rows[place]) if rows[place] else None,
            )
            for place in range(BINS)
        )

    def _sums(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        columns = (weights, weights * self._confidence, weights * self._right)
        rows, confidence, right = (np.bincount(self._bin, column, BINS).astype(np.float64) for column in columns)
        return rows, confidence, right
