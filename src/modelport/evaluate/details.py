"""What an evaluation's plots are drawn from, small enough to be stored."""

from __future__ import annotations

import numpy as np

from modelport.evaluate.metrics.classification import Classification
from modelport.evaluate.metrics.regression import Regression
from modelport.evaluate.metrics.weights import Floats
from modelport.evaluate.results import Details, Point

#: Points of the residuals' plot, parts of their histogram, classes whose ROC curves are kept.
POINTS, PARTS, CURVES = 500, 30, 12


def details_of(results: Classification | Regression) -> Details:
    """Confusion matrix, ROC curves and reliability; or the residuals."""
    if isinstance(results, Regression):
        return _of_regression(results)
    curves = list(results.ranked.items())[:CURVES]
    return Details(
        classes=results.classes,
        confusion=tuple(tuple(int(rows) for rows in line) for line in results.confusion()),
        roc={name: curve for name, curve in ((name, ranked.curve()) for name, ranked in curves) if curve},
        reliability=results.calibration.bins() if results.calibration is not None else (),
    )


def _of_regression(results: Regression) -> Details:
    finite = np.isfinite(results.residuals)
    residuals = results.residuals[finite]
    if not len(residuals):
        return Details()
    counts, edges = np.histogram(residuals, PARTS)
    return Details(
        histogram=tuple(int(count) for count in counts),
        histogram_edges=tuple(float(edge) for edge in edges),
        scatter=_some(results.answers[finite], residuals),
    )


def _some(answers: Floats, residuals: Floats) -> tuple[Point, ...]:
    """At most so many points, evenly out of all rows."""
    kept = np.unique(np.linspace(0, len(answers) - 1, POINTS).round().astype(int))
    return tuple((float(answers[place]), float(residuals[place])) for place in kept)
