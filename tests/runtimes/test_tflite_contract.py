"""The runtime contract on TensorFlow Lite files: floats, whole numbers, with and without signatures."""

import numpy as np
import pytest

pytest.importorskip("modelport.runtimes.tensorflow.process")
pytest.importorskip("modelport.runtimes.tflite.runtime")

from ai_edge_litert.interpreter import Interpreter

from modelport.core.runtime import LoadSpec
from modelport.runtimes.catalog import detect, runtime_for
from modelport.testing.runtime_contract import ModelCase, RuntimeContract
from runtimes import tensorflow_models as models
from runtimes import tflite_models

RAW = LoadSpec(threads=1, options={"quantized": "raw"})


def direct(content, signature="serving_default", **inputs):
    """What LiteRT gives when it is called directly."""
    return Interpreter(model_content=content, num_threads=1).get_signature_runner(signature)(**inputs)


def numbers_of(content):
    """Scale and zero point of the only input, and of the only output."""
    interpreter = Interpreter(model_content=content)
    return [
        details[0]["quantization"] for details in (interpreter.get_input_details(), interpreter.get_output_details())
    ]


def floats(path):
    content, rows = tflite_models.iris(), models.iris()[1]
    path.write_bytes(content)
    return ModelCase(path, {"flower": rows}, direct(content, flower=rows))


def raw(path):
    content = tflite_models.quantized()
    path.write_bytes(content)
    rows = np.arange(-12, 12, dtype=np.int8).reshape(6, 4)
    return ModelCase(path, {"flower": rows}, direct(content, flower=rows), spec=RAW)


def float_view(path):
    content, rows = tflite_models.quantized(), models.iris()[1]
    path.write_bytes(content)
    (scale, zero), (out_scale, out_zero) = numbers_of(content)
    whole = np.clip(np.rint(rows / np.float32(scale)) + zero, -128, 127).astype(np.int8)
    given = direct(content, flower=whole)
    expected = {
        name: (array.astype(np.float32) - np.float32(out_zero)) * np.float32(out_scale) for name, array in given.items()
    }
    broken = np.full((1, 4), np.nan, np.float32)
    return ModelCase(path, {"flower": rows}, expected, refused=({"flower": broken},))


def without_signatures(path):
    content, rows = tflite_models.one_row(), models.iris()[1]
    path.write_bytes(content)
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.resize_tensor_input(0, (len(rows), 4))
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, rows)
    interpreter.invoke()
    detail = interpreter.get_output_details()[0]
    return ModelCase(path, {"x": rows}, {detail["name"]: interpreter.get_tensor(detail["index"])})


def another_signature(path):
    content = tflite_models.two(path.parent)
    path.write_bytes(content)
    inputs = {"a": np.array([1, 2.5], np.float32), "b": np.array([3, -4], np.float32)}
    spec = LoadSpec(threads=1, options={"signature": "add"})
    return ModelCase(path, inputs, direct(content, "add", **inputs), spec=spec)


def places(path):
    content = tflite_models.gather()
    path.write_bytes(content)
    name = Interpreter(model_content=content).get_output_details()[0]["name"]
    inputs = {"place": np.array([5, 0, 2], np.int32)}
    refused = ({"place": np.array([5, 0, 99], np.int32)},)
    return ModelCase(path, inputs, {name: np.array([7.5, 0, 3], np.float32)}, refused=refused)


CASES = {
    function.__name__: function for function in (floats, raw, float_view, without_signatures, another_signature, places)
}


@pytest.fixture(scope="module", params=CASES)
def made(request, tmp_path_factory):
    return CASES[request.param](tmp_path_factory.mktemp("tflite") / "m.tflite")


class TestTFLite(RuntimeContract):
    @pytest.fixture
    def runtime(self):
        return runtime_for("tflite")

    @pytest.fixture
    def case(self, made):
        return made

    def test_it_is_recognised(self, case):
        assert detect(case.path) == "tflite"
