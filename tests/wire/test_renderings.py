"""Outputs in the words of people: best classes, objects in pictures, items in order, times of a forecast."""

import json

import numpy as np
import pytest

from modelport.core.meaning import Detection, Embedding, Forecast, Labels, Probabilities, Ranking
from modelport.core.messages import InferenceResponse
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.http import HttpCall
from modelport.wire.plain import Plain


def told(outputs, *specs):
    """What plain prediction says of arrays."""
    _, encode = Plain().decode(HttpCall(b"[[1]]"), Signature((TensorSpec("x", "FP32", (-1, 1)),), specs))
    document = json.loads(encode(InferenceResponse("m", 1, outputs)).body)
    return document.get("predictions", document.get("outputs"))


def rows(array, meaning, shape=None):
    spec = TensorSpec("y", "FP32", shape or (-1, *array.shape[1:]), meaning)
    return [row["y"] for row in told({"y": array}, spec)]


def test_the_best_classes_first():
    scores = np.array([[0.1, 0.7, 0.2], [0.5, np.nan, 0.5]], np.float32)
    assert [list(row.items()) for row in rows(scores, Probabilities(("a", "b", "c"), 2))] == [
        [("b", 0.7), ("c", 0.2)],
        [("a", 0.5), ("c", 0.5)],
    ]
    assert [list(row.items()) for row in rows(scores[:1], Probabilities((), 1))] == [[("1", 0.7)]]
    assert rows(scores[:1], Probabilities(("a", "b"), 9)) == [{"1": 0.7, "2": 0.2, "0": 0.1}]


def test_a_class_that_is_declared_as_a_classification_is_told_by_its_label():
    assert rows(np.array([1, 0, 7]), Probabilities(("no", "yes")), (-1,)) == ["yes", "no", 7]
    assert rows(np.array([[1]]), Labels(("no", "yes"))) == ["yes"]


def test_an_embedding_is_its_numbers():
    assert rows(np.array([[0.5, 0.25]], np.float32), Embedding("cosine")) == [[0.5, 0.25]]


BOXES = np.array([[[1, 2, 3, 6], [0, 0, 1, 1], [9, 9, 9, 9]]], np.float32)
SCORES = TensorSpec("s", "FP32", (-1, 3))
CLASSES = TensorSpec("c", "INT64", (-1, 3))


def test_objects_in_pictures():
    outputs = {"b": BOXES, "s": np.array([[0.9, 0.2, 0.8]], np.float32), "c": np.array([[1, 2, 7]])}
    meaning = Detection("s", "c", labels=("cat", "dog"), first_label=1, threshold=0.5)
    assert told(outputs, TensorSpec("b", "FP32", (-1, 3, 4), meaning), SCORES, CLASSES) == [
        {"b": [
            {"box": [1, 2, 3, 6], "score": 0.9, "label": "cat"},
            {"box": [9, 9, 9, 9], "score": 0.8, "label": 7},
        ]}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "box"), [("yxyx", [2, 1, 6, 3]), ("xywh", [1, 2, 4, 8]), ("cxcywh", [-0.5, -1, 2.5, 5])]
)
def test_boxes_are_told_by_their_corners(form, box):
    found = rows(BOXES[:, :1], Detection(form=form))
    assert found == [[{"box": box}]]


def test_objects_behind_the_count_are_left_out():
    specs = (TensorSpec("b", "FP32", (-1, 3, 4), Detection(count="n")), TensorSpec("n", "INT64", (-1,)))
    assert told({"b": BOXES, "n": np.array([2])}, *specs) == [{"b": [{"box": [1, 2, 3, 6]}, {"box": [0, 0, 1, 1]}]}]


def test_a_tensor_of_boxes_scores_and_classes():
    array = np.array([[[1, 2, 3, 4, 0.75, 1]]], np.float32)
    assert rows(array, Detection(labels=("cat", "dog"))) == [[{"box": [1, 2, 3, 4], "score": 0.75, "label": "dog"}]]


def test_a_detector_of_a_single_picture():
    outputs = {
        "b": BOXES[0],
        "s": np.array([0.9, 0.2, np.nan], np.float32),
        "c": np.array([b"cat", b"dog", b"x"], object),
    }
    specs = (
        TensorSpec("b", "FP32", (-1, 4), Detection("s", "c")),
        TensorSpec("s", "FP32", (-1,)),
        TensorSpec("c", "BYTES", (-1,)),
    )
    objects = [{"box": [1, 2, 3, 6], "score": 0.9, "label": "cat"}, {"box": [0, 0, 1, 1], "score": 0.2, "label": "dog"}]
    assert told(outputs, *specs) == [{"b": objects}]
    assert told({"b": np.empty((0, 4), np.float32)}, specs[0]) == [{"b": []}]


def test_items_in_order():
    scores = np.array([[1, 5, 3]], np.float32)
    assert rows(scores, Ranking(("a", "b", "c"), top_k=2)) == [[{"item": "b", "score": 5}, {"item": "c", "score": 3}]]
    assert rows(scores, Ranking(top_k=1)) == [[{"item": 1, "score": 5}]]
    specs = (TensorSpec("y", "FP32", (-1, 3), Ranking(ids="i")), TensorSpec("i", "BYTES", (-1, 3)))
    found = told({"y": scores, "i": np.array([[b"x", b"y", b"z"]], object)}, *specs)
    assert [item["item"] for item in found[0]["y"]] == ["y", "z", "x"]
    assert found[0].keys() == {"y"}


def test_a_forecast_with_times_and_bounds():
    specs = (
        TensorSpec("y", "FP32", (-1, 2), Forecast("1d", "kWh", "2026-02-28", "low")),
        TensorSpec("low", "FP32", (-1, 2)),
    )
    arrays = {"y": np.array([[2, 4]], np.float32), "low": np.array([[1, np.nan]], np.float32)}
    assert told(arrays, *specs) == [
        {"y": [
            {"step": 1, "time": "2026-02-28", "value": 2, "lower": 1},
            {"step": 2, "time": "2026-03-01", "value": 4, "lower": None},
        ]}
    ]  # fmt: skip
    assert rows(np.array([[[2.0]]]), Forecast()) == [[{"step": 1, "value": 2}]]
