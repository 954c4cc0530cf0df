"""What people read in an answer."""

import json

import numpy as np
import pytest

from modelport.core.datatypes import DTYPES
from modelport.core.meaning import Labels, Probabilities, Quantity
from modelport.core.messages import InferenceResponse
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.http import HttpCall
from modelport.wire.plain import Plain

NAMES = ("benign", "malignant")
X = (TensorSpec("x", "FP32", (-1, 1)),)


def answered(outputs, *specs, rowwise=True):
    """The document that a client gets."""
    _, encode = Plain().decode(HttpCall(b"[[1]]"), Signature(X, specs, rowwise))
    return json.loads(encode(InferenceResponse("m", 3, outputs)).body)


def test_labels_and_probabilities_by_name():
    document = answered(
        {"label": np.array([1, 0]), "scores": np.array([[0.03, 0.97], [0.5, 0.5]], np.float32)},
        TensorSpec("label", "INT64", (-1,), Labels(NAMES)),
        TensorSpec("scores", "FP32", (-1, 2), Probabilities(NAMES)),
    )
    assert document == {
        "model": "m",
        "version": 3,
        "predictions": [
            {"label": "malignant", "scores": {"benign": 0.03, "malignant": 0.97}},
            {"label": "benign", "scores": {"benign": 0.5, "malignant": 0.5}},
        ],
    }


def values(array, meaning=None, shape=None):
    spec = TensorSpec("y", "FP32", shape or (-1, *array.shape[1:]), meaning)
    return [row["y"] for row in answered({"y": array}, spec)["predictions"]]


def test_labels_beyond_the_known_ones_stay_numbers():
    assert values(np.array([0, 2, -1]), Labels(NAMES)) == ["benign", 2, -1]
    assert values(np.array([[1], [0]]), Labels(NAMES)) == ["malignant", "benign"]
    assert values(np.array([b"cat", "für".encode()], object), Labels()) == ["cat", "für"]
    assert values(np.array([7]), Labels()) == [7]


def test_probabilities_without_names_or_of_another_width_stay_lists():
    assert values(np.array([[0.25, 0.75]]), Probabilities()) == [[0.25, 0.75]]
    assert values(np.array([[0.25, 0.25, 0.5]]), Probabilities(NAMES)) == [[0.25, 0.25, 0.5]]
    assert values(np.array([[0.25]]), Probabilities(("yes",))) == [{"yes": 0.25}]


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
@pytest.mark.parametrize("meaning", [None, Quantity()])
def test_a_single_number_is_a_number(shape, meaning):
    assert values(np.array([1.5, 2.5]).reshape(shape), meaning) == [1.5, 2.5]


@pytest.mark.parametrize("datatype", ["FP16", "BF16", "FP32", "FP64"])
def test_what_json_can_not_say_is_null(datatype):
    array = np.array([[np.nan, np.inf, -np.inf, 1.5]]).astype(DTYPES[datatype])
    assert values(array) == [[None, None, None, 1.5]]


def test_numbers_have_the_fewest_digits_that_tell_them():
    assert values(np.array([0.1, 1 / 3], np.float32)) == [0.1, 0.33333334]
    assert values(np.array([0.1])) == [0.1]
    assert values(np.array([2**53 + 1, -(2**63)])) == [2**53 + 1, -(2**63)]
    assert values(np.array([2**64 - 1], np.uint64)) == [2**64 - 1]
    assert values(np.array([[True, False]])) == [[True, False]]
    assert values(np.ones((2, 3, 2), np.float32)[:, ::2]) == [[[1, 1], [1, 1]]] * 2


def test_bytes_that_are_no_text():
    assert values(np.array([b"\xff\0", b"ok"], object)) == [{"b64": "/wA="}, "ok"]
    assert values(np.array(["text", "more"])) == ["text", "more"]


def test_outputs_without_rows_in_common():
    scalar, row = TensorSpec("loss", "FP32", ()), TensorSpec("y", "FP32", (-1,))
    document = answered({"loss": np.array(0.5), "y": np.array([1.0, 2.0])}, scalar, row)
    assert document["outputs"] == {"loss": 0.5, "y": [1.0, 2.0]}
    assert "predictions" not in document
    other = TensorSpec("z", "FP32", (-1,))
    assert answered({"y": np.ones(2), "z": np.ones(3)}, row, other)["outputs"] == {"y": [1, 1], "z": [1, 1, 1]}
    assert answered({"y": np.ones(2)}, row, rowwise=False)["outputs"] == {"y": [1, 1]}
    assert answered({"y": np.ones((5, 2))}, TensorSpec("y", "FP32", (5, 2)))["outputs"]["y"] == [[1, 1]] * 5


def test_a_model_for_exactly_one_row_answers_with_that_row():
    assert values(np.array([[0.25, 0.75]]), Probabilities(NAMES), (1, 2)) == [{"benign": 0.25, "malignant": 0.75}]
