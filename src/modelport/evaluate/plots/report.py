"""An evaluation as one HTML file: it needs no network, no scripts and no other file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from modelport.evaluate.gates.judging import Verdict
from modelport.evaluate.metrics.classification import class_key
from modelport.evaluate.plots.charts import charts_of
from modelport.evaluate.results import Evaluation, Metric

_STYLE = """
:root{color-scheme:light dark;--ink:#24292f;--faint:#57606a;--ground:#fff;--line:#d0d7de;--good:#1a7f37;--bad:#cf222e}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--faint:#9da7b3;--ground:#0d1117;--line:#30363d;--good:#3fb950;
--bad:#ff7b72}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);max-width:60rem;margin:2rem auto;
padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}p{color:var(--faint)}
.scroll{overflow-x:auto}table{border-collapse:collapse}th,td{padding:.25rem .8rem;border-bottom:1px solid var(--line);
text-align:right;font-variant-numeric:tabular-nums}.words td,.words th,th:first-child,td:first-child{text-align:left}
td:first-child{white-space:nowrap}
.good{color:var(--good)}.bad{color:var(--bad)}.plots{display:flex;flex-wrap:wrap;gap:1rem}svg{max-width:100%;height:auto}
"""
_PASSED, _REFUSED = '<span class="good">passed</span>', '<span class="bad">refused</span>'


def report_html(evaluation: Evaluation, verdicts: Sequence[Verdict] = ()) -> str:
    """The whole report."""
    title = f"Evaluation of {named(evaluation)} on {evaluation.data.name}"
    body = "\n".join(
        (
            f"<h1>{escape(title)}</h1>",
            f"<p>{escape(summary(evaluation))}</p>",
            *(f"<p>Note: {escape(note)}.</p>" for note in evaluation.notes),
            *_verdicts(verdicts),
            *_metrics(evaluation),
            *_classes(evaluation),
            *_slices(evaluation),
            *_compared(evaluation),
            *_plots(evaluation),
            *_origin(evaluation),
        )
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def named(evaluation: Evaluation) -> str:
    """The model and its version."""
    model = evaluation.measured.model
    return f"{model.name}@{model.version}" if model.version else model.name


def summary(evaluation: Evaluation) -> str:
    """The data and the speed in a line."""
    data, speed = evaluation.data, evaluation.measured.speed
    parts = [f"{evaluation.task}, {data.rows:,} rows, label {data.label!r}"]
    if speed.p50_ms is not None and speed.p99_ms is not None:
        parts.append(f"one row takes {speed.p50_ms:.3g} ms (p99 {speed.p99_ms:.3g} ms)")
    if speed.rows_per_s is not None:
        parts.append(f"{speed.rows_per_s:,.0f} rows/s in batches")
    return "; ".join(parts)


def number(value: float | None) -> str:
    """A figure in four digits; a dash for what is undefined."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4f}" if abs(value) < 10 else f"{value:.4g}"


def interval(metric: Metric) -> str:
    """`0.94 … 0.99`, or nothing."""
    return "" if metric.low is None or metric.high is None else f"{number(metric.low)} … {number(metric.high)}"


def is_of_part(name: str) -> bool:
    """Whether a metric is that of one class: those have a table of their own."""
    return "." in name and not name.endswith(".weighted") and not name.startswith("residual.")


def _verdicts(verdicts: Sequence[Verdict]) -> Iterator[str]:
    if not verdicts:
        return
    yield "<h2>Gates</h2>"
    rows = (
        (_PASSED if item.passed else _REFUSED, f"<code>{escape(item.gate)}</code>", escape(item.reason))
        for item in verdicts
    )
    yield _table(("", "gate", "values"), rows, "words")


def _metrics(evaluation: Evaluation) -> Iterator[str]:
    yield "<h2>Metrics</h2>"
    comparison = evaluation.comparison
    head = ["metric", "value", "95 % interval"]
    if comparison is not None:
        head += [comparison.other.model.name, "difference", "95 % interval"]
    rows = []
    for name, metric in evaluation.measured.metrics.items():
        if is_of_part(name):
            continue
        row = [escape(name), number(metric.value), interval(metric)]
        if comparison is not None:
            other, difference = comparison.other.metrics.get(name), comparison.differences.get(name)
            row += ["" if other is None else number(other.value)]
            row += ["", ""] if difference is None else [number(difference.value), interval(difference)]
        rows.append(row)
    yield _table(head, rows)


def _classes(evaluation: Evaluation) -> Iterator[str]:
    details, metrics = evaluation.measured.details, evaluation.measured.metrics
    if not details.classes:
        return
    yield "<h2>Classes</h2>"
    names = ("precision", "recall", "f1", "roc_auc")
    rows = []
    for name, line in zip(details.classes, details.confusion, strict=True):
        found = [metrics.get(class_key(metric, name)) for metric in names]
        rows.append(
            [escape(name), *("" if metric is None else number(metric.value) for metric in found), f"{sum(line):,}"]
        )
    yield _table(("class", *names, "rows"), rows)


def _slices(evaluation: Evaluation) -> Iterator[str]:
    slices = evaluation.measured.slices
    if not slices:
        return
    yield "<h2>Slices</h2>"
    names = [name for name in slices[0].metrics if "." not in name]
    rows = (
        [escape(f"{item.column} = {item.value}"), f"{item.rows:,}", *(number(item.metrics.get(name)) for name in names)]
        for item in slices
    )
    yield _table(("slice", "rows", *names), rows)


def _compared(evaluation: Evaluation) -> Iterator[str]:
    comparison = evaluation.comparison
    if comparison is None:
        return
    yield f"<h2>Beside {escape(comparison.other.model.name)}</h2>"
    share = comparison.disagreement.value
    said = [f"The two disagree about {share:.2%} of the rows." if share is not None else ""]
    test = comparison.mcnemar
    if test is not None:
        said.append(
            f"{test.only_this:,} rows only this one has right, {test.only_other:,} only the other; chance alone "
            f"makes such a difference, or a larger one, with probability {test.p_value:.3g} (McNemar)."
        )
    yield f"<p>{' '.join(said)}</p>"
    broken = comparison.incompatibilities
    told = "".join(f"<li>{escape(item)}</li>" for item in broken)
    yield (
        f"<p>Clients of the other would notice:</p><ul>{told}</ul>" if broken else "<p>Clients can go on unchanged.</p>"
    )


def _plots(evaluation: Evaluation) -> Iterator[str]:
    charts = charts_of(evaluation.measured)
    if charts:
        yield "<h2>Plots</h2>"
        yield '<div class="plots">' + "\n".join(charts.values()) + "</div>"


def _origin(evaluation: Evaluation) -> Iterator[str]:
    model, data = evaluation.measured.model, evaluation.data
    facts = {
        "model": f"{named(evaluation)} {model.format}".strip(),
        "model's sha256": model.digest,
        "size": "" if model.size is None else f"{model.size:,} bytes",
        "golden requests": model.golden,
        "data": f"{data.name} ({data.form})",
        "data's sha256": data.digest,
        "computed": evaluation.time + (f" by {evaluation.by}" if evaluation.by else ""),
        "bootstrap": f"{evaluation.resamples} samples, seed {evaluation.seed}",
    }
    yield "<h2>Origin</h2>"
    yield _table((), ((escape(name), escape(value)) for name, value in facts.items() if value), "words")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "numbers") -> str:
    """A table of cells that are HTML already."""
    top = "<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>" if head else ""
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table class="{kind}">{top}\n{body}</table></div>'
