"""ONNX's own node tests, as they ship in the `onnx` package: run in ONNX Runtime directly, or asked of a server.

`python tests/runtimes/onnx_backend_cases.py` writes `onnx_backend_exceptions.txt` anew: the tests that ONNX Runtime
itself does not pass, each with what it says.
"""

from __future__ import annotations

import http.client
import json
import re
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto, TensorProto, numpy_helper

from modelport.core.datatypes import DTYPES, bytes_array, datatype_of

LIST = Path(__file__).with_name("onnx_backend_exceptions.txt")
VERSIONS = f"onnx {onnx.__version__}, onnxruntime {ort.__version__}"
#: What stands around the words of ONNX Runtime's errors: a code, its source file and function, and addresses.
_AROUND = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from .*? failed: ?|/\S*/|0x[0-9a-f]+"
    r"|\b\w+\.(?:cc|h):\d+ .*?\)(?:::<lambda\(\)>)?(?: const)?(?: \[with [^]]*\])? (?=\S)"
)


@dataclass(frozen=True)
class NodeTest:
    """A model of one operator, what goes in, and what has to come out."""

    name: str
    model: ModelProto
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    rtol: float
    atol: float

    def compare(self, given: list[Any]) -> None:
        """Raise AssertionError unless the outputs are right: as ONNX's own runner compares them, dtypes and all."""
        from onnx.backend.test.runner import Runner

        try:
            Runner.assert_similar_outputs(list(self.outputs.values()), given, self.rtol, self.atol)
        except TypeError as error:
            raise AssertionError(str(error)) from None


@cache
def node_tests() -> dict[str, NodeTest]:
    """All of them, by name."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tests' own arithmetic overflows where that is what they test
        return {case.name: made for case in load_model_tests(kind="node") for made in _node_tests(case)}


def _node_tests(case: Any) -> Iterator[NodeTest]:
    if case.model is None:  # before onnx 1.18 they are files
        folder = Path(case.model_dir)
        model = onnx.load(folder / "model.onnx")
        sets = [
            (_read(at, "input", model.graph.input), _read(at, "output", model.graph.output))
            for at in folder.glob("test_data_set_*")
        ]
    else:
        model, sets = case.model, case.data_sets
    [(inputs, outputs)] = sets
    given = {info.name: _value(item) for info, item in zip(model.graph.input, inputs, strict=False)}
    made = {info.name: _value(item) for info, item in zip(model.graph.output, outputs, strict=False)}
    yield NodeTest(case.name, model, given, made, case.rtol, case.atol)


def _read(folder: Path, side: str, infos: Any) -> list[Any]:
    readers = {
        "sequence_type": (onnx.SequenceProto, numpy_helper.to_list),
        "optional_type": (onnx.OptionalProto, numpy_helper.to_optional),
        "tensor_type": (TensorProto, numpy_helper.to_array),
    }
    values = []
    for at, info in enumerate(infos):
        kind, read = readers[info.type.WhichOneof("value")]
        message = kind()
        message.ParseFromString((folder / f"{side}_{at}.pb").read_bytes())
        values.append(read(message))
    return values


def _value(item: Any) -> Any:
    if isinstance(item, TensorProto):
        return numpy_helper.to_array(item)
    if item is None or isinstance(item, list | tuple | dict):
        return item
    return np.asarray(item)


# In ONNX Runtime itself


def run_directly(test: NodeTest) -> None:
    """Raise what ONNX Runtime raises, or AssertionError where its result is not ONNX's."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = ort.InferenceSession(test.model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    test.compare(session.run(list(test.outputs), test.inputs))


def why(error: BaseException) -> str:
    """An error in a line."""
    text = re.sub(_AROUND, "", " ".join(str(error).split()))
    text = re.sub(r"Numpy_type \d+", "Numpy_type of its own", text)  # the number depends on what was imported first
    if isinstance(error, AssertionError):
        differs = text.removeprefix("Not equal to tolerance ").partition(" ACTUAL:")[0]
        text = f"the result is not ONNX's: {differs.partition(' First')[0]}"
    return text if len(text) <= 200 else text[:199] + "…"


# Through a server


