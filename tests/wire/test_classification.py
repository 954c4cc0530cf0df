"""Outputs as their best classes, over REST too."""

import json

import ml_dtypes
import numpy as np
import pytest
from wire_cases import answer, body, refusal, tensor

from modelport.core.errors import UnsupportedError
from modelport.core.meaning import Probabilities
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.classification import best_classes, class_count
from modelport.wire.http import HttpCall
from modelport.wire.open_inference import OpenInference
from modelport.wire.shared_memory import NoRegions, Place, place_of

SCORES = TensorSpec("scores", "FP32", (-1, 3), Probabilities(("a", "b")))
MODEL = Signature((TensorSpec("x", "FP32", (-1, 3)),), (SCORES, TensorSpec("text", "BYTES", (-1,))))


@pytest.mark.parametrize(
    ("array", "count", "expected"),
    [
        (np.array([[0.1, 0.7, 0.2]], np.float32), 2, [[b"0.700000:1:b", b"0.200000:2"]]),
        (np.array([0.5, 0.5, 0.5], np.float64), 9, [b"0.500000:0:a", b"0.500000:1:b", b"0.500000:2"]),
        (np.array([[np.nan, 1, -np.inf]], np.float32), 3, [[b"1.000000:1:b", b"-inf:2", b"nan:0:a"]]),
        (np.array([-128, 127, 0], np.int8), 2, [b"127:1:b", b"0:2"]),
        (np.array([0, 255], np.uint8), 1, [b"255:1:b"]),
        (np.array([[1, 2]], ml_dtypes.bfloat16), 1, [[b"2.000000:1:b"]]),
        (np.zeros((2, 2, 2), np.float32), 1, [[b"0.000000:0:a"]] * 2),
        (np.zeros((0, 3), np.float32), 2, []),
        (np.float32(3), 1, [b"3.000000:0:a"]),
    ],
)
def test_the_best_classes(array, count, expected):
    assert best_classes(np.asarray(array), SCORES, count).tolist() == expected


@pytest.mark.parametrize("value", [-1, True, "2", 1.5])
def test_what_is_no_number_of_classes(value):
    assert "the parameter classification must be a number of classes" in refusal(class_count, value, SCORES)
    assert "only scores can be classified" in refusal(class_count, 1, MODEL.outputs[1])


def test_over_rest():
    asked = [{"name": "scores", "parameters": {"classification": 2}}]
    call = HttpCall(body(tensor(), outputs=asked))
    _, encode = OpenInference().decode(call, MODEL)
    whole, headers = answer({"scores": np.array([[0.1, 0.7, 0.2]], np.float32)}, encode)
    output = json.loads(whole)["outputs"][0]
    assert output == {"name": "scores", "datatype": "BYTES", "shape": [1, 2], "data": ["0.700000:1:b", "0.200000:2"]}
    assert headers == {}


def test_places():
    wanted = {"shared_memory_region": "r", "shared_memory_byte_size": 8, "shared_memory_offset": 4}
    assert place_of(wanted, "input 'x'") == Place("r", 4, 8)
    assert place_of({}, "input 'x'") is None
    for wrong in ({"shared_memory_byte_size": -1}, {"shared_memory_offset": 2**63}, {"shared_memory_region": 1}):
        assert "input 'x'" in refusal(place_of, {**wanted, **wrong}, "input 'x'")
    with pytest.raises(UnsupportedError):
        NoRegions().read(Place("r", 0, 1))
    with pytest.raises(UnsupportedError):
        NoRegions().write(Place("r", 0, 1), b"")
