"""Open Inference Protocol v2 for a batch that was collected as rows: what the rows look like, and their answers' text.

The careful and the quick way (`open_inference.py`, `…_quick.py`) read and write the same, request by request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import orjson

from modelport.core.datatypes import DTYPES, Array, datatype_of
from modelport.core.messages import InferenceResponse
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.http import JSON, Column, HttpReply, RowInput, RowPlan
from modelport.wire.open_inference_quick import FORMATS, encode_json

_NUMPY = orjson.OPT_SERIALIZE_NUMPY
#: More inputs, outputs or dimensions are not collected as rows.
_MOST, _MOST_DIMENSIONS = 16, 8


class OpenInferenceRows:
    """Stateless; one object serves all versions."""

    name = "json"
    binary = False
    content_type = JSON

    def inputs(self, signature: Signature) -> tuple[RowInput, ...] | None:
        """The inputs of a signature whose rows all have one size; None for any other."""
        if not (signature.batched and 0 < len(signature.inputs) <= _MOST and len(signature.outputs) <= _MOST):
            return None
        found = [_row_input(spec) for spec in signature.inputs]
        return None if None in found else tuple(item for item in found if item is not None)

    def plans(self, signature: Signature) -> dict[bytes, RowPlan] | None:
        """None: JSON is all there is."""
        return None

    def row_bytes(self, inputs: tuple[RowInput, ...]) -> int:
        """The size of one row of all inputs."""
        return sum(DTYPES[datatype.decode()].itemsize * prod(shape[1:]) for _, datatype, _, shape in inputs)

    def prefix(self, model: str, version: int) -> bytes:
        """How the body of every answer of a version begins."""
        return orjson.dumps({"model_name": model, "model_version": str(version)})[:-1]

    def columns(self, outputs: Mapping[str, Array], known: dict[str, Any]) -> tuple[Column, ...] | None:
        """The outputs of a batch as text; None where it can't be cut into rows.

        That is so for texts, for rows without elements, and where orjson wrote null for a NaN or an infinity.
        """
        columns: list[Column] = []
        for name, array in outputs.items():
            dtype, shape = array.dtype, array.shape
            head = known.get(name)
            if head is None or head.dtype is not dtype or head.shape != shape[1:]:
                if dtype.kind not in "fiub" or array.size == 0:
                    return None
                head = known[name] = _head(name, array)
            text = orjson.dumps(array if len(shape) <= 2 else array.reshape(len(array), -1), option=_NUMPY)
            if b"null" in text:
                return None
            columns.append((head.before, head.after, text, head.flat))
        return tuple(columns) or None

    def reply(self, body: bytes, json: int) -> HttpReply:
        """As it is."""
        return HttpReply(body)

    def encode(self, response: InferenceResponse) -> HttpReply:
        """The answer to one request: the same as what is cut out of the columns."""
        return encode_json(response)


def _row_input(spec: TensorSpec) -> RowInput | None:
    shape, code, name = spec.shape, FORMATS.get(spec.datatype), spec.name
    if shape is None or code is None or spec.optional:
        return None
    if not 0 < len(shape) <= _MOST_DIMENSIONS or min(shape[1:], default=1) < 1:
        return None
    if not (name.isascii() and name.isprintable()) or '"' in name or "\\" in name:
        return None
    return name.encode(), spec.datatype.encode(), code, tuple(shape)


@dataclass(frozen=True, slots=True)
class RowHead:
    """What stands around each row of an output of that type; `shape` is that of a row."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    before: bytes
    after: bytes
    flat: bool


def _head(name: str, array: Array) -> RowHead:
    before = orjson.dumps({"name": name, "datatype": datatype_of(array)})[:-1] + b',"shape":['
    after = b"".join(b",%d" % size for size in array.shape[1:]) + b'],"data":['
    return RowHead(array.dtype, array.shape[1:], before, after, array.ndim == 1)
