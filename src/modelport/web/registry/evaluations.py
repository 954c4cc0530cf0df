"""Evaluations of a model, and one of them with its plots."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from markupsafe import Markup

from modelport.core.references import parse_version
from modelport.evaluate.metrics.classification import class_key
from modelport.evaluate.plots.charts import charts_of
from modelport.evaluate.plots.report import interval, is_of_part, summary
from modelport.evaluate.plots.svg import STYLE
from modelport.evaluate.results import Evaluation, Measured, Metric, evaluation_from_json
from modelport.registry.base import LARGEST_PAGE
from modelport.registry.releases import Verdict
from modelport.web.registry.models import common_metrics
from modelport.web.registry.visit import PAGE, View, Visit, parse_number

#: The page's rules for scripts and styles forbid style attributes; the colour is said by one that they allow.
_COLOURED = re.compile(r' style="fill:(#[0-9a-f]{6})"')


#: What stands above the plots.
CAPTIONS = {
    "confusion-matrix": "Confusion matrix: true classes in rows, answers in columns",
    "roc": "ROC: right alarms over false alarms",
    "reliability": "Calibration: how often sure answers are right",
    "residuals": "Residuals: answer less truth",
    "residual-histogram": "Residuals: how many rows are how far off",
}
#: What is told of each class.
CLASS_METRICS = ("precision", "recall", "f1", "roc_auc")


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A figure, and where two versions were compared that of the other and the difference."""

    name: str
    mine: Metric
    other: Metric | None
    difference: Metric | None

    @property
    def sure(self) -> bool:
        """Whether the difference is one: its interval leaves zero out."""
        found = self.difference
        return found is not None and found.low is not None and found.high is not None and found.low * found.high > 0


@dataclass(frozen=True, slots=True)
class ClassRow:
    """The figures of one class, and how many rows truly are of it."""

    name: str
    values: list[float | None]
    rows: int


def evaluations(visit: Visit) -> View:
    """The evaluations of a model, or with `version` of one of its versions."""
    registry, name = visit.registry, visit.path["name"]
    wanted = parse_version(visit.asked("version")) if visit.asked("version") else None
    found = registry.evaluations(name, wanted, LARGEST_PAGE)
    return View(
        "registry/evaluations.html",
        {
            "model": registry.model(name),
            "version": wanted,
            "evaluations": found[:PAGE],
            "more": len(found) - PAGE,
            "metrics": common_metrics(item.metrics for item in found[:PAGE]),
        },
    )


def evaluation(visit: Visit) -> View:
    """One evaluation: figures, slices, the comparison, plots."""
    record = visit.registry.evaluation(parse_number(visit.path["id"], "the evaluation"))
    document = evaluation_from_json(msgspec.json.encode(record.document))
    return View(
        "registry/evaluation.html",
        {
            "record": record,
            "evaluation": document,
            "summary": summary(document),
            "interval": interval_words,
            "class_metrics": CLASS_METRICS,
            "rows": metric_rows(document),
            "classes": class_rows(document.measured),
            "gates": gates_of(record.document or {}),
            "captions": CAPTIONS,
            "plots": plots(document.measured),
            "other_plots": plots(document.comparison.other) if document.comparison else {},
        },
    )


def gates_of(document: Mapping[str, Any]) -> list[Verdict]:
    """What gates said of the evaluation, where it was made for a promotion."""
    return [
        Verdict(str(item.get("gate", "")), item.get("passed") is True, str(item.get("reason", "")))
        for item in document.get("gates", ())
        if isinstance(item, dict)
    ]


def metric_rows(evaluation: Evaluation) -> list[MetricRow]:
    """The figures of the whole; those of single classes have a table of their own."""
    comparison = evaluation.comparison
    others = comparison.other.metrics if comparison else {}
    differences = comparison.differences if comparison else {}
    return [
        MetricRow(name, metric, others.get(name), differences.get(name))
        for name, metric in evaluation.measured.metrics.items()
        if not is_of_part(name)
    ]


def class_rows(measured: Measured) -> list[ClassRow]:
    """Each class with its figures; nothing for a regression."""
    details, metrics = measured.details, measured.metrics
    return [
        ClassRow(name, [_value(metrics.get(class_key(metric, name))) for metric in CLASS_METRICS], sum(line))
        for name, line in zip(details.classes, details.confusion, strict=False)
    ]


def interval_words(metric: Metric | None) -> str:
    """`0.94 … 0.99`, or nothing."""
    return "" if metric is None else interval(metric)


def _value(metric: Metric | None) -> float | None:
    return None if metric is None else metric.value


def plots(measured: Measured) -> dict[str, Markup]:
    """The plots as parts of a page, whose style sheet gives them their colours. All text in them is escaped already.

    None where an evaluation that others wrote has details that do not fit each other.
    """
    try:
        drawn = charts_of(measured)
    except (ValueError, IndexError, ZeroDivisionError):
        return {}
    return {name: Markup(in_page(svg)) for name, svg in drawn.items()}  # noqa: S704 - see above


def in_page(svg: str) -> str:
    """An SVG without styles of its own."""
    return _COLOURED.sub(r' fill="\1"', svg.replace(STYLE, ""))
