"""Inference in Open Inference Protocol v2: the request's body from arrays, and the arrays from the response.

The layout is that of the binary tensor extension: a JSON object, then the tensors' bytes in the order of `inputs`, and
the header `Inference-Header-Content-Length` with the length of the JSON. Sources: Open Inference Protocol v2; Triton,
"Binary Tensor Data Extension".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from modelport.client.exchange import Response, accepted
from modelport.client.result import InferenceResult
from modelport.core.datatypes import BYTES, DTYPES, FLOATS, Array, datatype_of
from modelport.core.errors import InternalError, InvalidInputError
from modelport.wire.http import Buffer
from modelport.wire.json_tensors import array_from_json, dumps, json_elements, loads
from modelport.wire.tensors import array_from_raw, raw_from_array

HEADER_LENGTH = "Inference-Header-Content-Length"
#: Longer answers' heads are not worth remembering.
_LONGEST = 4096


def inference_body(
    arrays: Mapping[str, Array],
    outputs: Sequence[str] | None,
    request_id: str,
    parameters: Mapping[str, Any] | None,
    *,
    binary: bool,
) -> tuple[list[Buffer], dict[str, str]]:
    """A request's body, in parts, and headers. Not `binary`: tensors as JSON both ways, for servers without them."""
    raws = [raw_from_array(array) for array in arrays.values()] if binary else []
    if binary and not request_id and not parameters:
        described = tuple(
            (name, datatype_of(array), array.shape, len(raw))
            for (name, array), raw in zip(arrays.items(), raws, strict=True)
        )
        text = _remembered_head(described, tuple(outputs) if outputs else ())
    else:
        sizes = [len(raw) for raw in raws] if binary else [None] * len(arrays)
        tensors = [_described(name, array, size) for (name, array), size in zip(arrays.items(), sizes, strict=True)]
        text = _head(tensors, outputs, request_id, parameters, binary=binary)
    if not raws:
        return [text], {"Content-Type": "application/json"}
    return [text, *raws], {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(text))}


def inference_result(response: Response) -> InferenceResult:
    """The outputs in a response, binary or JSON, each as the server chose to send it.

    Raises the error of a refusal, and InternalError where the answer is not of the protocol.
    """
    length = accepted(response).headers.get(HEADER_LENGTH.lower())
    body = response.body
    try:
        split = len(body) if length is None else int(length)
        if not 0 <= split <= len(body):
            raise ValueError(f"{HEADER_LENGTH} is {length}, but the body has {len(body)} bytes")
        start = bytes(body[:split])
        head = _read(start) if length is None or split > _LONGEST else _remembered(start)
        return InferenceResult(
            head.model, head.version, _arrays(head.outputs, memoryview(body)[split:]), head.id, dict(head.parameters)
        )
    except (InvalidInputError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise InternalError(f"the server's answer is not of the Open Inference Protocol: {reason}") from None


def _head(
    tensors: list[dict[str, Any]],
    outputs: Sequence[str] | None,
    request_id: str,
    parameters: Mapping[str, Any] | None,
    *,
    binary: bool,
) -> bytes:
    head: dict[str, Any] = {"id": request_id} if request_id else {}
    head["inputs"] = tensors
    wishes: dict[str, Any] = {}
    if outputs:
        parameter = {"parameters": {"binary_data": True}} if binary else {}
        head["outputs"] = [{"name": name, **parameter} for name in outputs]
    elif binary:
        wishes["binary_data_output"] = True
    if wishes or parameters:
        head["parameters"] = {**wishes, **(parameters or {})}
    return dumps(head)


@lru_cache(maxsize=512)
def _remembered_head(described: tuple[tuple[str, str, tuple[int, ...], int], ...], outputs: tuple[str, ...]) -> bytes:
    """A client asks the same again and again, but for the values."""
    tensors = [
        {"name": name, "shape": list(shape), "datatype": datatype, "parameters": {"binary_data_size": size}}
        for name, datatype, shape, size in described
    ]
    return _head(tensors, outputs, "", None, binary=True)


@dataclass(frozen=True, slots=True)
class _Head:
    """The JSON of a response."""

    model: str
    version: str
    id: str
    parameters: Mapping[str, Any]
    outputs: tuple[_Output, ...]


@dataclass(frozen=True, slots=True)
class _Output:
    """One output: `size` bytes behind the JSON, or `data` in it."""

    name: str
    datatype: str
    shape: list[int]
    size: int | None
    data: Any


def _read(text: bytes) -> _Head:
    head = loads(text)
    return _Head(
        model=head.get("model_name", ""),
        version=str(head.get("model_version") or ""),
        id=head.get("id") or "",
        parameters=head.get("parameters") or {},
        outputs=tuple(_output(item) for item in head["outputs"]),
    )


_remembered = lru_cache(maxsize=512)(_read)


def _output(item: dict[str, Any]) -> _Output:
    name, datatype, shape = item["name"], item["datatype"], item["shape"]
    if datatype not in DTYPES:
        raise ValueError(f"output {name!r} is of the unknown datatype {datatype!r}")
    if any(not isinstance(size, int) or size < 0 for size in shape):
        raise ValueError(f"output {name!r} has the shape {shape}")
    size = (item.get("parameters") or {}).get("binary_data_size")
    return _Output(name, datatype, shape, size, item["data"] if size is None else None)


def _described(name: str, array: Array, size: int | None) -> dict[str, Any]:
    tensor: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype_of(array)}
    if size is None:
        tensor["data"] = _json_data(name, array)
    else:
        tensor["parameters"] = {"binary_data_size": size}
    return tensor


def _json_data(name: str, array: Array) -> Any:
    try:
        return json_elements(name, array)
    except InvalidInputError:
        raise InvalidInputError(
            f"input {name!r} holds bytes that are not UTF-8 text, which JSON can't carry, and the server does not "
            'announce binary tensors; if it takes them all the same, use Client(url, dialect="binary")'
        ) from None


def _arrays(outputs: tuple[_Output, ...], binary: memoryview) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    at = 0
    for output in outputs:
        name, size = output.name, output.size
        if size is None:
            data = _with_nan(output.data, output.datatype)
            arrays[name] = array_from_json(name, output.datatype, output.shape, data)
            continue
        if not 0 <= size <= len(binary) - at:
            raise ValueError(f"output {name!r} should have {size} bytes, but {len(binary) - at} are left")
        array = array_from_raw(name, output.datatype, output.shape, binary[at : at + size])
        # The arrays are the caller's own: one that is most of a big body may stay where it was received; others must
        # not keep that in memory.
        stays = array.flags.writeable and (binary.readonly or 2 * size > len(binary))
        arrays[name] = array if stays or output.datatype == BYTES else array.copy()
        at += size
    return arrays


def _with_nan(data: Any, datatype: str) -> Any:
    """JSON has no NaN: some servers (MLServer among them) write null for it."""
    if datatype not in FLOATS:
        return data
    if isinstance(data, list):
        return [_with_nan(item, datatype) for item in data] if None in data or _nested(data) else data
    return float("nan") if data is None else data


def _nested(data: list[Any]) -> bool:
    return bool(data) and isinstance(data[0], list)
