"""Inference in Open Inference Protocol v2: the request's body from arrays, and the arrays from the response.

The layout is that of the binary tensor extension: a JSON object, then the tensors' bytes in the order of `inputs`, and
the header `Inference-Header-Content-Length` with the length of the JSON. Sources: Open Inference Protocol v2; Triton,
"Binary Tensor Data Extension".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelport.client.exchange import Response, accepted
from modelport.client.result import InferenceResult
from modelport.core.datatypes import BYTES, DTYPES, FLOATS, Array, datatype_of
from modelport.core.errors import InternalError, InvalidInputError
from modelport.wire.http import Buffer
from modelport.wire.json_tensors import array_from_json, dumps, json_elements, loads
from modelport.wire.tensors import array_from_raw, raw_from_array

HEADER_LENGTH = "Inference-Header-Content-Length"


def inference_body(
    arrays: Mapping[str, Array],
    outputs: Sequence[str] | None,
    request_id: str,
    parameters: Mapping[str, Any] | None,
    *,
    binary: bool,
) -> tuple[bytes, dict[str, str]]:
    """A request's body and headers. Not `binary`: tensors as JSON both ways, for servers without the extension."""
    head: dict[str, Any] = {"id": request_id} if request_id else {}
    raws: list[Buffer] = []
    head["inputs"] = [_described(name, array, raws, binary) for name, array in arrays.items()]
    wishes: dict[str, Any] = {}
    if outputs:
        parameter = {"parameters": {"binary_data": True}} if binary else {}
        head["outputs"] = [{"name": name, **parameter} for name in outputs]
    elif binary:
        wishes["binary_data_output"] = True
    if wishes or parameters:
        head["parameters"] = {**wishes, **(parameters or {})}
    text = dumps(head)
    if not raws:
        return text, {"Content-Type": "application/json"}
    return b"".join([text, *raws]), {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(text))}


def inference_result(response: Response) -> InferenceResult:
    """The outputs in a response, binary or JSON, each as the server chose to send it.

    Raises the error of a refusal, and InternalError where the answer is not of the protocol.
    """
    length = accepted(response).headers.get(HEADER_LENGTH.lower())
    view = memoryview(response.body)
    try:
        split = len(view) if length is None else int(length)
        if not 0 <= split <= len(view):
            raise ValueError(f"{HEADER_LENGTH} is {length}, but the body has {len(view)} bytes")
        head = loads(bytes(view[:split]))
        return InferenceResult(
            model=head.get("model_name", ""),
            version=str(head.get("model_version") or ""),
            outputs=_arrays(head["outputs"], view[split:]),
            id=head.get("id") or "",
            parameters=head.get("parameters") or {},
        )
    except (InvalidInputError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise InternalError(f"the server's answer is not of the Open Inference Protocol: {reason}") from None


def _described(name: str, array: Array, raws: list[Buffer], binary: bool) -> dict[str, Any]:
    tensor: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype_of(array)}
    if binary:
        raw = raw_from_array(array)
        raws.append(raw)
        tensor["parameters"] = {"binary_data_size": len(raw)}
    else:
        tensor["data"] = _json_data(name, array)
    return tensor


def _json_data(name: str, array: Array) -> Any:
    try:
        return json_elements(name, array)
    except InvalidInputError:
        raise InvalidInputError(
            f"input {name!r} holds bytes that are not UTF-8 text, which JSON can't carry, and the server does not "
            "announce binary tensors; if it takes them all the same, use Client(url, binary=True)"
        ) from None


def _arrays(outputs: list[dict[str, Any]], binary: memoryview) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    at = 0
    for output in outputs:
        name, datatype, shape = output["name"], output["datatype"], output["shape"]
        if datatype not in DTYPES:
            raise ValueError(f"output {name!r} is of the unknown datatype {datatype!r}")
        if any(not isinstance(size, int) or size < 0 for size in shape):
            raise ValueError(f"output {name!r} has the shape {shape}")
        size = (output.get("parameters") or {}).get("binary_data_size")
        if size is None:
            arrays[name] = array_from_json(name, datatype, shape, _with_nan(output["data"], datatype))
            continue
        if not 0 <= size <= len(binary) - at:
            raise ValueError(f"output {name!r} should have {size} bytes, but {len(binary) - at} are left")
        # a copy: aligned, writable, and free of the rest of the body
        array = array_from_raw(name, datatype, shape, binary[at : at + size])
        arrays[name] = array if datatype == BYTES else array.copy()
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
