import json

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper

from modelport.cli.inspect import inspect
from modelport.cli.inspect_meanings import meaning_text
from modelport.cli.inspect_text import size_text
from modelport.core.description import signature_from_dict
from modelport.core.meaning import Image, Labels, Probabilities, Quantity, Text
from modelport.core.signature import TensorSpec

COLUMNS = [{"name": f"measurement number {n}", "unit": "mm", "minimum": 0.0, "maximum": 10.5 * n} for n in range(1, 31)]
MEANING = {
    "description": "Tells a benign from a malignant tumour by what a microscope shows of it. " * 3,
    "inputs": {"X": {"kind": "tabular", "columns": COLUMNS}},
    "outputs": {"scores": {"kind": "probabilities", "labels": ["malignant", "benign"]}},
}


@pytest.fixture
def wide_model(tmp_path):
    path = tmp_path / "wide.onnx"
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["X", "W"], ["Y"]), helper.make_node("Softmax", ["Y"], ["scores"], axis=1)],
        "wide",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", 30])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 2])],
        [onnx.numpy_helper.from_array(np.ones((30, 2), np.float32), "W")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="by-hand")
    model.metadata_props.add(key="modelport", value=json.dumps(MEANING))
    onnx.save(model, path)
    return path


def run(*args):
    return CliRunner().invoke(inspect, [str(item) for item in args])


def test_the_text_fits_eighty_columns_and_names_every_column(wide_model, monkeypatch):
    monkeypatch.chdir(wide_model.parent)
    result = run(wide_model.name)
    assert result.exit_code == 0, result.output
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    flat = " ".join(result.stdout.split())
    for column in COLUMNS:
        assert f"{column['name']} (mm, 0 to {column['maximum']:.4g})" in flat
    for words in ("by-hand", "ai.onnx 17", "X FP32 [-1, 30]", "scores FP32 [-1, 2]", "2 labels: malignant, benign"):
        assert words in flat
    assert MEANING["description"].strip() in flat


def test_json_reads_back_as_the_signature(wide_model):
    result = run(wide_model, "--json")
    document = json.loads(result.stdout)
    signature = signature_from_dict(document["signature"])
    assert signature.input("X").shape == (-1, 30)
    assert len(signature.input("X").meaning.columns) == 30
    assert document["bytes"] == wide_model.stat().st_size
    assert (document["format"], document["platform"]) == ("onnx", "onnx_onnxv1")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "empty"), (b'{"a": 1}', "JSON"), (b"\x80\x04\x95", "pickle"), (b"garbage", "wrong")],
)
def test_a_file_that_is_no_model(tmp_path, content, says):
    path = tmp_path / "wrong"
    path.write_bytes(content)
    result = run(path)
    assert result.exit_code == 1
    assert "Inputs" not in result.stdout
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert says in result.stderr


def test_a_damaged_model(wide_model):
    wide_model.write_bytes(wide_model.read_bytes()[:-40])
    result = run(wide_model)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: wide.onnx is an ONNX model that is cut short or damaged")
    assert "format     onnx\n" in result.stdout
    document = json.loads(run(wide_model, "--json").stdout)
    assert document["servable"] is False
    assert document["problem"] in result.stderr
    assert "signature" not in document


def test_a_file_that_is_not_there():
    result = run("/nonexistent.onnx")
    assert result.exit_code == 2
    assert result.stderr == "Error: there is no file '/nonexistent.onnx'\n"


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (12_345, "12.3 kB"), (5 * 10**12, "5000.0 GB")]
)
def test_sizes(size, text):
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("meaning", "text"),
    [
        (None, ""),
        (Text(), "texts"),
        (Labels(), "a class"),
        (Labels(("a", "b")), "one of 2 labels: a, b"),
        (Probabilities(tuple("abcdefghijklmnopqrstuvwxyz")), "a score for each of 26 labels: a, b, c"),
        (Quantity("mg/dl", "progression"), "progression in mg/dl"),
        (Image(28, 14, 3, "CHW"), "an image, 14 × 28, colour (CHW)"),
    ],
)
def test_meanings_in_words(meaning, text):
    assert meaning_text(TensorSpec("T", "FP32", None, meaning)).startswith(text)
    assert bool(text) == bool(meaning_text(TensorSpec("T", "FP32", None, meaning)))
