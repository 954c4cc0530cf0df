"""The example models: they train, say what their numbers mean, and are as good as their README claims."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from drawn_digits import drawings, printed
from modelport.core.meaning import Image, Labels, Quantity, Tabular
from modelport.core.runtime import LoadedModel, LoadSpec
from modelport.runtimes.catalog import detect, runtime_for
from modelport.wire.pictures import picture_tensor

TRAIN = Path(__file__).parents[1] / "examples" / "train.py"


def train(folder: Path) -> str:
    """Train into the folder, as a process of its own; what it printed."""
    done = subprocess.run([sys.executable, TRAIN, folder], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    return folder, train(folder)


@pytest.fixture
def load(trained):
    def _load(name: str) -> LoadedModel:
        path = trained[0] / f"{name}.onnx"
        return runtime_for(detect(path)).load(path, LoadSpec(threads=1))

    return _load


def held_out_figure(printed_text: str, name: str, before: str) -> float:
    line = next(line for line in printed_text.splitlines() if line.startswith(f"{name}:"))
    return float(line.split(before, 1)[1].split()[0].rstrip(",;"))


def test_breast_cancer_names_its_columns_and_classes(load):
    (rows,), (label, scores) = load("breast-cancer").signature.inputs, load("breast-cancer").signature.outputs
    assert isinstance(rows.meaning, Tabular)
    assert len(rows.meaning.columns) == 30
    assert rows.meaning.columns[0].name == "mean radius"
    assert all(column.minimum <= column.default <= column.maximum for column in rows.meaning.columns)
    assert label.meaning == Labels(("malignant", "benign"))
    assert scores.shape == (-1, 2)


def test_breast_cancer_is_as_good_as_claimed(trained):
    assert held_out_figure(trained[1], "breast-cancer", "accuracy ") >= 0.95


def test_breast_cancer_calls_its_extremes_right(load):
    model = load("breast-cancer")
    columns = model.signature.inputs[0].meaning.columns
    rows = np.array([[c.minimum for c in columns], [c.maximum for c in columns]], np.float32)
    assert model.predict({"X": rows})["label"].tolist() == [1, 0]


def test_diabetes_takes_columns_as_measured(load):
    model = load("diabetes")
    columns = model.signature.inputs[0].meaning.columns
    assert [column.name for column in columns] == ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
    assert columns[0].unit == "years"
    assert isinstance(model.signature.outputs[0].meaning, Quantity)
    middle = np.array([[column.default for column in columns]], np.float32)
    assert 100 < model.predict({"X": middle})["progression"].item() < 200


def test_diabetes_is_as_good_as_claimed(trained):
    assert held_out_figure(trained[1], "diabetes", "R² ") >= 0.35


def test_digits_is_as_good_as_claimed(trained):
    assert held_out_figure(trained[1], "digits", "accuracy ") >= 0.95


@pytest.mark.parametrize(("source", "share"), [(drawings, 0.97), (printed, 0.85)])
def test_digits_reads_what_people_draw(load, source, share):
    model = load("digits")
    spec = model.signature.inputs[0]
    assert isinstance(spec.meaning, Image)
    wanted, files = zip(*source(np.random.default_rng(0)), strict=True)
    pictures = np.concatenate([picture_tensor(file, spec.meaning, spec) for file in files])
    read = model.predict({"image": pictures})["label"]
    assert np.mean(read == wanted) >= share


def test_an_empty_canvas_gives_finite_scores(load):
    scores = load("digits").predict({"image": np.zeros((1, 64), np.float32)})["probabilities"]
    assert np.isfinite(scores).all()


def test_each_file_is_proven_equal_to_scikit_learn(trained):
    for line in trained[1].splitlines():
        assert float(line.split("ONNX within ")[1].split()[0]) < 1e-5


def test_training_again_keeps_what_is_current(trained):
    folder = trained[0]
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert train(folder) == ""
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_training_again_mends_a_damaged_file(trained, tmp_path):
    damaged = tmp_path / "models"
    damaged.mkdir()
    for path in trained[0].iterdir():
        (damaged / path.name).write_bytes(path.read_bytes())
    (damaged / "diabetes.onnx").write_bytes(b"cut short")
    assert train(damaged).startswith("diabetes: ")
    assert (damaged / "diabetes.onnx").read_bytes() == (trained[0] / "diabetes.onnx").read_bytes()
