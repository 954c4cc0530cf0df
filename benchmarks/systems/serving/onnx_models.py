"""The models of one peer: what its own service calls. Runs in the peer's environment, which has ONNX Runtime and numpy.

MODELS is `name=file` pairs, separated by `;`. A JSON body is of the Open Inference Protocol; any other is the bytes of
the model's only FP32 tensor, with one row, and is answered by the bytes of the outputs, one after the other.
"""

import json
import os

import numpy as np
import onnxruntime

FILES = dict(pair.split("=", 1) for pair in os.environ["MODELS"].split(";"))
WORKERS = int(os.environ.get("WORKERS", "1"))
DATATYPES = {"float32": "FP32", "int64": "INT64"}


class OnnxModel:
    """One session, with one thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(FILES[name], options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0]
        self.outputs = [output.name for output in self._session.get_outputs()]

    def __reduce__(self) -> tuple:
        return OnnxModel, (self._name,)  # KServe sends its models to its workers

    def __call__(self, array: np.ndarray) -> list[np.ndarray]:
        return self._session.run(self.outputs, {self._input.name: array})

    def answer(self, body: bytes) -> bytes:
        """The answer to a body of either kind."""
        if body[:2] == b'{"':
            return json.dumps(self.answer_document(json.loads(body))).encode()
        return self.answer_bytes(body)

    def answer_bytes(self, body: bytes) -> bytes:
        """Bytes of a tensor in, bytes of tensors out."""
        rest = [size if isinstance(size, int) else -1 for size in self._input.shape[1:]]
        array = np.frombuffer(body, np.float32).reshape([1, *rest])
        return b"".join(output.tobytes() for output in self(array))

    def answer_document(self, document: dict) -> dict:
        """An Open Inference Protocol request in, its response out."""
        tensor = document["inputs"][0]
        outputs = self(np.array(tensor["data"], np.float32).reshape(tensor["shape"]))
        return {"outputs": [_described(name, array) for name, array in zip(self.outputs, outputs, strict=True)]}


def _described(name: str, array: np.ndarray) -> dict:
    datatype = DATATYPES[array.dtype.name]
    return {"name": name, "shape": list(array.shape), "datatype": datatype, "data": array.ravel().tolist()}
