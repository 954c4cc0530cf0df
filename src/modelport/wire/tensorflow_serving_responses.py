"""Responses → PredictResponse bytes, without protobuf's messages: they are made for every request."""

from __future__ import annotations

from modelport.core.batch import BatchedResponse
from modelport.core.messages import InferenceResponse
from modelport.wire.http import Buffer
from modelport.wire.tensor_proto_encoding import map_entry, row_entries
from modelport.wire.tensorflow_serving_messages import message
from modelport.wire.tensorflow_serving_signatures import DEFAULT

_ROWS = "tensorflow_serving.rows"
#: Model specs that are remembered; one more empties the memory.
_REMEMBERED = 4096
_specs: dict[tuple[str, int, str], bytes] = {}


def encode_predict(response: InferenceResponse, signature_name: str) -> bytes | list[Buffer]:
    """A PredictResponse: one object of bytes where it is short, otherwise buffers that follow each other."""
    if isinstance(response, BatchedResponse) and response.end - response.start == 1:
        rows = response.batch.memo.get(_ROWS)
        if rows is None:
            rows = response.batch.memo[_ROWS] = _rows(response)
        body: bytes = rows[response.start]
        return body + _spec(response, signature_name)
    buffers: list[Buffer] = []
    short = True
    for name, array in response.outputs.items():
        entry = map_entry(1, name, array)
        short = short and type(entry[1]) is bytes
        buffers += entry
    buffers.append(_spec(response, signature_name))
    return b"".join(buffers) if short else buffers


def _rows(response: BatchedResponse) -> list[bytes]:
    """The outputs of each row of a batch, written all at once."""
    columns = [row_entries(1, name, array) for name, array in response.batch.outputs.items()]
    return columns[0] if len(columns) == 1 else [b"".join(row) for row in zip(*columns, strict=True)]


def _spec(response: InferenceResponse, signature_name: str) -> bytes:
    """The field `model_spec`."""
    key = (response.model, response.version, signature_name)
    found = _specs.get(key)
    if found is None:
        if len(_specs) >= _REMEMBERED:
            _specs.clear()
        made = message("PredictResponse")()
        made.model_spec.name = response.model
        made.model_spec.version.value = response.version
        made.model_spec.signature_name = signature_name or DEFAULT
        found = _specs[key] = made.SerializeToString()
    return found
