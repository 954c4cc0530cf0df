"""The figures that gates name, looked up in an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from modelport.core.errors import InvalidInputError
from modelport.core.nearest import did_you_mean
from modelport.evaluate.gates.gate import MetricRef
from modelport.evaluate.metrics.classification import class_key
from modelport.evaluate.results import Evaluation, Measured, Metric, Slice

_SPEEDS = ("p50_ms", "p95_ms", "p99_ms", "rows_per_s")


class UndefinedError(Exception):
    """The evaluation has the metric, but it has no value there."""


@dataclass(frozen=True)
class Lookup:
    """An evaluation and the other versions by their names in gates."""

    evaluation: Evaluation
    references: Mapping[str, Measured]

    def value(self, ref: MetricRef) -> float:
        """The number that a gate names. Raises InvalidInputError where there is no such thing, UndefinedError where it
        has no value."""
        metric = self._metric(ref)
        bound = ref.bounds[-1] if ref.bounds else ""
        value = metric.low if bound == "low" else metric.high if bound == "high" else metric.value
        if value is not None:
            return value
        if bound in ("low", "high") and metric.value is not None:
            raise UndefinedError(f"{ref.text} is not known: the evaluation has no interval for it")
        raise UndefinedError(f"{ref.text} is undefined on this data")

    def _metric(self, ref: MetricRef) -> Metric:
        if ref.name == "disagreement":
            return self._disagreement(ref)
        measured = self._measured(ref)
        if ref.bounds[:1] == ("difference",):
            return self._difference(ref)
        if ref.slice is not None:
            return self._sliced(ref, measured)
        direct = self._direct(ref.name, measured)
        return direct if direct is not None else _found(ref, measured.metrics, measured)

    def _measured(self, ref: MetricRef) -> Measured:
        if ref.of is None:
            return self.evaluation.measured
        if ref.of not in self.references:
            raise InvalidInputError(f"a gate speaks of {ref.of!r}, but no such version was compared with")
        return self.references[ref.of]

    def _direct(self, name: str, measured: Measured) -> Metric | None:
        """Figures that do not depend on the answers."""
        if name in _SPEEDS:
            speed: float | None = getattr(measured.speed, name)
            return Metric(speed)
        if name == "size_mb":
            return Metric(None if measured.model.size is None else measured.model.size / 1e6)
        return Metric(float(self.evaluation.data.rows)) if name == "rows" else None

    def _disagreement(self, ref: MetricRef) -> Metric:
        if self.evaluation.comparison is None:
            raise InvalidInputError("the gate 'disagreement' needs another version to compare with")
        if ref.slice is not None or ref.of is not None:
            raise InvalidInputError("the disagreement is that of all rows, between the two versions")
        return self.evaluation.comparison.disagreement

    def _difference(self, ref: MetricRef) -> Metric:
        if self.evaluation.comparison is None:
            raise InvalidInputError(f"the gate's {ref.text} needs another version to compare with")
        if ref.slice is not None or ref.of is not None:
            raise InvalidInputError(f"{ref.text}: differences are those of this version on all rows")
        return _found(ref, self.evaluation.comparison.differences, self.evaluation.measured)

    def _sliced(self, ref: MetricRef, measured: Measured) -> Metric:
        chosen = _slice(ref, measured)
        if ref.name == "rows":
            return Metric(float(chosen.rows))
        return _found(ref, {name: Metric(value) for name, value in chosen.metrics.items()}, measured)


def _slice(ref: MetricRef, measured: Measured) -> Slice:
    assert ref.slice is not None
    column, value = ref.slice
    columns = {item.column for item in measured.slices}
    if column not in columns:
        known = ", ".join(sorted(columns)) or "no column; name one with --slice"
        raise InvalidInputError(
            f"no slice column is called {column!r}{did_you_mean(column, columns)}; there is {known}"
        )
    values = {item.value: item for item in measured.slices if item.column == column}
    if value not in values:
        known = ", ".join(list(values)[:20])
        raise InvalidInputError(f"no row has {column}={value}{did_you_mean(value, values)}; there is {known}")
    return values[value]


def _found(ref: MetricRef, metrics: Mapping[str, Metric], measured: Measured) -> Metric:
    """The metric by its key. Raises InvalidInputError with the nearest right name."""
    if ref.part is None:
        key = ref.name
    else:
        key = class_key(ref.name, ref.part) if ref.quoted or ref.part != "weighted" else f"{ref.name}.{ref.part}"
    if key in metrics:
        return metrics[key]
    base = {name for name in metrics if name.split(".")[0] == ref.name}
    if base and ref.part is not None:
        parts = [name.partition(".")[2].strip('"') for name in base if "." in name]
        raise InvalidInputError(
            f"{ref.name} has no part {ref.part!r}{did_you_mean(ref.part, parts)}; "
            f"it has {', '.join(sorted(parts)[:20])}"
        )
    if ref.name == "residual":
        raise InvalidInputError("residual takes a percentile: residual.p5, .p25, .p50, .p75 or .p95")
    has = ", ".join(sorted({name.split(".")[0] for name in metrics}))
    raise InvalidInputError(f"the evaluation of {measured.model.name} has no {ref.name}; it has {has}")
