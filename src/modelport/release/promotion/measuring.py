"""Evaluating versions of the registry on labelled data that lies in its store, and keeping what came of it."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from modelport.evaluate.data.columns import Asked
from modelport.evaluate.data.opening import open_data
from modelport.evaluate.evaluation import Options, evaluate
from modelport.evaluate.results import Evaluation, Measured
from modelport.evaluate.subject import Subject
from modelport.registry.base import Registry
from modelport.registry.records import By
from modelport.registry.releases import EvaluationRecord, Verdict
from modelport.release.promotion.datasets import fetch_data
from modelport.release.promotion.wish import WHOLE, DataRef, Progress

#: Text files whose rows can be counted before they are read.
_LINES = (".csv", ".tsv", ".jsonl", ".ndjson")
#: Where the rows begin and end on the whole way.
_ROWS_FROM, _ROWS_TO = 20, 90


@dataclass(frozen=True, slots=True)
class Asking:
    """The data, and which of its columns mean something."""

    data: DataRef
    slices: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def measure(
    registry: Registry, subject: Subject, other: Subject | None, asking: Asking, options: Options, progress: Progress
) -> Evaluation:
    """Run a version, or two on the same rows, over the data. Raises as `evaluate` and `open_data`."""
    with tempfile.TemporaryDirectory(prefix="modelport-data-") as folder:
        path = fetch_data(registry.store, asking.data, Path(folder))
        rows = _rows(path)
        asked = Asked(asking.data.label or None, asking.slices, asking.ignored)
        data = open_data(path, subject.signature, asked)

        def told(done: int) -> None:
            share = min(done / rows, 1.0) if rows else 0.0
            percent = _ROWS_FROM + round(share * (_ROWS_TO - _ROWS_FROM))
            progress(percent, WHOLE, f"{done:,} rows evaluated")

        evaluation = evaluate(subject, data, other, options, told)
    progress(_ROWS_TO, WHOLE, "evaluated")
    return evaluation


def keep(
    registry: Registry, evaluation: Evaluation, verdicts: Iterable[Verdict], number: int, data: DataRef, by: By
) -> EvaluationRecord:
    """Store an evaluation of a version with what gates said of it."""
    gates = [{"gate": item.gate, "passed": item.passed, "reason": item.why} for item in verdicts]
    document: dict[str, Any] = {**msgspec.to_builtins(evaluation), "gates": gates}
    name = evaluation.measured.model.name
    return registry.record_evaluation(name, number, document, figures_of(evaluation), data.name, data.digest, by)


def figures_of(evaluation: Evaluation) -> dict[str, float]:
    """The metrics of an evaluation as numbers by name, those of speed and size among them."""
    measured = evaluation.measured
    found: dict[str, float | None] = {name: metric.value for name, metric in measured.metrics.items()}
    found |= _speeds(measured) | {"rows": float(evaluation.data.rows)}
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}


def _speeds(measured: Measured) -> dict[str, float | None]:
    speed, size = measured.speed, measured.model.size
    return {
        "p50_ms": speed.p50_ms,
        "p95_ms": speed.p95_ms,
        "p99_ms": speed.p99_ms,
        "rows_per_s": speed.rows_per_s,
        "size_mb": None if size is None else size / 1e6,
    }


def _rows(path: Path) -> int:
    """About how many rows there are; 0 where that can't be told cheaply."""
    if path.suffix.lower() not in _LINES:
        return 0
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
