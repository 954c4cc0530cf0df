"""What OpenVINO says of its models, its options, and files that are not its own."""

import json
import sys

import numpy as np
import pytest

pytest.importorskip("openvino")
pytest.importorskip("sklearn")

import onnx
import openvino as ov
from onnx import TensorProto, helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from openvino import opset13 as ops
from openvino_models import F32, digits_ir, digits_onnx, direct, rows

from modelport.core.errors import (
    InvalidInputError,
    InvalidModelError,
    MissingExtraError,
    UnavailableError,
)
from modelport.core.meaning import Probabilities
from modelport.core.runtime import LoadSpec
from modelport.runtimes.catalog import detect, load, runtime_for
from modelport.runtimes.openvino.device import capabilities
from modelport.runtimes.openvino.runtime import OpenVinoRuntime
from modelport.testing.runtime_contract import assert_same

LABELS = tuple("0123456789")
DOCUMENT = json.dumps(
    {"description": "Reads a digit.", "outputs": {"scores": {"kind": "probabilities", "labels": list(LABELS)}}}
)


@pytest.fixture
def path(tmp_path):
    return digits_ir(tmp_path / "digits.xml", DOCUMENT)


def opened(path, **options):
    return load(path, LoadSpec(1, options=options))


def refusal(path, kind=InvalidModelError, device="cpu", **options):
    with pytest.raises(kind) as caught:
        runtime_for("openvino" if path.suffix == ".xml" else "onnx").load(path, LoadSpec(1, device, options))
    return str(caught.value)


def test_what_a_model_says_of_itself(path):
    model = opened(path)
    assert [spec.describe() for spec in model.signature.inputs] == ["pixels FP32 [-1, 64]"]
    assert [spec.describe() for spec in model.signature.outputs] == ["scores FP32 [-1, 10]", "digit INT32 [-1, 1]"]
    assert model.signature.outputs[0].meaning == Probabilities(LABELS)
    said = model.info.properties
    assert (said["description"], said["ir_version"], said["inference_precision"]) == ("Reads a digit.", "11", "f32")
    assert (said["threads"], said["device"], said["layers_compute_in"]) == ("1", "CPU", "f32")
    assert "FP32" in said["cpu_computes_in"].split(", ")


def test_an_onnx_model_on_openvino(tmp_path):
    path = digits_onnx(tmp_path / "digits.onnx", DOCUMENT)
    model = opened(path, engine="openvino")
    assert [spec.describe() for spec in model.signature.outputs] == ["scores FP32 [-1, 10]", "digit INT64 [-1]"]
    assert model.signature.outputs[0].meaning == Probabilities(LABELS)
    assert model.info.framework.startswith("OpenVINO ")
    assert model.info.properties["description"] == "Reads a digit."
    other = opened(path, engine="onnxruntime")
    assert other.info.framework.startswith("ONNX Runtime ")
    given, expected = (item.predict({"pixels": rows(50)}) for item in (model, other))
    np.testing.assert_allclose(given["scores"], expected["scores"], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(given["digit"], expected["digit"])


def test_an_engine_that_does_not_exist(tmp_path):
    path = digits_onnx(tmp_path / "digits.onnx")
    says = refusal(path, InvalidInputError, engine="openvno")
    assert says == "option 'engine' is 'openvno' (did you mean 'openvino'?); it is one of 'onnxruntime', 'openvino'"


@pytest.mark.skipif("BF16" not in capabilities(), reason="this CPU does not compute in bfloat16")
def test_bfloat16_where_it_is_asked_for(path):
    model = opened(path, inference_precision="bf16")
    assert model.info.properties["inference_precision"] == model.info.properties["layers_compute_in"] == "bf16"
    settings = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
    given = model.predict({"pixels": rows()})
    assert_same(given, direct(path, {"pixels": rows()}, settings))
    exact = opened(path).predict({"pixels": rows()})
    assert given["scores"].tobytes() != exact["scores"].tobytes()
    np.testing.assert_allclose(given["scores"], exact["scores"], rtol=0.1, atol=0.5)


@pytest.mark.skipif("BF16" in capabilities(), reason="this CPU computes in bfloat16")
def test_bfloat16_that_the_cpu_has_not(path):
    assert "can't be 'bf16' on this CPU" in refusal(path, InvalidInputError, inference_precision="bf16")


class Calibration(CalibrationDataReader):
    def __init__(self):
        self.left = iter([{"pixels": rows(200)}])

    def get_next(self):
        return next(self.left, None)


@pytest.mark.skipif("INT8" not in capabilities(), reason="this CPU does not compute in 8 bits")
def test_a_quantized_model_computes_in_8_bits(tmp_path):
    plain, quantized = tmp_path / "digits.onnx", tmp_path / "quantized.onnx"
    quantize_static(digits_onnx(plain), quantized, Calibration(), quant_format=QuantFormat.QDQ)
    models = [opened(file, engine="openvino") for file in (plain, quantized)]
    assert [model.info.properties["layers_compute_in"] for model in models] in (["f32", "u8"], ["f32", "i8"])
    exact, rough = (model.predict({"pixels": rows(200)}) for model in models)
    assert (exact["digit"] == rough["digit"]).mean() > 0.95
    assert_same(rough, direct(quantized, {"pixels": rows(200)}))


def test_hints(path):
    expected = opened(path).predict({"pixels": rows()})
    hints = {"performance_hint": "throughput", "num_streams": "2"}
    model = load(path, LoadSpec(2, options=hints))
    settings = {**F32, "INFERENCE_NUM_THREADS": 2, "PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": 2}
    settled = ov.Core().compile_model(str(path), "CPU", settings)
    assert model.info.properties["streams"] == str(settled.get_property("NUM_STREAMS"))
    assert model.info.properties["threads"] == str(settled.get_property("INFERENCE_NUM_THREADS")) == "2"
    np.testing.assert_allclose(model.predict({"pixels": rows()})["scores"], expected["scores"], rtol=1e-5)
    assert opened(path, inference_precision="auto").info.properties["inference_precision"] in ("f32", "bf16", "f16")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"precision": "f32"}, "unknown option 'precision' (did you mean 'inference_precision'?)"),
        (
            {"inference_precision": "bf"},
            "option 'inference_precision' is 'bf' (did you mean 'bf16'?); it is one of 'f32',",
        ),
        ({"inference_precision": "i8"}, "option 'inference_precision' can't be 'i8': a model computes in 8 bits where"),
        ({"performance_hint": "fast"}, "option 'performance_hint' is 'fast'; it is one of 'latency', 'throughput'"),
        ({"num_streams": "0"}, "option 'num_streams' is '0'; it is a whole number of at least 1"),
    ],
)
def test_options_that_do_not_exist(path, options, says):
    assert refusal(path, InvalidInputError, **options).startswith(says)


