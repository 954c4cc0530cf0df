"""A ModelInferResponse as the buffers that are sent: outputs as raw contents, large ones without a copy.

The bytes are put together by hand. What describes an output is remembered, so that small answers cost little; the id
comes last, for the same reason (protobuf lets fields stand in any order).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from modelport.core.batch import BatchedResponse
from modelport.core.datatypes import Array, datatype_of
from modelport.core.errors import ModelportError
from modelport.core.messages import InferenceResponse
from modelport.wire.http import Buffer
from modelport.wire.open_inference_grpc_messages import message, put_parameters
from modelport.wire.open_inference_grpc_scan import varint
from modelport.wire.output_forms import OutputForms
from modelport.wire.quoting import error_text
from modelport.wire.remembered import Remembered
from modelport.wire.tensors import raw_from_array

Message = bytes | list[Buffer]
#: Turns the response to one request into its message; raises ModelportError where that can't be done.
Encode = Callable[[InferenceResponse], Message]

_RESPONSE = message("ModelInferResponse")
_STREAM_RESPONSE = message("ModelStreamInferResponse")
#: The tags of fields of length-delimited type.
_RAW, _ID, _INFER_RESPONSE = b"\x32", b"\x1a", b"\x12"
#: Answers up to this size become one buffer.
_SMALL = 32768
#: Prefixes that are remembered; one more empties the memory.
_REMEMBERED = 4096
_MEMO = "open_inference_grpc"

_prefixes: Remembered[bytes] = Remembered(_REMEMBERED)


def encode_plain(response: InferenceResponse) -> Message:
    """A response without parameters: every output raw."""
    if type(response) is BatchedResponse:
        rows = response.end - response.start
        memo = response.batch.memo.get(_MEMO)
        if memo is None:
            memo = response.batch.memo[_MEMO] = {}
        prepared = memo.get(rows)
        if prepared is None:
            prepared = memo[rows] = _prepare(response, rows)
        if prepared:
            return _encode_rows(response, prepared)
    head = [_prefixes.get((response.model, response.version), _names, response)]
    raw: list[Buffer] = []
    size = 0
    for name, array in response.outputs.items():
        head.append(_prefixes.get((name, array.dtype, array.shape), _described, name, array))
        small = array.nbytes <= _SMALL and array.dtype.kind not in "OSU"
        content = array.tobytes() if small else raw_from_array(array)
        raw += (_RAW + varint(len(content)), content)
        size += len(content)
    if response.id:
        raw.append(_id_field(response.id))
    if size <= _SMALL:
        return b"".join((*head, *raw))
    return [b"".join(head), *raw]


def _prepare(response: BatchedResponse, rows: int) -> list[tuple[bytes, bytes, int]]:
    """For each output of a batch: what stands before a request's rows, all rows, and the bytes of one.

    Empty where rows can't be cut out of the bytes: texts.
    """
    columns: list[tuple[bytes, bytes, int]] = []
    head = [_prefixes.get((response.model, response.version), _names, response)]
    for name, array in response.batch.outputs.items():
        if array.dtype.kind in "OSU" or not len(array):
            return []
        some = array[:rows]
        head.append(_prefixes.get((name, array.dtype, some.shape), _described, name, some))
        columns.append((_RAW + varint(some.nbytes), array.tobytes(), array.nbytes // len(array)))
    if columns:
        before, raw, size = columns[0]
        columns[0] = (b"".join(head) + before, raw, size)
    return columns


def _encode_rows(response: BatchedResponse, columns: list[tuple[bytes, bytes, int]]) -> bytes:
    start, end = response.start, response.end
    if len(columns) == 1 and not response.id:
        before, raw, size = columns[0]
        return before + raw[start * size : end * size]
    parts: list[bytes] = []
    for before, raw, size in columns:
        parts += (before, raw[start * size : end * size])
    if response.id:
        parts.append(_id_field(response.id))
    return b"".join(parts)


@dataclass(slots=True)
class ReplyOptions:
    """What the request asked for beyond the outputs' values.

    `empty_final`: in a stream, the caller wants a response without outputs behind the last one.
    """

    forms: OutputForms
    empty_final: bool = False

    def __bool__(self) -> bool:
        return bool(self.forms)

    def encode(self, response: InferenceResponse, final: bool | None = None) -> Message:
        """A response with parameters, best classes, and outputs in shared memory. Raises ModelportError.

        `final` is what a stream says of it: whether it is the last one to its request.
        """
        written = _RESPONSE(model_name=response.model, model_version=str(response.version), id=response.id)
        put_parameters(written.parameters, response.parameters or {})
        if final is not None:
            written.parameters["triton_final_response"].bool_param = final
        raw: list[Buffer] = []
        for name, given in response.outputs.items():
            array = self.forms.formed(name, given)
            content = raw_from_array(array)
            tensor = written.outputs.add(name=name, datatype=datatype_of(array), shape=array.shape)
            if name in self.forms.places:
                put_parameters(tensor.parameters, self.forms.placed(name, content))
                content = b""  # an entry that says nothing: clients count them
            raw += (_RAW + varint(len(content)), content)
        return [written.SerializeToString(), *raw]


def _names(response: InferenceResponse) -> bytes:
    made: bytes = _RESPONSE(model_name=response.model, model_version=str(response.version)).SerializeToString()
    return made


def _described(name: str, array: Array) -> bytes:
    described = {"name": name, "datatype": datatype_of(array), "shape": array.shape}
    made: bytes = _RESPONSE(outputs=[described]).SerializeToString()
    return made


def _id_field(request_id: str) -> bytes:
    encoded = request_id.encode()
    return _ID + varint(len(encoded)) + encoded


def stream_response(response: Message) -> Message:
    """A ModelStreamInferResponse around a ModelInferResponse."""
    parts: list[Buffer] = [response] if isinstance(response, bytes) else response
    return [_INFER_RESPONSE + varint(sum(map(len, parts))), *parts]


def stream_error(error: ModelportError, request_id: str) -> Message:
    """A ModelStreamInferResponse that says why a request has no answer, and which."""
    made: bytes = _STREAM_RESPONSE(
        error_message=error_text(error) or error.kind, infer_response={"id": request_id}
    ).SerializeToString()
    return made
