"""What a gate is once it is read: a comparison of two sums, or a fixed condition. Values only, nothing that runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

#: Metric → what it is; these are the names that a gate may use, besides those of references.
METRICS: dict[str, str] = {
    "accuracy": "share of right answers",
    "precision": "mean over the classes; precision.CLASS, precision.weighted",
    "recall": "mean over the classes; recall.CLASS, recall.weighted",
    "f1": "mean over the classes; f1.CLASS, f1.weighted",
    "roc_auc": "area below the ROC curve; with more than two classes the mean against the rest, and roc_auc.CLASS",
    "log_loss": "mean −log of the true class's probability",
    "brier": "mean squared error of the probabilities",
    "ece": "expected calibration error, of ten bins",
    "mse": "mean squared error",
    "rmse": "its root",
    "mae": "mean absolute error",
    "r2": "share of the variance that is explained",
    "bias": "mean of answer − truth",
    "residual": "percentiles of answer − truth: residual.p5, .p25, .p50, .p75, .p95",
    "p50_ms": "median time of a request with one row, in milliseconds",
    "p95_ms": "its 95th percentile",
    "p99_ms": "its 99th percentile",
    "rows_per_s": "rows per second in batches",
    "size_mb": "size of the model's files in 1,000,000 bytes",
    "rows": "rows of the data, or of the slice",
    "disagreement": "share of rows that the other version answers otherwise",
}
Bound = Literal["low", "high", "difference"]
Compare = Literal[">=", "<=", "==", "!=", ">", "<"]


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class MetricRef:
    """`slice[column=value].name.part.low`, of this version, or of the one called `of`.

    A `part` is a class or a word such as `weighted`; `quoted`: it was in quotes, so it is a class. `text` and `at` are
    how and where it stands in the gate.
    """

    name: str
    part: str | None = None
    quoted: bool = False
    bounds: tuple[Bound, ...] = ()
    slice: tuple[str, str] | None = None
    of: str | None = None
    text: str = ""
    at: int = 0


@dataclass(frozen=True, slots=True)
class Same:
    """`production`: the metric of the other side, as that version has it."""

    of: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """Two values and one of + - * /."""

    sign: Literal["+", "-", "*", "/"]
    left: Expression
    right: Expression


Expression = Number | MetricRef | Same | Operation


@dataclass(frozen=True, slots=True)
class Rule:
    """A gate that compares."""

    text: str
    left: Expression
    compare: Compare
    right: Expression


@dataclass(frozen=True, slots=True)
class Condition:
    """`golden == ok`, or `signature compatible` with the version called `of`; without `of`, any signature will do."""

    text: str
    what: Literal["golden", "signature"]
    of: str | None = None


Gate = Rule | Condition


def references_of(gate: Gate) -> frozenset[str]:
    """The other versions that a gate speaks of: it can't be judged without them."""
    if isinstance(gate, Condition):
        return frozenset(() if gate.of is None else (gate.of,))
    leaves = (*leaves_of(gate.left), *leaves_of(gate.right))
    return frozenset(leaf.of for leaf in leaves if isinstance(leaf, MetricRef | Same) and leaf.of is not None)


def leaves_of(expression: Expression) -> Iterator[Number | MetricRef | Same]:
    """The numbers and metrics in an expression, from left to right."""
    if isinstance(expression, Operation):
        yield from leaves_of(expression.left)
        yield from leaves_of(expression.right)
    else:
        yield expression
