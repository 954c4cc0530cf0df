"""An evaluation as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelport.evaluate.gates.judging import Verdict
from modelport.evaluate.metrics.classification import class_key
from modelport.evaluate.plots.report import interval, is_of_part, named, number, summary
from modelport.evaluate.results import Comparison, Evaluation

#: Classes that are listed; the report has all of them.
_MOST = 20


def evaluation_text(evaluation: Evaluation) -> str:
    """Metrics with their intervals, classes, slices, and what is different from the other model."""
    return "\n".join(_lines(evaluation))


def verdict_line(verdict: Verdict) -> str:
    """One gate, its values and whether it passed."""
    return f"gate {'passed ' if verdict.passed else 'REFUSED'}  {verdict.gate}  ({verdict.reason})"


def _lines(evaluation: Evaluation) -> Iterator[str]:
    yield f"{named(evaluation)} on {evaluation.data.name}: {summary(evaluation)}"
    yield from (f"note: {note}" for note in evaluation.notes)
    yield ""
    yield from _metrics(evaluation)
    yield from _classes(evaluation)
    yield from _slices(evaluation)
    if evaluation.comparison is not None:
        yield from _compared(evaluation.comparison)


def _metrics(evaluation: Evaluation) -> Iterator[str]:
    comparison = evaluation.comparison
    rows = [["metric", "value", "95 % interval"]]
    if comparison is not None:
        rows[0] += [comparison.other.model.name, "difference", "95 % interval"]
    for name, metric in evaluation.measured.metrics.items():
        if is_of_part(name):
            continue
        row = [name, number(metric.value), interval(metric)]
        difference = comparison.differences.get(name) if comparison is not None else None
        if comparison is not None and difference is not None:
            row += [number(comparison.other.metrics[name].value), number(difference.value), interval(difference)]
        rows.append(row)
    yield from _table(rows)


def _classes(evaluation: Evaluation) -> Iterator[str]:
    details, metrics = evaluation.measured.details, evaluation.measured.metrics
    if not details.classes:
        return
    names = ("precision", "recall", "f1")
    rows = [["class", *names, "rows"]]
    for name, line in list(zip(details.classes, details.confusion, strict=True))[:_MOST]:
        found = (metrics.get(class_key(metric, name)) for metric in names)
        figures = (number(None if metric is None else metric.value) for metric in found)
        rows.append([name, *figures, f"{sum(line):,}"])
    yield ""
    yield from _table(rows)
    if len(details.classes) > _MOST:
        yield f"… and {len(details.classes) - _MOST} more classes"


def _slices(evaluation: Evaluation) -> Iterator[str]:
    slices = evaluation.measured.slices
    if not slices:
        return
    names = [name for name in slices[0].metrics if "." not in name]
    rows = [["slice", "rows", *names]]
    for item in slices:
        figures = (number(item.metrics.get(name)) for name in names)
        rows.append([f"{item.column} = {item.value}", f"{item.rows:,}", *figures])
    yield ""
    yield from _table(rows)


def _compared(comparison: Comparison) -> Iterator[str]:
    yield ""
    share = comparison.disagreement
    if share.value is not None:
        yield f"they disagree about {share.value:.2%} of the rows"
    test = comparison.mcnemar
    if test is not None:
        yield (
            f"only this one is right about {test.only_this:,} rows, only {comparison.other.model.name} about "
            f"{test.only_other:,} (McNemar: p = {test.p_value:.3g})"
        )
    if comparison.incompatibilities:
        yield f"clients of {comparison.other.model.name} would notice:"
        yield from (f"  {item}" for item in comparison.incompatibilities)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    width = max(len(row) for row in rows)
    widths = [max((len(row[at]) for row in rows if at < len(row)), default=0) for at in range(width)]
    for row in rows:
        cells = [cell.ljust(widths[at]) if at == 0 else cell.rjust(widths[at]) for at, cell in enumerate(row)]
        yield "  ".join(cells).rstrip()
