"""Inference over gRPC: a ModelInferRequest out of arrays, and the arrays out of a ModelInferResponse.

Tensors go as raw contents. Everything before them is remembered, so that a call costs one copy of its tensors each
way: gRPC takes a request in one piece, and the arrays are the caller's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from modelport.client.result import InferenceResult
from modelport.core.datatypes import BYTES, DTYPES, Array, datatype_of
from modelport.core.errors import InternalError, InvalidInputError
from modelport.wire.http import Buffer
from modelport.wire.open_inference_grpc_contents import array_from_contents
from modelport.wire.open_inference_grpc_messages import message, parameters_of, parsed, put_parameters
from modelport.wire.open_inference_grpc_scan import RAW_INPUT_CONTENTS, RAW_OUTPUT_CONTENTS, Span, scan, varint
from modelport.wire.tensors import array_from_raw, raw_from_array

_REQUEST = message("ModelInferRequest")
_RESPONSE = message("ModelInferResponse")
_RAW = varint(RAW_INPUT_CONTENTS)
#: Longer descriptions are not worth remembering.
_LONGEST = 4096

#: Name, datatype and shape of each tensor.
Described = tuple[tuple[str, str, tuple[int, ...]], ...]


def infer_message(
    name: str,
    version: str,
    arrays: Mapping[str, Array],
    outputs: Sequence[str] | None,
    request_id: str,
    parameters: Mapping[str, Any] | None,
) -> bytes:
    """A serialised ModelInferRequest."""
    described = tuple((key, datatype_of(array), array.shape) for key, array in arrays.items())
    wanted = tuple(outputs) if outputs else ()
    if request_id or parameters:
        head = _head(name, version, described, wanted, request_id, parameters)
    else:
        head = _remembered_head(name, version, described, wanted)
    parts: list[Buffer] = [head]
    for array in arrays.values():
        raw = raw_from_array(array)
        parts += (_RAW + varint(len(raw)), raw)
    return b"".join(parts)


def infer_reply(data: bytes) -> InferenceResult:
    """The outputs in a serialised ModelInferResponse, raw or typed. Raises InternalError where it is none."""
    try:
        known = _seen.get(len(data))
        if known is not None and known.fits(data):
            return known.result(data)
        spans = scan(data, RAW_OUTPUT_CONTENTS)
        if spans is None or not spans.raw:
            return _whole_reply(data)
        rest = [data[start:end] for start, end in spans.rest]
        reply = parsed(_RESPONSE, b"".join(rest))
        described = tuple((_known(item), item.datatype, list(item.shape)) for item in reply.outputs)
        if len(described) != len(spans.raw):
            return _whole_reply(data)
        about = reply.model_name, reply.model_version, reply.id, parameters_of(reply.parameters) or {}
        layout = _Layout(*about, described, tuple(spans.raw), tuple(zip(spans.rest, rest, strict=True)))
        result = layout.result(data)
        if not reply.id and sum(map(len, rest)) <= _LONGEST:
            _remember(len(data), layout)
        return result
    except (InvalidInputError, ValueError, KeyError, TypeError) as error:
        raise InternalError(f"the server's answer is not of the Open Inference Protocol: {error}") from None


def _head(
    name: str,
    version: str,
    described: Described,
    outputs: tuple[str, ...],
    request_id: str = "",
    parameters: Mapping[str, Any] | None = None,
) -> bytes:
    request = _REQUEST(model_name=name, model_version=version, id=request_id)
    put_parameters(request.parameters, parameters or {})
    for key, datatype, shape in described:
        request.inputs.add(name=key, datatype=datatype, shape=shape)
    for output in outputs:
        request.outputs.add(name=output)
    made: bytes = request.SerializeToString()
    return made


_remembered_head = lru_cache(maxsize=512)(_head)


@dataclass(frozen=True, slots=True)
class _Layout:
    """What a reply said and where. One of the same length, with the same bytes around its tensors, says it too."""

    model: str
    version: str
    id: str
    parameters: Mapping[str, Any]
    described: tuple[tuple[str, str, list[int]], ...]
    raw: tuple[Span, ...]
    rest: tuple[tuple[Span, bytes], ...]

    def fits(self, data: bytes) -> bool:
        """Whether that is such a reply."""
        return all(data[start:end] == wanted for (start, end), wanted in self.rest)

    def result(self, data: bytes) -> InferenceResult:
        """The outputs in that reply. Raises InvalidInputError where a tensor's bytes are not what its shape needs."""
        view = memoryview(data)
        outputs = {
            name: _own(array_from_raw(name, datatype, shape, view[start:stop]))
            for (name, datatype, shape), (start, stop) in zip(self.described, self.raw, strict=True)
        }
        return InferenceResult(self.model, self.version, outputs, self.id, dict(self.parameters))


#: By the reply's length; one more than there may be empties it.
_seen: dict[int, _Layout] = {}
_MOST_SEEN = 512


def _remember(length: int, layout: _Layout) -> None:
    if len(_seen) >= _MOST_SEEN:
        _seen.clear()
    _seen[length] = layout


def _whole_reply(data: bytes) -> InferenceResult:
    """A response with typed contents, as MLServer sends them, or one that is written in an unusual way."""
    reply = parsed(_RESPONSE, data)
    raws = list(reply.raw_output_contents)
    if raws and len(raws) != len(reply.outputs):
        raise ValueError(f"{len(reply.outputs)} outputs have {len(raws)} raw_output_contents")
    outputs: dict[str, Array] = {}
    for index, item in enumerate(reply.outputs):
        name, shape = _known(item), list(item.shape)
        array = (
            array_from_raw(name, item.datatype, shape, memoryview(raws[index]))
            if raws
            else array_from_contents(name, item.datatype, shape, item.contents)
        )
        outputs[name] = _own(array)
    return InferenceResult(
        reply.model_name, reply.model_version, outputs, reply.id, parameters_of(reply.parameters) or {}
    )


def _known(item: Any) -> str:
    name = str(item.name)
    if item.datatype not in DTYPES:
        raise ValueError(f"output {name!r} is of the unknown datatype {item.datatype!r}")
    if any(size < 0 for size in item.shape):
        raise ValueError(f"output {name!r} has the shape {list(item.shape)}")
    return name


def _own(array: Array) -> Array:
    """The array where it can be written to, or else a copy: a message's bytes can't."""
    return array if array.flags.writeable or array.dtype == DTYPES[BYTES] else array.copy()
