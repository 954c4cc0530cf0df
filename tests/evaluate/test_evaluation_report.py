"""The report and the plots: complete, well-formed, without anything from elsewhere, safe whatever names are in them."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from evaluate.iris_data import IRIS, subject_of, write_csv
from modelport.evaluate.data.columns import Asked
from modelport.evaluate.data.opening import open_data
from modelport.evaluate.evaluation import Options, evaluate
from modelport.evaluate.gates.judging import judge
from modelport.evaluate.gates.reading import read_gate
from modelport.evaluate.plots.charts import charts_of, confusion_chart
from modelport.evaluate.plots.report import report_html
from modelport.evaluate.plots.svg import marks
from modelport.evaluate.results import Details

EVIL = '<script>alert(1)</script>&"'
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def classified(places, iris_rows):
    subject = subject_of(places.iris)
    rows, species = iris_rows
    table = [
        [*row, EVIL if at % 2 else "plain", name] for at, (row, name) in enumerate(zip(rows, species, strict=True))
    ]
    path = write_csv(places.folder / "sliced.csv", [*IRIS, "group", "label"], table)
    data = open_data(path, subject.signature, Asked(slices=("group",)))
    return evaluate(subject, data, subject_of(places.forest), Options(resamples=20, by=EVIL))


@pytest.fixture(scope="module")
def regressed(places):
    from sklearn.datasets import load_diabetes

    rows, truth = load_diabetes(return_X_y=True)
    np.savez(places.folder / "diabetes.npz", X=rows, y=truth)
    subject = subject_of(places.diabetes)
    return evaluate(subject, open_data(places.folder / "diabetes.npz", subject.signature), None, Options(resamples=20))


class Elements(HTMLParser):
    """Every start tag with its attributes; and the tags that were not closed."""

    def __init__(self, text):
        super().__init__()
        self.found, self.opened = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag != "meta":
            self.opened.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag


def test_every_chart_is_well_formed_and_has_what_was_measured(classified, regressed):
    charts = charts_of(classified.measured)
    assert list(charts) == ["confusion-matrix", "roc", "reliability"]
    assert list(charts_of(regressed.measured)) == ["residuals", "residual-histogram"]
    for svg in (*charts.values(), *charts_of(regressed.measured).values()):
        root = ElementTree.fromstring(svg)
        assert "prefers-color-scheme:dark" in root.find(f"{SVG}style").text
        width, height = float(root.get("width")), float(root.get("height"))
        for dot in root.iter(f"{SVG}circle"):
            assert 0 <= float(dot.get("cx")) <= width
            assert 0 <= float(dot.get("cy")) <= height
    cells = [item.text for item in ElementTree.fromstring(charts["confusion-matrix"]).iter(f"{SVG}text")]
    assert {"50", "47", "3", "1", "49"} <= set(cells)
    points = list(ElementTree.fromstring(charts_of(regressed.measured)["residuals"]).iter(f"{SVG}circle"))
    assert len(points) == 442


def test_the_report_needs_nothing_from_elsewhere_and_runs_nothing(classified):
    verdicts = judge([read_gate("accuracy > 0.9"), read_gate("accuracy > 0.99")], classified)
    text = report_html(classified, verdicts)
    page = Elements(text)
    assert page.opened == []
    assert not [tag for tag, _ in page.found if tag in ("script", "link", "img", "iframe", "object")]
    for _, attributes in page.found:
        assert not {"src", "href", "onload", "onclick"} & attributes.keys()
    assert not re.search(r"url\(|@import", text)
    assert text.count("<svg") == 3
    for said in ("accuracy &gt; 0.99", "refused", "passed", "McNemar", "setosa", "group = plain", "output_label"):
        assert said in text
    assert "<script" not in text


def test_the_report_of_a_regression(regressed):
    text = report_html(regressed)
    assert Elements(text).opened == []
    assert "residual.p95" in text
    assert "Gates" not in text


def test_what_is_undefined_is_a_dash(regressed):
    metrics = {"r2": replace(regressed.measured.metrics["r2"], value=None, low=None, high=None)}
    text = report_html(replace(regressed, measured=replace(regressed.measured, metrics=metrics)))
    assert "<td>r2</td><td>–</td><td></td>" in text


def test_names_of_classes_are_escaped():
    svg = confusion_chart(Details(classes=(EVIL, "b"), confusion=((3, 1), (0, 4))))
    ElementTree.fromstring(svg)
    assert "<script" not in svg


def test_marks_are_round_and_within():
    assert marks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert marks(-153.2, 122.9) == [-150, -100, -50, 0, 50, 100]
    assert marks(5, 5) == [5]
