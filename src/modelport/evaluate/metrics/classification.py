"""The metrics of a classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from modelport.evaluate.metrics.curves import Calibration, Ranked
from modelport.evaluate.metrics.weights import Figures, Floats, Ints, mean, ones

#: Words that a gate gives a meaning of their own: a class of that name is written in quotes.
RESERVED = frozenset(("macro", "weighted", "low", "high", "difference"))
#: The least probability that the log loss takes a model at its word for.
_LEAST = float(np.finfo(np.float64).eps)
#: How far the probabilities of a row may be from a sum of 1.
_SUM = 1e-3


def class_key(metric: str, name: str) -> str:
    """What a metric of one class is called: `f1.malignant`."""
    return f'{metric}."{name}"' if name in RESERVED else f"{metric}.{name}"


@dataclass(frozen=True)
class Classification:
    """The true and the answered class of each row, as places in `classes`, and the scores where there are any.

    `scores` is [rows, classes]; a class that the model does not know has the score 0. Probabilities are told from other
    scores by their range and sum: log loss, Brier score and calibration are defined for probabilities only.
    """

    classes: tuple[str, ...]
    truth: Ints
    answers: Ints
    scores: Floats | None = None

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.truth)

    def figures(self, weights: Floats | None = None) -> Figures:
        """Every metric; those of scores only where there are scores."""
        weights = ones(self.rows) if weights is None else weights
        made: Figures = {"accuracy": mean(self.right, weights)}
        made.update(_by_class(self.confusion(weights), self.classes))
        if self.scores is not None:
            made.update(self._areas(weights))
            made.update(self._probability_figures(weights))
        return made

    def confusion(self, weights: Floats | None = None) -> Floats:
        """[true class, answered class] → rows (or their weight)."""
        count = len(self.classes)
        weights = ones(self.rows) if weights is None else weights
        cells = self.truth * count + self.answers
        return np.bincount(cells, weights, count * count).astype(np.float64).reshape(count, count)

    @cached_property
    def right(self) -> Floats:
        """1 for each row whose answer is the truth, otherwise 0."""
        return np.asarray(self.truth == self.answers, np.float64)

    @cached_property
    def are_probabilities(self) -> bool:
        """Whether every row's scores are in 0…1 and sum to 1."""
        scores = self.scores
        if scores is None or not len(scores):
            return False
        in_range = bool((scores >= -_SUM).all() and (scores <= 1 + _SUM).all())
        return in_range and bool((np.abs(scores.sum(axis=1) - 1) <= _SUM).all())

    @cached_property
    def ranked(self) -> dict[str, Ranked]:
        """Class → its rows by score: that of the second of two classes, or each of more against the rest."""
        if self.scores is None or not np.isfinite(self.scores).all():
            return {}
        places = [1] if len(self.classes) == 2 else range(len(self.classes))
        return {self.classes[place]: Ranked(self.truth == place, self.scores[:, place]) for place in places}

    @cached_property
    def calibration(self) -> Calibration | None:
        """How sure the model was of its answers, and whether they were right; None without probabilities."""
        if self.scores is None or not self.are_probabilities:
            return None
        confidence = self.scores[np.arange(self.rows), self.answers].clip(0, 1)
        return Calibration(confidence, self.right)

    @cached_property
    def _losses(self) -> tuple[Floats, Floats]:
        """−log of the true class's probability, and the squared error of all of them, for each row."""
        assert self.scores is not None
        true = self.scores[np.arange(self.rows), self.truth]
        squares = ((self.scores - np.eye(len(self.classes))[self.truth]) ** 2).sum(axis=1)
        return -np.log(true.clip(_LEAST, 1)), squares / 2 if len(self.classes) == 2 else squares

    def _areas(self, weights: Floats) -> Figures:
        areas = {name: ranked.area(weights) for name, ranked in self.ranked.items()}
        defined = [area for area in areas.values() if area is not None]
        made: Figures = {"roc_auc": float(np.mean(defined)) if defined else None}
        if len(areas) > 1:
            made.update({class_key("roc_auc", name): area for name, area in areas.items()})
        return made

    def _probability_figures(self, weights: Floats) -> Figures:
        if self.calibration is None:
            return {"log_loss": None, "brier": None, "ece": None}
        losses, squares = self._losses
        return {
            "log_loss": mean(losses, weights),
            "brier": mean(squares, weights),
            "ece": self.calibration.error(weights),
        }


def _by_class(confusion: Floats, classes: Sequence[str]) -> Figures:
    """Precision, recall and F1 of each class, their plain mean, and their mean by the classes' rows.

    A class that is neither true nor answered anywhere is undefined, and left out of the means.
    """
    hits, rows, answered = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    there = (rows + answered) > 0
    made: Figures = {}
    for metric, parts, wholes in (
        ("precision", hits, answered),
        ("recall", hits, rows),
        ("f1", 2 * hits, rows + answered),
    ):
        values = np.divide(parts, wholes, out=np.zeros(len(hits)), where=wholes > 0)
        made[metric] = float(values[there].mean()) if there.any() else None
        made[f"{metric}.weighted"] = float(values @ rows / rows.sum()) if rows.sum() > 0 else None
        for name, value, known in zip(classes, values, there, strict=True):
            made[class_key(metric, name)] = float(value) if known else None
    return made
