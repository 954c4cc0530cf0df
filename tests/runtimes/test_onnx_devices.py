"""The order of ONNX Runtime's providers, and what is said where one falls back."""

import logging

import numpy as np
import onnxruntime as ort
import pytest
from onnx_graphs import identity

from modelport.core.runtime import LoadSpec
from modelport.runtimes.onnx.runtime import OnnxRuntime
from modelport.runtimes.onnx.session import providers

ALL = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "m.onnx"
    file.write_bytes(identity().SerializeToString())
    return file


@pytest.fixture
def failing(monkeypatch):
    """An ONNX Runtime that says it has all providers, but whose others than the CPU's do not start."""
    made, tried = ort.InferenceSession, []

    def start(*args, providers, **more):
        first = providers[0] if isinstance(providers[0], str) else providers[0][0]
        tried.append(first)
        if first != "CPUExecutionProvider":
            raise RuntimeError(f"{first}: libraries are missing")
        return made(*args, providers=providers, **more)

    monkeypatch.setattr(ort, "get_available_providers", lambda: ALL)
    monkeypatch.setattr(ort, "InferenceSession", start)
    return tried


def test_the_order(monkeypatch):
    monkeypatch.setattr(ort, "get_available_providers", lambda: ALL[::-1])
    expected = [(ALL[0], {"device_id": "1"}), (ALL[1], {"device_id": "1"}), ALL[2]]
    assert providers("tensorrt:1") == expected
    assert [item[0] for item in providers("auto")[:2]] == ALL[:2]
    assert providers("cuda") == [(ALL[1], {"device_id": "0"}), ALL[2]]
    assert providers("cpu") == ALL[2:]


@pytest.mark.skipif(ort.get_available_providers()[-1:] != ALL[2:], reason="this ONNX Runtime has no CPU provider")
def test_auto_takes_what_there_is(path, caplog):
    with caplog.at_level(logging.WARNING, "modelport.runtimes"):
        model = OnnxRuntime().load(path, LoadSpec(1, "auto"))
    assert model.info.properties["providers"].endswith("CPUExecutionProvider")
    assert model.predict({"x": np.ones((1, 3), np.float32)})["y"].tolist() == [[1, 1, 1]]
    assert not caplog.records


@pytest.mark.skipif(ALL[0] in ort.get_available_providers(), reason="this ONNX Runtime has TensorRT")
def test_tensorrt_falls_back_and_says_so(path, caplog):
    with caplog.at_level(logging.WARNING, "modelport.runtimes"):
        model = OnnxRuntime().load(path, LoadSpec(1, "tensorrt"))
    assert model.info.properties["providers"].endswith("CPUExecutionProvider")
    assert "device 'tensorrt': ONNX Runtime has no TensorrtExecutionProvider here; the model runs on" in caplog.text


@pytest.mark.parametrize("device", ["auto", "tensorrt"])
def test_providers_that_do_not_start(path, failing, caplog, device):
    with caplog.at_level(logging.WARNING, "modelport.runtimes"):
        model = OnnxRuntime().load(path, LoadSpec(1, device))
    assert failing == ALL
    assert model.info.properties["providers"] == "CPUExecutionProvider"
    says = [record.getMessage() for record in caplog.records]
    assert says == [
        f"device {device!r}: TensorrtExecutionProvider does not start (TensorrtExecutionProvider: libraries are "
        "missing); trying the next",
        f"device {device!r}: CUDAExecutionProvider does not start (CUDAExecutionProvider: libraries are missing); "
        "trying the next",
        f"device {device!r}: ONNX Runtime has no TensorrtExecutionProvider here; the model runs on "
        "CPUExecutionProvider",
    ]


def test_cuda_does_not_fall_back(path, failing):
    with pytest.raises(Exception, match="CUDAExecutionProvider: libraries are missing"):
        OnnxRuntime().load(path, LoadSpec(1, "cuda"))
    assert failing == ["CUDAExecutionProvider"]
