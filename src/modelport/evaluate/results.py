"""An evaluation as a document: what was measured, on which data, by whom. Frozen, and the same after JSON and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from modelport.core.errors import InvalidInputError
from modelport.evaluate.metrics.curves import Bin
from modelport.evaluate.metrics.intervals import McNemar
from modelport.evaluate.metrics.latency import Speed

#: The document's form; a later one that means something else has another number.
FORM = 1
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure and its 95 % interval. None: undefined, or not computed."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """The figures of the rows that have one value in a column."""

    column: str
    value: str
    rows: int
    metrics: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Which version it was. `size` is in bytes; `golden` is `ok`, why not, or empty where no requests are stored."""

    name: str
    version: str = ""
    digest: str = ""
    format: str = ""
    size: int | None = None
    golden: str = ""


@dataclass(frozen=True, slots=True)
class Data:
    """Which data it was; `digest` is the sha256 of its files."""

    name: str
    form: str
    label: str
    rows: int
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Details:
    """What plots are drawn from. `confusion` is [true][answered]; `scatter` has (answer, residual) of some rows."""

    classes: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    roc: dict[str, tuple[Point, ...]] = field(default_factory=dict)
    reliability: tuple[Bin, ...] = ()
    histogram_edges: tuple[float, ...] = ()
    histogram: tuple[int, ...] = ()
    scatter: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """One model's figures on the data."""

    model: ModelFacts
    metrics: dict[str, Metric]
    speed: Speed
    slices: tuple[Slice, ...] = ()
    details: Details = Details()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The other version on the same rows. `differences` are this − other; a disagreement is a share of the rows.

    `incompatibilities` are what a client of the other version would notice.
    """

    other: Measured
    differences: dict[str, Metric]
    disagreement: Metric
    incompatibilities: tuple[str, ...] = ()
    mcnemar: McNemar | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A version's figures on a labelled data set. `time` is UTC in ISO 8601, `seconds` how long it took."""

    task: Literal["classification", "regression"]
    measured: Measured
    data: Data
    signature: dict[str, Any]
    seed: int
    resamples: int
    time: str
    seconds: float
    by: str = ""
    notes: tuple[str, ...] = ()
    comparison: Comparison | None = None
    form: int = FORM

    def to_json(self) -> bytes:
        """The document as indented JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def evaluation_from_json(text: bytes | str) -> Evaluation:
    """The evaluation that `to_json` wrote. Raises InvalidInputError for anything else."""
    try:
        evaluation = msgspec.json.decode(text, type=Evaluation)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"this is not an evaluation: {error}") from None
    if evaluation.form != FORM:
        raise InvalidInputError(f"the evaluation has form {evaluation.form}; this Modelport reads form {FORM}")
    return evaluation