class InferenceConnection:
    """The Open Inference Protocol with binary tensors, over one connection, written from the specification."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def infer(self, test: NodeTest) -> list[Any]:
        """The outputs in the order of the test's. Raises AssertionError with the server's words."""
        head, raw = [], b""
        for name, array in tensors(test).items():
            content = _raw(array)
            head.append(
                {
                    "name": name,
                    "datatype": datatype_of(array),
                    "shape": list(array.shape),
                    "parameters": {"binary_data_size": len(content)},
                }
            )
            raw += content
        document = json.dumps({"inputs": head, "parameters": {"binary_data_output": True}}).encode()
        headers = {"Inference-Header-Content-Length": str(len(document)), "Content-Type": "application/octet-stream"}
        self._connection.request("POST", f"/v2/models/{test.name}/infer", document + raw, headers)
        response = self._connection.getresponse()
        body = response.read()
        assert response.status == 200, body.decode()[:300]
        length = int(response.headers["Inference-Header-Content-Length"])
        arrays = _arrays(json.loads(body[:length])["outputs"], body[length:])
        return [_like(arrays, name, wanted) for name, wanted in test.outputs.items()]

    def close(self) -> None:
        self._connection.close()


def tensors(test: NodeTest) -> dict[str, Any]:
    """The inputs as the protocol has them: a sequence of tensors is one, padded, and their shapes; a text is bytes."""
    infos = {info.name: info for info in test.model.graph.input}
    given: dict[str, Any] = {}
    for name, value in test.inputs.items():
        if isinstance(value, list):
            given |= _stacked(name, value, infos[name])
        elif value is not None:
            given[name] = value
    return {name: bytes_array(array) if array.dtype.kind in "OSU" else array for name, array in given.items()}


def _stacked(name: str, value: list[Any], info: Any) -> dict[str, Any]:
    if len({item.shape for item in value}) > 1:
        largest = [max(lengths) for lengths in zip(*(item.shape for item in value), strict=True)]
        padded = [
            np.pad(item, [(0, most - size) for most, size in zip(largest, item.shape, strict=True)]) for item in value
        ]
        return {name: np.stack(padded), f"{name}.shapes": np.array([item.shape for item in value], np.int64)}
    if value:
        return {name: np.stack(value)}
    return {name: np.empty(0, onnx.helper.tensor_dtype_to_np_dtype(_element(info.type)))}


def _element(kind: Any) -> int:
    """The element type inside of sequences and optional values."""
    if kind.HasField("optional_type"):
        return _element(kind.optional_type.elem_type)
    if kind.HasField("sequence_type"):
        return _element(kind.sequence_type.elem_type)
    return kind.tensor_type.elem_type


def _raw(array: Any) -> bytes:
    if array.dtype.kind != "O":
        return np.ascontiguousarray(array).tobytes()
    return b"".join(len(item).to_bytes(4, "little") + item for item in array.ravel())


def _arrays(heads: list[dict[str, Any]], raw: bytes) -> dict[str, Any]:
    arrays = {}
    for head in heads:
        size = head["parameters"]["binary_data_size"]
        own, raw = raw[:size], raw[size:]
        array = _texts(own) if head["datatype"] == "BYTES" else np.frombuffer(own, DTYPES[head["datatype"]])
        arrays[head["name"]] = array.reshape(head["shape"])
    assert not raw
    return arrays


def _texts(raw: bytes) -> Any:
    items = []
    while raw:
        end = 4 + int.from_bytes(raw[:4], "little")
        items.append(raw[4:end].decode())
        raw = raw[end:]
    array = np.empty(len(items), object)
    array[:] = items
    return array


def _like(arrays: dict[str, Any], name: str, wanted: Any) -> Any:
    """Unstacked, and without the padding, where the test has a sequence."""
    array = arrays[name]
    if isinstance(wanted, list | tuple):
        shapes = arrays.get(f"{name}.shapes")
        if shapes is None:
            return list(array)
        return [item[tuple(map(slice, shape))] for item, shape in zip(array, shapes.tolist(), strict=True)]
    return array.astype(wanted.dtype) if array.dtype.kind == "O" and wanted.dtype.kind in "SU" else array


# The list


def exceptions() -> dict[str, str]:
    """Test → why ONNX Runtime does not pass it."""
    lines = [line for line in LIST.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split("\t") for line in lines)


def listed_versions() -> str:
    return LIST.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def _served_in_process(test: NodeTest) -> bool:
    from modelport.core.errors import ModelportError
    from modelport.core.runtime import LoadSpec
    from modelport.runtimes.onnx.runtime import OnnxRuntime

    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        Path(file.name).write_bytes(test.model.SerializeToString())
        try:
            loaded = OnnxRuntime().load(Path(file.name), LoadSpec(threads=1))
            inputs = tensors(test)
            loaded.signature.check_inputs(inputs)
            arrays = loaded.predict(inputs)
            decoded = {name: _decoded(array) for name, array in arrays.items()}
            test.compare([_like(decoded, name, wanted) for name, wanted in test.outputs.items()])
        except (ModelportError, AssertionError):
            return False
    return True


def _decoded(array: Any) -> Any:
    return np.vectorize(bytes.decode, otypes=[object])(array) if array.dtype.kind == "O" and array.size else array


def _written() -> str:
    lines = [
        f"# {VERSIONS}",
        "# ONNX's node tests that do not pass through the served API, and why: what ONNX Runtime itself says.",
    ]
    for name, test in sorted(node_tests().items()):
        if not _served_in_process(test):
            try:
                run_directly(test)
            except Exception as error:
                lines.append(f"{name}\t{why(error)}")
            else:
                raise SystemExit(f"{name} passes in ONNX Runtime, but not here")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    ort.set_default_logger_severity(4)
    warnings.simplefilter("ignore")
    LIST.write_text(_written(), encoding="utf-8")
