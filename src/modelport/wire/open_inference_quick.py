"""The quick way through Open Inference Protocol v2: JSON requests as nearly all clients send them, and JSON replies.

A quick reader takes what is right in every respect and gives None for everything else, which then goes the careful way
(`open_inference.py`), where each error has its text. Both read the same request to the same arrays.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import orjson

from modelport.core.batch import BatchedResponse
from modelport.core.datatypes import DTYPES, Array, datatype_of
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.http import Buffer, HttpReply
from modelport.wire.json_tensors import dumps, json_elements
from modelport.wire.remembered import Remembered

Reader = Callable[[Buffer], InferenceRequest | None]

#: Datatypes that `struct` packs exactly as numpy would convert them, with their format characters.
FORMATS = {
    "FP32": "f", "FP64": "d", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q",
    "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q",
}  # fmt: skip
#: Up to this many elements packing beats numpy's own conversion.
_PACKED = 512
#: Prefixes that are remembered; one more empties the memory.
_REMEMBERED = 4096
_COLUMNS = "open_inference.columns"
_NUMPY = orjson.OPT_SERIALIZE_NUMPY


class _Floats(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]
    parameters: dict[str, Any] | None = None


class _Integers(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[int]
    parameters: dict[str, Any] | None = None


class _FloatBody(msgspec.Struct):
    inputs: list[_Floats]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[Any] | None = None


class _IntegerBody(msgspec.Struct):
    inputs: list[_Integers]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[Any] | None = None


_DECODERS: dict[str, Callable[[Buffer], Any]] = {
    "f": msgspec.json.Decoder(_FloatBody).decode,
    "i": msgspec.json.Decoder(_IntegerBody).decode,
    "u": msgspec.json.Decoder(_IntegerBody).decode,
}


def quick_reader(signature: Signature) -> Reader:
    """The quick reader of a signature; one that always gives None where its inputs are not all one kind of number."""
    kinds = {DTYPES[spec.datatype].kind.replace("u", "i") for spec in signature.inputs}
    quick = len(kinds) == 1 and all(spec.datatype in FORMATS and spec.shape is not None for spec in signature.inputs)
    if not quick:
        return lambda body: None
    return _reader(signature, _DECODERS[kinds.pop()])


def _reader(signature: Signature, decode: Callable[[Buffer], Any]) -> Reader:
    builders = {spec.name: _builder(spec) for spec in signature.inputs}
    required = len(builders)

    def read(body: Buffer) -> InferenceRequest | None:  # one function: this is the hottest code there is
        try:
            parsed = decode(body)
            if parsed.parameters is not None or parsed.outputs is not None or len(parsed.inputs) != required:
                return None
            inputs = {}
            for tensor in parsed.inputs:
                array = builders[tensor.name](tensor)
                if array is None:
                    return None
                inputs[tensor.name] = array
        except (msgspec.DecodeError, ValueError, KeyError, ArithmeticError, struct.error, RecursionError):
            return None
        return InferenceRequest(inputs, None, parsed.id or "") if len(inputs) == required else None

    return read


def _builder(spec: TensorSpec) -> Callable[[Any], Array | None]:
    """What makes the array of one input from its parsed tensor, or None where anything is unusual."""
    datatype, wanted, dtype = spec.datatype, spec.shape or (), DTYPES[spec.datatype]
    rank, code = len(wanted), FORMATS[spec.datatype]
    packers: dict[int, Callable[..., bytes]] = {}

    def build(tensor: Any) -> Array | None:
        shape, data = tensor.shape, tensor.data
        if tensor.datatype != datatype or tensor.parameters is not None or len(shape) != rank:
            return None
        count = 1
        for size, free_or_size in zip(shape, wanted, strict=True):
            if size != free_or_size and (free_or_size != -1 or size < 0):
                return None
            count *= size
        if count != len(data) or count == 0:
            return None
        if count > _PACKED:
            with np.errstate(over="raise"):
                return np.array(data, dtype).reshape(shape)
        pack = packers.get(count)
        if pack is None:
            pack = packers[count] = struct.Struct(f"<{count}{code}").pack
        return np.ndarray(shape, dtype, pack(*data))

    return build


_prefixes: Remembered[bytes] = Remembered(_REMEMBERED)


def encode_json(response: InferenceResponse) -> HttpReply:
    """A response as one JSON object, with flat data."""
    if isinstance(response, BatchedResponse) and response.end - response.start == 1 and not response.parameters:
        columns = response.batch.memo.get(_COLUMNS)
        if columns is None:
            columns = response.batch.memo[_COLUMNS] = _columns(response)
        if columns:
            return _encode_row(response, columns)
    if response.id or response.parameters:
        head = dumps(envelope_of(response))[:-1]
    else:
        head = _prefixes.get((response.model, response.version), _plain_head, response)
    parts = [head]
    before = b',"outputs":['
    for name, array in response.outputs.items():
        parts += (before, _prefixes.get((name, array.dtype, array.shape), _tensor_head, name, array))
        parts.append(_elements(name, array))
        before = b"},"
    parts.append(b"}]}" if response.outputs else b',"outputs":[]}')
    return HttpReply(b"".join(parts))


def _encode_row(response: BatchedResponse, columns: list[tuple[bytes, list[bytes]]]) -> HttpReply:
    """A response of one row, out of the texts that were made for the whole batch."""
    row = response.start
    parts = [_prefixes.get((response.model, response.version), _plain_head, response)]
    if response.id:
        parts += (b',"id":', orjson.dumps(response.id))
    for head, texts in columns:
        parts += (head, texts[row])
    parts.append(b"]}]}")
    return HttpReply(b"".join(parts))


def _columns(response: BatchedResponse) -> list[tuple[bytes, list[bytes]]]:
    """For each output of a batch: what stands before a row's elements, and the elements of each row.

    The batch is written once and cut at the brackets between its rows. Empty where that can't be done: for texts, for
    rows of more than one dimension, and where orjson wrote null for a NaN or an infinity.
    """
    columns: list[tuple[bytes, list[bytes]]] = []
    before = b',"outputs":['
    for name, array in response.batch.outputs.items():
        if array.dtype.kind not in "fiub" or array.ndim > 2 or array.size == 0:
            return []
        text = orjson.dumps(array, option=_NUMPY)
        if b"null" in text:
            return []
        head = _prefixes.get((name, array.dtype, (1, *array.shape[1:])), _tensor_head, name, array[:1])
        columns.append((before + head + b"[", text[1:-1].split(b",") if array.ndim == 1 else text[2:-2].split(b"],[")))
        before = b"]},"
    return columns


def envelope_of(response: InferenceResponse) -> dict[str, Any]:
    """What a reply says beside its outputs."""
    head: dict[str, Any] = {"model_name": response.model, "model_version": str(response.version)}
    if response.id:
        head["id"] = response.id
    if response.parameters:
        head["parameters"] = response.parameters
    return head


def _plain_head(response: InferenceResponse) -> bytes:
    return orjson.dumps({"model_name": response.model, "model_version": str(response.version)})[:-1]


def _tensor_head(name: str, array: Array) -> bytes:
    described = {"name": name, "datatype": datatype_of(array), "shape": list(array.shape)}
    return orjson.dumps(described)[:-1] + b',"data":'


def _elements(name: str, array: Array) -> bytes:
    """A tensor's elements as a flat JSON list; NaN and infinities, which orjson writes as null, as the bare words."""
    if array.dtype.kind not in "fiub":
        return dumps(json_elements(name, array))
    if array.ndim == 1:
        text = orjson.dumps(array, option=_NUMPY)
    elif array.ndim == 2 and array.shape[0] == 1:
        text = orjson.dumps(array, option=_NUMPY)[1:-1]  # cheaper than a flat view of one row
    else:
        text = orjson.dumps(array.reshape(-1), option=_NUMPY)
    return text if b"null" not in text else json.dumps(array.ravel().tolist()).encode()
