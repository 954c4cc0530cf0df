"""Open Inference Protocol v2 with binary tensors for a batch that was collected as rows.

A head of a request that was read the careful way (`open_inference.py`) and asks for nothing unusual is remembered as a
plan: how many rows it announces, and in which order its inputs' bytes come.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from modelport.core.datatypes import Array, datatype_of
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.signature import Signature
from modelport.wire.http import Column, Encode, HttpReply, RowPlan
from modelport.wire.open_inference_binary import BINARY, HEADER_LENGTH, is_plain
from modelport.wire.open_inference_rows import OpenInferenceRows, RowHead

_PLANS = "open_inference.row_plans"
#: Heads that are remembered for a signature, and how long one may be; one head more empties the memory.
_REMEMBERED, _LONGEST = 512, 4096
#: As in collect.h.
_LONGEST_ID = 256
#: Parameters of a request that mean nothing but how it is answered.
_HARMLESS = {"binary_data_output"}


class OpenInferenceBinaryRows(OpenInferenceRows):
    """All outputs are binary too; with any other wish a request goes the ordinary way."""

    name = "binary"
    binary = True
    content_type = BINARY

    def __init__(self, encode: Encode) -> None:
        """`encode` makes the answer to one request that is not cut out of columns."""
        self._encode = encode

    def plans(self, signature: Signature) -> dict[bytes, RowPlan]:
        """The signature's, to which `remember_rows` adds."""
        plans: dict[bytes, RowPlan] = signature.memo.setdefault(_PLANS, {})
        return plans

    def columns(self, outputs: Mapping[str, Array], known: dict[str, Any]) -> tuple[Column, ...] | None:
        """The outputs of a batch as bytes; None for what is not plain numbers, and for rows without elements."""
        columns: list[Column] = []
        for name, array in outputs.items():
            head = known.get(name)
            if head is None or head.dtype is not array.dtype or head.shape != array.shape[1:]:
                if not is_plain(array) or array.size == 0:
                    return None
                head = known[name] = _head(name, array)
            columns.append((head.before, head.after, array.tobytes(), array.nbytes // len(array)))
        return tuple(columns) or None

    def reply(self, body: bytes, json: int) -> HttpReply:
        """With the header that says where the JSON ends."""
        return HttpReply(body, 200, BINARY, ((HEADER_LENGTH, b"%d" % json),))

    def encode(self, response: InferenceResponse) -> HttpReply:
        """The answer to one request: the same as what is cut out of the columns."""
        return self._encode(response)


def remember_rows(signature: Signature, head: bytes, request: InferenceRequest, binary: frozenset[str]) -> None:
    """Remember the head of a request all of whose tensors are binary, if it wants `binary` answers of all outputs."""
    names = tuple(spec.name for spec in signature.outputs)
    unusual = (
        not _is_plain_id(request.id)
        or not (request.parameters or {}).keys() <= _HARMLESS
        or request.outputs not in (None, names)
    )
    if unusual or not signature.batched or binary != frozenset(names) or len(head) > _LONGEST:
        return
    places = {spec.name: place for place, spec in enumerate(signature.inputs)}
    rows = {array.shape[0] for array in request.inputs.values()}
    if len(rows) != 1 or request.inputs.keys() != places.keys():
        return
    plans: dict[bytes, RowPlan] = signature.memo.setdefault(_PLANS, {})
    if len(plans) >= _REMEMBERED:
        plans.clear()
    plans[head] = (*rows, request.id.encode(), *(places[name] for name in request.inputs))


def _is_plain_id(text: str) -> bool:
    """Whether an id is the same as it is in JSON."""
    return len(text) <= _LONGEST_ID and text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


def _head(name: str, array: Array) -> RowHead:
    before = orjson.dumps({"name": name, "datatype": datatype_of(array)})[:-1] + b',"shape":['
    sizes = b"".join(b",%d" % size for size in array.shape[1:])
    return RowHead(array.dtype, array.shape[1:], before, sizes + b'],"parameters":{"binary_data_size":', False)
