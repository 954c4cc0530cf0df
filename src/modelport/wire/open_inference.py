"""Open Inference Protocol v2 over REST: inference, with the binary tensor extension both ways.

Sources: Open Inference Protocol v2 "Inference Request JSON Object" and Triton's "Binary Tensor Data Extension".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
import numpy as np

from modelport.core.datatypes import Array, datatype_of, dtype_of
from modelport.core.errors import InvalidInputError, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.signature import Signature
from modelport.wire.http import MODEL_PATH, STATUS, Buffer, HttpCall, HttpReply, RowForm, error_headers
from modelport.wire.json_tensors import array_from_json, dumps, json_elements, loads
from modelport.wire.open_inference_binary import BINARY, HEADER_LENGTH, encode_tensors, recall, remember
from modelport.wire.open_inference_binary_rows import OpenInferenceBinaryRows, remember_rows
from modelport.wire.open_inference_inputs import check_declared
from modelport.wire.open_inference_quick import Reader, encode_json, envelope_of, quick_reader
from modelport.wire.open_inference_rows import OpenInferenceRows
from modelport.wire.output_forms import OutputForms
from modelport.wire.quoting import error_text, quoted
from modelport.wire.shared_memory import NoRegions, Place, Regions, place_of
from modelport.wire.tensors import array_from_raw, raw_from_array, shaped

_MISSING = msgspec.Raw(b"")


class _Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = _MISSING
    parameters: dict[str, Any] | None = None


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _Body(msgspec.Struct):
    inputs: list[_Tensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[_Output] | None = None


class _LooseTensor(_Tensor):
    """A tensor whose data is parsed already: the way for bodies with NaN or Infinity in them."""

    data: list[Any] | None = None  # type: ignore[assignment]


class _LooseBody(_Body):
    inputs: list[_LooseTensor]  # type: ignore[assignment]


_decode = msgspec.json.Decoder(_Body).decode
_READER = "open_inference.reader"
_ONLY_SIZE = {"binary_data_size"}


class OpenInference:
    """The dialect `POST /v2/models/{model}[/versions/{version}]/infer`."""

    def __init__(self, regions: Regions | None = None) -> None:
        """`regions`: where tensors in shared memory are; None refuses them."""
        self._regions: Regions = regions or NoRegions()

    name = "open_inference"
    patterns = (rf"/v2/{MODEL_PATH}/infer",)

    def model_of(self, headers: Mapping[bytes, bytes]) -> str | None:
        """The path always names the model."""
        return None

    def row_form(self, headers: Mapping[bytes, bytes], length: int) -> tuple[RowForm, int] | None:
        """How a request with these headers can be read as rows, and how long its JSON is (−1: its whole `length`)."""
        given = headers.get(HEADER_LENGTH)
        if given is None:
            return _JSON_ROWS, -1
        if not given.isdigit() or not 0 < int(given[:15]) <= length or len(given) > 15:
            return None
        return _BINARY_ROWS, int(given)

    def decode(self, call: HttpCall, signature: Signature) -> tuple[InferenceRequest, Any]:
        """Read a request: JSON, JSON followed by binary tensors, or the raw bytes of the only input."""
        header_length = call.headers.get(HEADER_LENGTH)
        if header_length is not None:
            return self._decode_binary(call.body, _length(header_length, len(call.body)), signature)
        reader = signature.memo.get(_READER) or _prepare(signature)
        request = reader(call.body)
        if request is not None:
            return request, encode_json
        return self._decode_body(_envelope(call.body), None, signature)

    def _decode_binary(self, body: Buffer, length: int, signature: Signature) -> tuple[InferenceRequest, Any]:
        """JSON of that length, and binary tensors behind it."""
        if length == 0:
            return _raw_request(body, signature), encode_json
        known = recall(signature, body, length)
        if known is not None:
            return known
        view = memoryview(body)
        read = _envelope(view[:length])
        request, encode = self._decode_body(read, view[length:], signature)
        plain = all(tensor.parameters and tensor.parameters.keys() == _ONLY_SIZE for tensor in read.inputs)
        if plain and "forms" not in getattr(encode, "keywords", {}):
            remember(signature, bytes(view[:length]), request, encode)
            remember_rows(
                signature, bytes(view[:length]), request, getattr(encode, "keywords", {}).get("binary", _NONE)
            )
        return request, encode

    def _decode_body(
        self, body: _Body, binary: memoryview | None, signature: Signature
    ) -> tuple[InferenceRequest, Any]:
        """The careful way, with a text for every error."""
        inputs = _inputs(body.inputs, binary, signature, self._regions)
        request = InferenceRequest(inputs, None, body.id or "", body.parameters)
        if body.outputs is None and body.parameters is None:
            return request, encode_json
        return request, _reply_options(request, body.outputs, signature, self._regions)

    def refuse(self, error: ModelportError) -> HttpReply:
        """`{"error": text}` with the kind's status, as the protocol's "Inference Response JSON Error Object" has it."""
        return HttpReply(dumps({"error": error_text(error)}), STATUS[error.kind], headers=error_headers(error))


def _prepare(signature: Signature) -> Reader:
    reader: Reader = quick_reader(signature)
    signature.memo[_READER] = reader
    return reader


def _length(value: bytes, available: int) -> int:
    if not value.isdigit() or len(value) > 15:
        raise InvalidInputError(f"Inference-Header-Content-Length must be a number of bytes, not {_text(value)!r}")
    length = int(value)
    if length > available:
        raise InvalidInputError(f"Inference-Header-Content-Length is {length}, but the body has only {available} bytes")
    return length


def _text(value: bytes) -> str:
    return value[:60].decode("latin-1")


def _envelope(head: Buffer) -> _Body:
    try:
        return _decode(head)
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"the request does not fit the Open Inference Protocol: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        whole = bytes(head)
        if not whole.strip():
            raise InvalidInputError("the body is empty; it should be a JSON object with 'inputs'") from None
        if b"NaN" not in whole and b"Infinity" not in whole:
            raise InvalidInputError(f"the body is not valid JSON: {error}") from None
    try:
        return msgspec.convert(loads(whole), _LooseBody)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidInputError(f"the request does not fit the Open Inference Protocol: {error}") from None


def _inputs(
    tensors: list[_Tensor], binary: memoryview | None, signature: Signature, regions: Regions
) -> dict[str, Array]:
    """The arrays by name, checked against the signature. Binary tensors follow one another in the order given."""
    inputs: dict[str, Array] = {}
    at = 0
    for tensor in tensors:
        name, shape, parameters = tensor.name, tensor.shape, tensor.parameters
        if name in inputs:
            raise InvalidInputError(f"input {name!r} is given twice")
        check_declared(name, tensor.datatype, shape, signature)
        if parameters is None or "binary_data_size" not in parameters:
            place = place_of(parameters, f"input {name!r}")
            inputs[name] = _json_array(tensor) if place is None else _placed_array(tensor, place, regions)
            continue
        size = _binary_size(tensor, binary, at)
        assert binary is not None
        inputs[name] = array_from_raw(name, tensor.datatype, shape, binary[at : at + size])
        at += size
    if binary is not None and at != len(binary):
        raise InvalidInputError(f"{len(binary) - at} bytes of binary data are left over behind the last input")
    signature.check_complete(inputs)
    return inputs


def _json_array(tensor: _Tensor) -> Array:
    data = tensor.data
    if data is None or data is _MISSING:
        raise InvalidInputError(f"input {tensor.name!r} has neither 'data' nor the parameter 'binary_data_size'")
    return array_from_json(tensor.name, tensor.datatype, tensor.shape, data)


def _placed_array(tensor: _Tensor, place: Place, regions: Regions) -> Array:
    if tensor.data is not None and tensor.data is not _MISSING:
        raise InvalidInputError(f"input {tensor.name!r} has both 'data' and a shared-memory region")
    return array_from_raw(tensor.name, tensor.datatype, tensor.shape, regions.read(place))


def _binary_size(tensor: _Tensor, binary: memoryview | None, at: int) -> int:
    size = (tensor.parameters or {})["binary_data_size"]
    if binary is None:
        raise InvalidInputError(
            f"input {tensor.name!r} has binary_data_size, but the request has no Inference-Header-Content-Length"
        )
    if type(size) is not int or size < 0:
        raise InvalidInputError(
            f"binary_data_size of input {tensor.name!r} must be a number of bytes, not {quoted(size)}"
        )
    if tensor.data is not None and tensor.data is not _MISSING:
        raise InvalidInputError(f"input {tensor.name!r} has both 'data' and binary_data_size")
    if at + size > len(binary):
        raise InvalidInputError(
            f"input {tensor.name!r} should have {size} bytes of binary data, but only {len(binary) - at} are left"
        )
    return size


def _raw_request(body: Buffer, signature: Signature) -> InferenceRequest:
    """A body that is nothing but the bytes of the model's only input; its one free dimension comes from the size."""
    if len(signature.inputs) != 1:
        raise InvalidInputError(
            f"a raw binary request needs a model with one input; this one has {len(signature.inputs)}"
        )
    spec = signature.inputs[0]
    free = [axis for axis, size in enumerate(spec.shape or ()) if size == -1]
    if spec.shape is None or len(free) > 1 or (spec.datatype == "BYTES" and len(spec.shape) > 1):
        raise InvalidInputError(f"a raw binary request can't tell the shape of {spec.describe()}; send a JSON header")
    shape = [1 if size == -1 else size for size in spec.shape]
    if spec.datatype == "BYTES":
        element = np.empty(1, np.object_)
        element[0] = bytes(body)
        inputs = {spec.name: shaped(spec.name, element, shape)}
    else:
        row = dtype_of(spec.datatype).itemsize
        for size in shape:
            row *= size
        if free and row:
            shape[free[0]] = len(body) // row
        inputs = {spec.name: array_from_raw(spec.name, spec.datatype, shape, memoryview(body))}
    signature.check_inputs(inputs)
    return InferenceRequest(inputs)


