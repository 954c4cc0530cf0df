"""The runtime contract, on OpenVINO's own models and on ONNX models that it runs."""

import ml_dtypes
import numpy as np
import pytest

pytest.importorskip("openvino")
pytest.importorskip("sklearn")

from openvino_models import digits_ir, digits_onnx, direct, joined_ir, rows

from modelport.core.runtime import LoadSpec
from modelport.runtimes.catalog import detect, runtime_for
from modelport.testing.runtime_contract import ModelCase, RuntimeContract

CASES = {}


def case(suffix):
    def keep(function):
        CASES[function.__name__] = (function, suffix)
        return function

    return keep


@case(".xml")
def network(path):
    digits_ir(path)
    return ModelCase(path, {"pixels": rows()}, direct(path, {"pixels": rows()}))


@case("")
def network_in_a_folder(path):
    path.mkdir()
    digits_ir(path / "model.xml")
    return ModelCase(path, {"pixels": rows()}, direct(path / "model.xml", {"pixels": rows()}))


@case(".onnx")
def onnx_network(path):
    digits_onnx(path)
    return ModelCase(
        path, {"pixels": rows()}, direct(path, {"pixels": rows()}), LoadSpec(1, options={"engine": "openvino"})
    )


ELEMENTS = {
    "boolean": np.bool_,
    "u8": np.uint8,
    "u16": np.uint16,
    "u32": np.uint32,
    "u64": np.uint64,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "f16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "f32": np.float32,
    "f64": np.float64,
}


def joined(element, path):
    joined_ir(path, element)
    dtype = np.dtype(ELEMENTS[element])
    x = np.random.default_rng(3).integers(0, 2, (2, 3)).astype(dtype)
    if element not in ("boolean", "u8", "i8"):
        x = (x + np.array([[1, 2, 3], [100, 120, 7]])).astype(dtype)
    s = np.asarray(x[1, 1])
    return ModelCase(path, {"x": x, "s": s}, {"y": np.concatenate([x, x], 1), "t": s.reshape(1)})


for _element in ELEMENTS:
    CASES[f"elements_of_{_element}"] = (lambda path, element=_element: joined(element, path), ".xml")


class TestOpenVino(RuntimeContract):
    @pytest.fixture(params=CASES)
    def case(self, request, tmp_path):
        make, suffix = CASES[request.param]
        (tmp_path / "models").mkdir()
        return make(tmp_path / "models" / f"{request.param}{suffix}")

    @pytest.fixture
    def runtime(self, case):
        return runtime_for(detect(case.path))
