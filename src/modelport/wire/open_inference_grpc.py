"""Open Inference Protocol v2 over gRPC: ModelInfer's messages to requests and back.

Sources: Open Inference Protocol v2 "GRPC", Triton "grpc_service.proto" and its classification, shared-memory and
parameters extensions. The requests of a client that asks again and again go a quick way (`…_heads.py`), with the same
result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError, ModelportError
from modelport.core.messages import InferenceRequest
from modelport.core.references import parse_version
from modelport.core.signature import Signature
from modelport.wire.http import Buffer
from modelport.wire.open_inference_grpc_contents import array_from_contents
from modelport.wire.open_inference_grpc_heads import LONGEST_HEAD, LONGEST_MESSAGE, Heads, without_id
from modelport.wire.open_inference_grpc_messages import message, parameters_of, parsed
from modelport.wire.open_inference_grpc_reply import Encode, ReplyOptions, encode_plain
from modelport.wire.open_inference_grpc_scan import scan
from modelport.wire.open_inference_inputs import check_declared
from modelport.wire.output_forms import OutputForms
from modelport.wire.shared_memory import NoRegions, Regions, place_of
from modelport.wire.tensors import array_from_raw

_REQUEST = message("ModelInferRequest")
#: What a client may say about its stream; it is no parameter of the model.
_EMPTY_FINAL = "triton_enable_empty_final_response"


class Signed(Protocol):
    """A version, as far as a dialect is concerned."""

    @property
    def signature(self) -> Signature:
        """What it takes and gives."""


V = TypeVar("V", bound=Signed)
#: Gives the version for a name and a number (None: the default); raises ModelportError.
Find = Callable[[str, int | None], V]


class OpenInferenceGrpc:
    """The dialect of ModelInfer and ModelStreamInfer. Belongs to one thread: it remembers what clients send."""

    name = "open_inference_grpc"

    def __init__(self, regions: Regions | None = None) -> None:
        """`regions`: where tensors in shared memory are; None refuses them."""
        self._regions: Regions = regions or NoRegions()
        self._heads = Heads()

    def decode(self, data: Buffer, find: Find[V]) -> tuple[V, InferenceRequest, Encode]:
        """Read and validate a request. Raises nothing but ModelportError and what `find` raises, whatever the bytes."""
        if len(data) > LONGEST_MESSAGE:
            return self._decode_large(memoryview(data), find)
        if not isinstance(data, bytes):
            data = bytes(data)
        head = self._heads.find(len(data), data)
        if head is not None:
            served = find(head.model, head.version)
            if served.signature is head.signature:
                request = head.request(data, "")
                if request is not None:
                    return served, request, encode_plain
        else:
            quick = self._decode_with_id(data, find)
            if quick is not None:
                return quick
        return self._decode_whole(data, find)

    def decode_in_stream(self, data: bytes, find: Find[V]) -> tuple[V, InferenceRequest, ReplyOptions]:
        """As `decode`, with what the answers are encoded by."""
        proto, raw = _parts(data)
        return self._read(proto, raw, find)

    def _decode_with_id(self, data: bytes, find: Find[V]) -> tuple[V, InferenceRequest, Encode] | None:
        cut = without_id(data)
        head = None if cut is None else self._heads.find(len(cut[0]), cut[0])
        if cut is None or head is None:
            return None
        served = find(head.model, head.version)
        request = head.request(*cut) if served.signature is head.signature else None
        return None if request is None else (served, request, encode_plain)

    def _decode_large(self, data: memoryview, find: Find[V]) -> tuple[V, InferenceRequest, Encode]:
        beginning = bytes(data[:LONGEST_HEAD])
        head, rest, request_id = self._heads.find(len(data), beginning), data, ""
        if head is None:
            cut = without_id(beginning)
            if cut is not None:
                # Less the bytes of the id, what lies behind it has the places that it has without one.
                rest, request_id = data[len(beginning) - len(cut[0]) :], cut[1]
                head = self._heads.find(len(rest), cut[0])
        if head is not None:
            served = find(head.model, head.version)
            if served.signature is head.signature:
                request = head.request_in(rest, request_id)
                if request is not None:
                    return served, request, encode_plain
        return self._decode_whole(data, find)

    def _decode_whole(self, data: Buffer, find: Find[V]) -> tuple[V, InferenceRequest, Encode]:
        proto, raw = _parts(data)
        served, request, options = self._read(proto, raw, find)
        encode: Encode = options.encode if options else encode_plain
        if encode is encode_plain and request.parameters is None:
            self._learn(data, proto, served, request)
        return served, request, encode

    def _learn(self, data: Buffer, proto: Any, served: Signed, request: InferenceRequest) -> None:
        if not isinstance(data, bytes):  # a large one
            size = len(data) - len(request.id)
            if any(array.dtype.kind == "O" for array in request.inputs.values()) or not self._heads.came_before(size):
                return
        cut = without_id(bytes(data)) if request.id else None
        plain = data if cut is None else cut[0]
        if (request.id and cut is None) or any(tensor.parameters for tensor in proto.inputs):
            return
        self._heads.learn(plain, request, proto.model_name, _version(proto.model_version), served.signature)

    def _read(self, proto: Any, raw: Sequence[Buffer], find: Find[V]) -> tuple[V, InferenceRequest, ReplyOptions]:
        served = find(proto.model_name, _version(proto.model_version))
        signature = served.signature
        parameters = parameters_of(proto.parameters)
        empty_final = False if parameters is None else parameters.pop(_EMPTY_FINAL, False)
        if not isinstance(empty_final, bool):
            raise InvalidInputError(f"the parameter {_EMPTY_FINAL} must be true or false")
        inputs = self._inputs(proto.inputs, raw, signature)
        options = ReplyOptions(OutputForms(self._regions), empty_final)
        names = _asked(proto.outputs, signature, options.forms)
        request = InferenceRequest(inputs, names, proto.id, parameters or None)
        return served, request, options

    def _inputs(self, tensors: Any, raw: Sequence[Buffer], signature: Signature) -> dict[str, Array]:
        """The arrays by name. Raw contents belong to the inputs that are not in shared memory, in their order."""
        inputs: dict[str, Array] = {}
        used = 0
        for tensor in tensors:
            name, datatype, shape = tensor.name, tensor.datatype, list(tensor.shape)
            if name in inputs:
                raise InvalidInputError(f"input {name!r} is given twice")
            check_declared(name, datatype, shape, signature)
            place = place_of(parameters_of(tensor.parameters), f"input {name!r}") if tensor.parameters else None
            if (place is not None or raw) and tensor.contents.ListFields():
                other = "a shared-memory region" if place is not None else "raw_input_contents"
                raise InvalidInputError(f"input {name!r} has both contents and {other}")
            if place is not None:
                inputs[name] = array_from_raw(name, datatype, shape, self._regions.read(place))
            elif raw:
                if used == len(raw):
                    raise InvalidInputError(f"input {name!r} has none of the {used} raw_input_contents: one is missing")
                inputs[name] = array_from_raw(name, datatype, shape, memoryview(raw[used]))
                used += 1
            else:
                inputs[name] = array_from_contents(name, datatype, shape, tensor.contents)
        if used < len(raw):
            raise InvalidInputError(f"{len(raw) - used} raw_input_contents are left over behind the last input")
        signature.check_complete(inputs)
        return inputs


def model_of(data: Buffer) -> str:
    """The model that a request names, for what is counted about refused ones; empty where it can't be read."""
    try:
        return str(_parts(data)[0].model_name)
    except ModelportError:
        return ""