def test_devices(path):
    assert refusal(path, InvalidInputError, "cuda").startswith("unknown device 'cuda'; OpenVINO models run on 'cpu',")
    if not any(name.startswith("NPU") for name in ov.Core().available_devices):
        assert refusal(path, MissingExtraError, "npu").startswith("device 'npu' can't be used: OpenVINO finds CPU")


def test_weights_that_are_missing_or_cut_short(path):
    weights = path.with_suffix(".bin")
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    assert refusal(path).startswith("digits.xml can't be read by OpenVINO")
    assert "Incorrect weights in bin file" in refusal(path)
    weights.unlink()
    assert refusal(path) == "digits.xml lacks its weights: digits.bin must lie beside it"


def test_files_that_are_no_ir(path):
    text = path.read_text()
    for content, says in (
        (text.replace('version="11"', 'version="99"', 1), "digits.xml is of IR version 99; OpenVINO "),
        (text[:2000], "digits.xml is cut short: its <net> element does not end"),
        ("<PMML></PMML>", "digits.xml is no OpenVINO IR model: it is not XML with a <net> element"),
        (text.replace("<layers>", "<layer>", 1), "digits.xml can't be read by OpenVINO "),
    ):
        path.write_text(content)
        assert refusal(path).startswith(says)


def test_folders(path):
    folder = path.parent
    assert detect(folder) == detect(path) == "openvino"
    digits_ir(folder / "other.xml")
    says = refusal_of_folder(folder)
    assert says.endswith("must hold one .xml file, or one named model.xml; it has digits.xml, other.xml")


def refusal_of_folder(folder):
    with pytest.raises(InvalidModelError) as caught:
        OpenVinoRuntime().load(folder, LoadSpec(1))
    return str(caught.value)


def test_text_is_not_taken(tmp_path):
    x = ops.parameter([-1], ov.Type.string, name="x")
    file = tmp_path / "text.xml"
    ov.serialize(ov.Model([ops.result(x)], [x], "text"), str(file), str(file.with_suffix(".bin")))
    assert refusal(file).startswith("text.xml: input 'x' has elements of type string, which OpenVINO can't exchange")


def test_operators_that_openvino_has_not(tmp_path):
    node = helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml", offset=[0.0], scale=[1.0])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in "xy")
    graph = helper.make_graph([node], "g", [x], [y])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "m.onnx")
    says = refusal(tmp_path / "m.onnx", engine="openvino")
    assert says.startswith("m.onnx can't be read by OpenVINO")
    assert "Scaler" in says


def test_values_that_do_not_fit(path):
    model = opened(path)
    with pytest.raises(InvalidInputError, match="the model refused the input"):
        model.predict({"pixels": np.zeros((1, 63), np.float32)})
    assert model.predict({"pixels": rows(1)})["digit"].tolist() == [[0]]


def test_a_model_that_was_closed(path):
    model = opened(path)
    model.close()
    with pytest.raises(UnavailableError, match="closed"):
        model.predict({"pixels": rows(1)})


def test_a_framework_that_is_not_installed(tmp_path, monkeypatch):
    path = digits_onnx(tmp_path / "digits.onnx")
    for name in [name for name in sys.modules if name.startswith("modelport.runtimes.openvino")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'modelport\[openvino\]'"):
        runtime_for("openvino")
    assert "pip install 'modelport[openvino]'" in refusal(path, MissingExtraError, engine="openvino")
