"""docs/evaluation.md is true: its gates can be read, its metrics are all there are, and its Python runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from evaluate.iris_data import IRIS, write_csv
from modelport.core.errors import InvalidInputError
from modelport.evaluate.data.columns import LABELS
from modelport.evaluate.data.opening import FORMATS
from modelport.evaluate.gates.gate import METRICS
from modelport.evaluate.gates.reading import read_gate

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
GATES = re.findall(r"^\| `([^`]+)` \| ", PAGE.partition("| gate | passes where |")[2].partition("\n\n")[0], re.M)


@pytest.mark.parametrize("gate", GATES)
def test_every_gate_can_be_read(gate):
    assert read_gate(gate).text == gate


def test_there_are_gates_and_errors_are_told_as_they_are():
    assert len(GATES) == 13
    with pytest.raises(InvalidInputError) as told:
        read_gate("acuracy >= 0.1")
    assert str(told.value).split("; the metrics are")[0] in PAGE


def test_every_metric_is_documented():
    told = set(re.findall(r"`(\w+)[`.]", PAGE))
    assert set(METRICS) <= told


def test_every_form_and_label_is_documented():
    for word in (*FORMATS, *LABELS):
        assert f"`{word}`" in PAGE


def test_its_python_runs(places, iris_rows, tmp_path):
    rows, species = iris_rows
    (tmp_path / "iris.onnx").write_bytes(places.iris.read_bytes())
    write_csv(tmp_path / "iris.csv", [*IRIS, "label"], [[*row, name] for row, name in zip(rows, species, strict=True)])
    [code] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Metric(value=0.9733" in done.stdout
    assert "passed=True" in done.stdout