def _reply_options(
    request: InferenceRequest, outputs: list[_Output] | None, signature: Signature, regions: Regions
) -> Any:
    """Which outputs are asked for, and in which form each of them."""
    all_binary = _flag(request.parameters or {}, "binary_data_output", False)
    if outputs is None or not outputs:
        names = tuple(spec.name for spec in signature.outputs)
        return partial(_encode_binary, binary=frozenset(names)) if all_binary else encode_json
    names = tuple(output.name for output in outputs)
    signature.check_outputs(names)
    request.outputs = names
    binary = frozenset(item.name for item in outputs if _flag(item.parameters or {}, "binary_data", all_binary))
    forms = OutputForms(regions)
    for output in outputs:
        forms.add(signature.output(output.name), output.parameters)
    if forms:
        return partial(_encode_binary, binary=binary, forms=forms)
    return partial(_encode_binary, binary=binary) if binary else encode_json


def _flag(parameters: Any, name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise InvalidInputError(f"the parameter {name} must be true or false, not {quoted(value)}")
    return value


def _encode_binary(response: InferenceResponse, binary: frozenset[str], forms: OutputForms | None = None) -> HttpReply:
    if forms is None and len(binary) == len(response.outputs):
        reply = encode_tensors(response)
        if reply is not None:
            return reply
    head = envelope_of(response)
    outputs: list[dict[str, Any]] = []
    buffers: list[Buffer] = []
    for name, given in response.outputs.items():
        array = given if forms is None else forms.formed(name, given)
        described: dict[str, Any] = {"name": name, "datatype": datatype_of(array), "shape": array.shape}
        if forms is not None and name in forms.places:
            described["parameters"] = forms.placed(name, raw_from_array(array))
        elif name in binary:
            raw = raw_from_array(array)
            described["parameters"] = {"binary_data_size": len(raw)}
            buffers.append(raw)
        else:
            described["data"] = json_elements(name, array)
        outputs.append(described)
    head["outputs"] = outputs
    text = dumps(head)
    if not buffers and not binary:
        return HttpReply(text)
    return HttpReply([text, *buffers], 200, BINARY, ((HEADER_LENGTH, b"%d" % len(text)),))


_NONE: frozenset[str] = frozenset()
_JSON_ROWS = OpenInferenceRows()
_BINARY_ROWS = OpenInferenceBinaryRows(lambda response: _encode_binary(response, frozenset(response.outputs)))