def id_of(data: bytes) -> str:
    """A request's id; empty where it can't be read."""
    try:
        return str(_parts(data)[0].id)
    except ModelportError:
        return ""


def _parts(data: Buffer) -> tuple[Any, Sequence[Buffer]]:
    """The parsed message, and its raw contents: views where the message is large."""
    spans = scan(data) if len(data) > LONGEST_MESSAGE else None
    if spans is None or not spans.raw:
        proto = parsed(_REQUEST, bytes(data))
        return proto, proto.raw_input_contents
    view = memoryview(data)
    proto = parsed(_REQUEST, b"".join(view[start:end] for start, end in spans.rest))
    return proto, [view[start:end] for start, end in spans.raw]


def _version(text: str) -> int | None:
    return parse_version(text) if text else None


def _asked(outputs: Any, signature: Signature, forms: OutputForms) -> tuple[str, ...] | None:
    """The names of the outputs that are asked for, and into `forms` how; None for all of them."""
    if not outputs:
        return None
    names = tuple(output.name for output in outputs)
    signature.check_outputs(names)
    for output in outputs:
        if output.parameters:
            forms.add(signature.output(output.name), parameters_of(output.parameters))
    return names


__all__ = ["Encode", "Find", "OpenInferenceGrpc", "id_of", "model_of"]
