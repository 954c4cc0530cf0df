"""Peers without the Open Inference Protocol: a path per model, and bodies as they like them."""

from __future__ import annotations

import base64
import json
import urllib.request

import numpy as np
import onnxruntime

from modelport.client.load import Payload
from systems.system import Job, System

DTYPES = {"FP32": np.float32, "INT64": np.int64, "tensor(float)": np.float32, "tensor(int64)": np.int64}


class OwnPaths(System):
    """JSON as the Open Inference Protocol has it, or a tensor's bytes, posted to `/MODEL`."""

    speaks = ("json", "binary")

    def path(self, model: str, dialect: str) -> str:
        """Where a model is asked."""
        return f"/{model}"

    def body(self, inputs: dict[str, np.ndarray], dialect: str) -> tuple[bytes, str]:
        """The body and its content type."""
        [(name, array)] = inputs.items()
        if dialect == "binary":
            return array.tobytes(), "application/octet-stream"
        tensor = {"name": name, "shape": list(array.shape), "datatype": "FP32", "data": array.ravel().tolist()}
        return json.dumps({"inputs": [tensor]}, separators=(",", ":")).encode(), "application/json"

    def payload(self, job: Job, model: str, inputs: dict[str, np.ndarray], dialect: str) -> Payload:
        """See `System.payload`."""
        body, content_type = self.body(inputs, dialect)
        head = (
            f"POST {self.path(model, dialect)} HTTP/1.1\r\nhost: 127.0.0.1:{job.port}\r\n"
            f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return Payload("plain", head.encode() + body, sum(array.nbytes for array in inputs.values()))

    def ask(self, job: Job, model: str, inputs: dict[str, np.ndarray], dialect: str) -> dict[str, np.ndarray]:
        """See `System.ask`."""
        body, content_type = self.body(inputs, dialect)
        url = self.url(job, dialect) + self.path(model, dialect)
        request = urllib.request.Request(url, body, {"Content-Type": content_type})
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = response.read()
        if dialect == "binary":
            return _split(self.raw(answer), job.models[model])
        document = json.loads(answer)
        return {
            item["name"]: np.array(item["data"], DTYPES[item["datatype"]]).reshape(item["shape"])
            for item in document["outputs"]
        }

    def raw(self, answer: bytes) -> bytes:
        """The outputs' bytes in an answer."""
        return answer


class Base64(OwnPaths):
    """Bytes as base64 in JSON."""

    def body(self, inputs: dict[str, np.ndarray], dialect: str) -> tuple[bytes, str]:
        """See `OwnPaths.body`."""
        if dialect != "binary":
            return super().body(inputs, dialect)
        [array] = inputs.values()
        return json.dumps({"b64": base64.b64encode(array.tobytes()).decode()}).encode(), "application/json"

    def raw(self, answer: bytes) -> bytes:
        """See `OwnPaths.raw`."""
        return base64.b64decode(json.loads(answer)["b64"])


def _split(answer: bytes, model: object) -> dict[str, np.ndarray]:
    """The outputs of one row: their bytes stand one after the other; a free last dimension takes all that is left."""
    found, at = {}, 0
    for output in onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).get_outputs():
        dtype = np.dtype(DTYPES[output.type])
        shape = [1, *(size if isinstance(size, int) else -1 for size in output.shape[1:])]
        count = (len(answer) - at) // dtype.itemsize if -1 in shape else int(np.prod(shape))
        found[output.name] = np.frombuffer(answer, dtype, count, at).reshape(shape if len(shape) > 1 else [count])
        at += count * dtype.itemsize
    return found
