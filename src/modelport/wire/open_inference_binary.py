"""The quick way for binary tensors in Open Inference Protocol v2 over REST.

A client sends the same JSON head again and again, with other bytes behind it. What a head means is worked out the
careful way once (`open_inference.py`), checks and all, and remembered with the signature; so are the heads of replies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from modelport.core.batch import BatchedResponse
from modelport.core.datatypes import DTYPES, Array, datatype_of
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.signature import Signature
from modelport.wire.http import Buffer, HttpReply
from modelport.wire.remembered import Remembered
from modelport.wire.tensors import array_from_raw, raw_from_array

HEADER_LENGTH = b"inference-header-content-length"
BINARY = b"application/octet-stream"
_PLANS, _ROWS = "open_inference.plans", "open_inference.rows"
#: Heads that are remembered for a signature, and how long one may be; one head more empties the memory.
_REMEMBERED, _LONGEST = 512, 4096
#: Tensors up to this many bytes are copied, which is cheaper than a view and aligns them.
_COPIED = 65536


@dataclass(frozen=True, slots=True)
class Plan:
    """What a head says: each tensor's name, datatype, shape and size in bytes; what is asked for; how to reply."""

    tensors: tuple[tuple[str, str, tuple[int, ...], int], ...]
    total: int
    request: InferenceRequest
    encode: Any

    def read(self, body: Buffer, at: int) -> tuple[InferenceRequest, Any]:
        """The request whose tensors begin at `at`; their bytes are exactly `total`."""
        inputs: dict[str, Array] = {}
        for name, datatype, shape, size in self.tensors:
            if size <= _COPIED:
                inputs[name] = np.ndarray(shape, DTYPES[datatype], bytes(body[at : at + size]))
            else:
                inputs[name] = array_from_raw(name, datatype, list(shape), memoryview(body)[at : at + size])
            at += size
        known = self.request
        return InferenceRequest(inputs, known.outputs, known.id, known.parameters), self.encode


def recall(signature: Signature, body: Buffer, length: int) -> tuple[InferenceRequest, Any] | None:
    """The request, where a head like its own was remembered and the bytes behind it are as many as that says."""
    plans = signature.memo.get(_PLANS)
    if plans is None or length > _LONGEST:
        return None
    plan = plans.get(bytes(body[:length]))
    if plan is None or len(body) - length != plan.total:
        return None
    read: tuple[InferenceRequest, Any] = plan.read(body, length)
    return read


def remember(signature: Signature, head: bytes, request: InferenceRequest, encode: Any) -> None:
    """Remember a head that was read the careful way, all of whose tensors are binary."""
    if len(head) > _LONGEST or not all(is_plain(array) for array in request.inputs.values()):
        return
    plans: dict[bytes, Plan] = signature.memo.setdefault(_PLANS, {})
    if len(plans) >= _REMEMBERED:
        plans.clear()
    tensors = tuple((name, datatype_of(item), item.shape, item.nbytes) for name, item in request.inputs.items())
    without = InferenceRequest({}, request.outputs, request.id, request.parameters)
    plans[head] = Plan(tensors, sum(size for *_, size in tensors), without, encode)


def encode_tensors(response: InferenceResponse) -> HttpReply | None:
    """A reply with every output as binary; None where an output is not of plain numbers, or needs another way."""
    if response.parameters:
        return None
    if isinstance(response, BatchedResponse):
        if response.end - response.start == 1:
            return _encode_row(response)
        outputs = response.outputs
    else:
        outputs = response.outputs
    if not all(is_plain(array) for array in outputs.values()):
        return None
    before, after = _head(response, outputs)
    return _reply(response, before, after, [_raw(array) for array in outputs.values()])


def _encode_row(response: BatchedResponse) -> HttpReply | None:
    """One row of a batch, cut out of bytes that were made for the whole batch."""
    batch = response.batch
    rows = batch.memo.get(_ROWS)
    if rows is None:
        if not all(is_plain(array) and len(array) for array in batch.outputs.values()):
            return None
        one = {name: array[:1] for name, array in batch.outputs.items()}
        raws = [(array.tobytes(), array.nbytes // len(array)) for array in batch.outputs.values()]
        rows = batch.memo[_ROWS] = (*_head(response, one), raws)
    before, after, raws = rows
    row = response.start
    return _reply(response, before, after, [raw[row * size : (row + 1) * size] for raw, size in raws])


def _reply(response: InferenceResponse, before: bytes, after: bytes, raws: list[Buffer]) -> HttpReply:
    text = b'%b,"id":%b%b' % (before, orjson.dumps(response.id), after) if response.id else before + after
    headers = ((HEADER_LENGTH, b"%d" % len(text)),)
    if sum(map(len, raws)) <= _COPIED:
        return HttpReply(b"".join((text, *raws)), 200, BINARY, headers)
    return HttpReply([text, *raws], 200, BINARY, headers)


_heads: Remembered[tuple[bytes, bytes]] = Remembered(_REMEMBERED)


def _head(response: InferenceResponse, outputs: dict[str, Array]) -> tuple[bytes, bytes]:
    """A reply's JSON, before and after the place of its id."""
    key = (response.model, response.version, *((name, item.dtype, item.shape) for name, item in outputs.items()))
    return _heads.get(key, _made_head, response, outputs)


def _made_head(response: InferenceResponse, outputs: dict[str, Array]) -> tuple[bytes, bytes]:
    described = [
        {
            "name": name,
            "datatype": datatype_of(item),
            "shape": list(item.shape),
            "parameters": {"binary_data_size": item.nbytes},
        }
        for name, item in outputs.items()
    ]
    before = orjson.dumps({"model_name": response.model, "model_version": str(response.version)})[:-1]
    return before, b',"outputs":' + orjson.dumps(described) + b"}"


def _raw(array: Array) -> Buffer:
    return array.tobytes() if array.nbytes <= _COPIED else raw_from_array(array)


def is_plain(array: Array) -> bool:
    """Numbers whose bytes on the wire are those in memory: not BOOL, whose every byte but 0 is true, and not BYTES."""
    return array.dtype.kind in "fiuV"
