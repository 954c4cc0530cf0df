"""An evaluation's plots: confusion matrix, ROC curves, reliability diagram, residuals."""

from __future__ import annotations

from modelport.evaluate.metrics.classification import class_key
from modelport.evaluate.plots.svg import COLOURS, Axes, Picture
from modelport.evaluate.results import Details, Measured

#: More classes than this make a matrix without numbers; more still make none.
_NUMBERED, _DRAWN = 20, 60


def charts_of(measured: Measured) -> dict[str, str]:
    """File stem → SVG, for all that the evaluation has something to show."""
    details = measured.details
    made: dict[str, str] = {}
    if details.confusion and len(details.classes) <= _DRAWN:
        made["confusion-matrix"] = confusion_chart(details)
    if details.roc:
        made["roc"] = roc_chart(measured)
    if details.reliability:
        made["reliability"] = reliability_chart(details)
    if details.histogram:
        made["residuals"] = residuals_chart(details)
        made["residual-histogram"] = histogram_chart(details)
    return made


def confusion_chart(details: Details) -> str:
    """Rows are true classes; a cell is darker the larger its share of its row."""
    classes, count = details.classes, len(details.classes)
    cell = max(14, min(64, 420 // count))
    left = min(190, max(30, 24 + 8 * max(map(len, classes))))
    top, size = 56, cell * count
    picture = Picture(left + size + 24, top + size + left, "Confusion matrix")
    picture.text(12, 24, "Confusion matrix: true (rows), answered (columns)", "title")
    for row, (name, line) in enumerate(zip(classes, details.confusion, strict=True)):
        total = sum(line)
        y = top + row * cell
        picture.text(left - 8, y + cell / 2 + 4, _cut(name), anchor="end")
        for column, rows in enumerate(line):
            share = rows / total if total else 0.0
            hint = f"{name} → {classes[column]}: {rows} ({share:.1%})"
            x: float = left + column * cell
            picture.box(x, y, cell - 1, cell - 1, "bar", hint, fill_opacity=f"{0.06 + 0.94 * share:.2f}")
            if rows and count <= _NUMBERED:
                ink = "small over" if share > 0.5 else "small"
                picture.text(x + cell / 2, y + cell / 2 + 4, str(rows), ink, anchor="middle")
    for column, name in enumerate(classes):
        x = left + column * cell + cell / 2 + 4
        picture.text(x, top + size + 10, _cut(name), anchor="end", turn=-90)
    picture.width = max(picture.width, 400)
    return picture.svg()


def roc_chart(measured: Measured) -> str:
    """One curve for each class, with the area below it."""
    details = measured.details
    picture = Picture(620, 440, "ROC curves")
    picture.text(12, 24, "ROC: right alarms over false alarms", "title")
    axes = Axes(60, 44, 340, 340, (0, 1), (0, 1))
    axes.draw(picture, "false positive rate", "true positive rate")
    picture.line("even", *axes.at(0, 0), *axes.at(1, 1))
    single = len(details.roc) == 1
    for number, (name, points) in enumerate(details.roc.items()):
        colour = COLOURS[number % len(COLOURS)]
        picture.path([axes.at(x, y) for x, y in points], colour)
        metric = measured.metrics.get("roc_auc" if single else class_key("roc_auc", name))
        area = f" {metric.value:.3f}" if metric is not None and metric.value is not None else ""
        y = 54 + 20 * number
        picture.box(416, y - 8, 14, 4, "key", fill=colour)
        picture.text(436, y, _cut(name) + area)
    return picture.svg()


def reliability_chart(details: Details) -> str:
    """How often answers were right, by how sure the model was; the bars below are the rows."""
    picture = Picture(440, 500, "Reliability")
    picture.text(12, 24, "Reliability: how often sure answers are right", "title")
    axes = Axes(60, 44, 340, 340, (0, 1), (0, 1))
    axes.draw(picture, "confidence of the answer", "share of right answers")
    picture.line("even", *axes.at(0, 0), *axes.at(1, 1))
    points = [
        axes.at(item.confidence, item.accuracy)
        for item in details.reliability
        if item.confidence is not None and item.accuracy is not None
    ]
    picture.path(points, COLOURS[0])
    for x, y in points:
        picture.dot(x, y, 4)
    most = max(item.rows for item in details.reliability) or 1
    for item in details.reliability:
        x, _ = axes.at(item.low, 0)
        height = 44 * item.rows / most
        hint = f"{item.low:.1f}–{item.high:.1f}: {item.rows:.0f} rows"
        picture.box(x + 1, 486 - height, 32, height, "bar faint", hint)
    return picture.svg()


def residuals_chart(details: Details) -> str:
    """Answer − truth over the answer."""
    xs = [x for x, _ in details.scatter]
    most = max(abs(y) for _, y in details.scatter) or 1.0
    picture = Picture(620, 420, "Residuals")
    picture.text(12, 24, "Residuals: answer − truth", "title")
    axes = Axes(70, 44, 520, 310, (min(xs), max(xs)), (-most, most))
    axes.draw(picture, "answer", "residual")
    picture.line("even", *axes.at(min(xs), 0), *axes.at(max(xs), 0))
    for x, y in details.scatter:
        picture.dot(*axes.at(x, y), 2.5, "dot faint")
    return picture.svg()


def histogram_chart(details: Details) -> str:
    """How the residuals are spread."""
    edges, counts = details.histogram_edges, details.histogram
    picture = Picture(620, 360, "Histogram of the residuals")
    picture.text(12, 24, "Residuals: how many rows are how far off", "title")
    axes = Axes(70, 44, 520, 250, (edges[0], edges[-1]), (0, max(counts)))
    axes.draw(picture, "answer − truth", "rows")
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        x, y = axes.at(low, count)
        right, bottom = axes.at(high, 0)
        picture.box(x, y, max(right - x - 1, 0.5), bottom - y, "bar", f"{low:.4g} to {high:.4g}: {count} rows")
    return picture.svg()


def _cut(name: str) -> str:
    return name if len(name) <= 22 else name[:21] + "…"
