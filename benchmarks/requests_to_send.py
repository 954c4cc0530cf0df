"""What the load tests send, and how an answer is checked: one row of 30 numbers for the example model breast-cancer."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "examples" / "models" / "breast-cancer.onnx"
PATH = "/v2/models/breast-cancer/infer"


@dataclass(frozen=True)
class Request:
    """One POST request of the Open Inference Protocol."""

    name: str
    headers: dict[str, str]
    body: bytes
    path: str = PATH

    def send(self, url: str) -> dict[str, np.ndarray]:
        """The outputs that the server at `url` answers with. Raises OSError for anything but 200."""
        request = urllib.request.Request(url + self.path, self.body, self.headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            length = answer.headers.get("Inference-Header-Content-Length")
            return _outputs(answer.read(), None if length is None else int(length))

    def wrk_script(self, folder: Path) -> Path:
        """A script that makes wrk send this request and print its figures as one line of JSON."""
        body, script = folder / f"{self.name}.body", folder / f"{self.name}.lua"
        body.write_bytes(self.body)
        headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in self.headers.items())
        script.write_text(_SCRIPT % (body, headers))
        return script


_SCRIPT = """\
local file = io.open("%s", "rb")
wrk.body = file:read("*a")
file:close()
wrk.method = "POST"
%s
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests": %%d, "microseconds": %%d, "p50": %%d, "p99": %%d, "status": %%d, "socket": %%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.status, e.connect + e.read + e.write + e.timeout))
end
"""


def row() -> np.ndarray:
    """One patient near the middle of the data, with as many digits as float32 has: FP32 [1, 30]."""
    metadata = _session().get_modelmeta().custom_metadata_map["modelport"]
    middle = np.array([column["default"] for column in json.loads(metadata)["inputs"]["X"]["columns"]])
    return (middle * np.random.default_rng(0).normal(1, 0.05, (1, 30))).astype(np.float32)


def json_request() -> Request:
    """Numbers as JSON, both ways."""
    rows = row()
    tensor = {"name": "X", "shape": list(rows.shape), "datatype": "FP32", "data": rows.ravel().tolist()}
    body = json.dumps({"id": "1", "inputs": [tensor]}).encode()
    return Request("json", {"Content-Type": "application/json"}, body)


def binary_request() -> Request:
    """Numbers as the binary tensor extension has them, both ways."""
    return tensor_request("binary", "X", row(), PATH)


def tensor_request(name: str, tensor_name: str, array: np.ndarray, path: str) -> Request:
    """An FP32 tensor as the binary tensor extension has it, with the answer asked for in the same way."""
    size = {"binary_data_size": array.nbytes}
    tensor = {"name": tensor_name, "shape": list(array.shape), "datatype": "FP32", "parameters": size}
    head = json.dumps({"id": "1", "inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return Request(name, headers, head + array.tobytes(), path)


def right_answer() -> dict[str, np.ndarray]:
    """What ONNX Runtime, called directly, gives for the request's row."""
    session = _session()
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"X": row()}), strict=True))


def free_answer() -> dict[str, np.ndarray]:
    """What Triton's backend that runs no model gives for any row."""
    return {"label": np.array([1]), "probabilities": np.array([[0.25, 0.75]], np.float32)}


def _session() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])


def _outputs(answer: bytes, header: int | None) -> dict[str, np.ndarray]:
    """Named arrays from a JSON answer, or from a binary one whose JSON part has `header` bytes."""
    document = json.loads(answer[:header])
    rest = memoryview(answer)[len(answer) if header is None else header :]
    outputs = {}
    for tensor in document["outputs"]:
        dtype = {"FP32": np.float32, "INT64": np.int64}[tensor["datatype"]]
        size = tensor.get("parameters", {}).get("binary_data_size")
        if size is None:
            array = np.array(tensor["data"], dtype)
        else:
            array, rest = np.frombuffer(rest[:size], dtype), rest[size:]
        outputs[tensor["name"]] = array.reshape(tensor["shape"])
    return outputs
