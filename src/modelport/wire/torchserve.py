"""TorchServe's inference API: `POST /predictions/{model}[/{version}]`, and `/explanations/…`, which is refused.

Sources: TorchServe's "Inference API", its `InferenceRequestHandler`, `HttpRequestHandler` (errors) and the request
envelopes `json` and `kserve`. What a handler answers is its author's choice; here it is the value of the one row that
was sent, or a list of values where rows were sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelport.core.datatypes import BYTES, Array
from modelport.core.errors import InvalidInputError, Kind, ModelportError, UnsupportedError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.signature import Signature
from modelport.wire.http import Encode, HttpCall, HttpReply, error_headers
from modelport.wire.json_tensors import dumps, loads
from modelport.wire.media import kind_by_content
from modelport.wire.media_types import content_type
from modelport.wire.multipart import only_file
from modelport.wire.plain import dumps_finite, inputs_from_body
from modelport.wire.quoting import error_text
from modelport.wire.records import tensors_from_document
from modelport.wire.row_values import row_values

#: Kind → status, and the class that TorchServe names for it. A model that raises is a 503 there too.
ERRORS: dict[Kind, tuple[int, str]] = {
    Kind.INVALID_INPUT: (400, "BadRequestException"),
    Kind.NOT_FOUND: (404, "ModelNotFoundException"),
    Kind.TOO_LARGE: (413, "BadRequestException"),
    Kind.UNSUPPORTED: (501, "NotImplementedException"),
    Kind.TIMEOUT: (408, "RequestTimeoutException"),
    Kind.DEADLINE_EXCEEDED: (504, "RequestTimeoutException"),
    Kind.CANCELLED: (499, "RequestTimeoutException"),
    Kind.OVERLOADED: (503, "ServiceUnavailableException"),
    Kind.UNAVAILABLE: (503, "ServiceUnavailableException"),
    Kind.CONFLICT: (409, "ConflictStatusException"),
    Kind.UNAUTHENTICATED: (401, "InvalidKeyException"),
    Kind.FORBIDDEN: (403, "InvalidKeyException"),
    Kind.INVALID_MODEL: (400, "InvalidModelException"),
    Kind.MISSING_EXTRA: (501, "NotImplementedException"),
    Kind.OUT_OF_RESOURCES: (507, "OutOfMemoryError"),
    Kind.MODEL_FAILED: (503, "InternalServerException"),
    Kind.INTERNAL: (500, "InternalServerException"),
}
#: Types that say nothing: curl's and requests' own, where none was chosen.
_UNSAID = ("", "application/octet-stream", "application/x-www-form-urlencoded", "text/plain")
#: TorchServe's versions are `1.0`, `2.0` …
_MODEL = r"(?P<model>[^/]+)(?:/(?P<version>[^/]+?)(?:\.0)?)?/?"


class TorchServe:
    """The dialect of `/predictions`."""

    name = "torchserve"
    patterns: tuple[str, ...] = (rf"/predictions/{_MODEL}",)

    def model_of(self, headers: Mapping[bytes, bytes]) -> str | None:
        """The path always names the model."""
        return None

    def decode(self, call: HttpCall, signature: Signature) -> tuple[InferenceRequest, Encode]:
        """Read JSON, a picture or a text, as the body or as the form's only field (`data`)."""
        kind, _ = content_type(call)
        body = bytes(call.body)
        if kind == "multipart/form-data":
            body, kind = only_file(body, call.headers[b"content-type"].decode("latin-1"))
        document = _document(body, kind, signature)
        if document is None:
            inputs = inputs_from_body(body, "text/plain" if kind in _UNSAID else kind, signature)
            return InferenceRequest(inputs), lambda response: _bare(response, signature)
        inputs = tensors_from_document(document, signature)
        if isinstance(document, dict) and "instances" in document:
            return InferenceRequest(inputs), lambda response: _enveloped(response, signature)
        if _is_batch(document, inputs):
            return InferenceRequest(inputs), lambda response: _reply(row_values(response, signature))
        return InferenceRequest(inputs), lambda response: _bare(response, signature)

    def refuse(self, error: ModelportError) -> HttpReply:
        """`{"code": 404, "type": "ModelNotFoundException", "message": text}`."""
        return refusal(error)


class TorchServeExplanations(TorchServe):
    """`/explanations`, until there are any."""

    name = "torchserve_explanations"
    patterns = (rf"/explanations/{_MODEL}",)

    def decode(self, call: HttpCall, signature: Signature) -> tuple[InferenceRequest, Encode]:
        """Always raises UnsupportedError."""
        raise UnsupportedError("explanations are not available in this version of Modelport; use /predictions")


def refusal(error: ModelportError) -> HttpReply:
    """An error in TorchServe's form."""
    status, name = ERRORS[error.kind]
    body = dumps({"code": status, "type": name, "message": error_text(error)})
    return HttpReply(body, status, headers=error_headers(error))


def _document(body: bytes, kind: str, signature: Signature) -> Any:
    """What the body says as JSON; None where it is a picture or a text."""
    if kind.endswith("json"):
        return loads(body)
    if kind not in _UNSAID or kind_by_content(body):
        return None
    if any(spec.datatype == BYTES for spec in signature.inputs):
        if body.lstrip()[:1] not in (b"[", b"{"):
            return None
        try:
            return loads(body)
        except InvalidInputError:
            return None
    return loads(body)


def _is_batch(document: Any, inputs: dict[str, Array]) -> bool:
    """Whether the JSON lists rows: records, or lists nested as deep as the tensor has dimensions."""
    if not isinstance(document, list) or not document:
        return False
    if isinstance(document[0], dict):
        return True
    depth = 0
    item: Any = document
    while isinstance(item, list) and item:
        depth, item = depth + 1, item[0]
    return any(array.ndim <= depth for array in inputs.values())


def _bare(response: InferenceResponse, signature: Signature) -> HttpReply:
    values = row_values(response, signature)
    return _reply(values[0] if isinstance(values, list) and len(values) == 1 else values)


def _enveloped(response: InferenceResponse, signature: Signature) -> HttpReply:
    return _reply({"predictions": row_values(response, signature)})


def _reply(value: Any) -> HttpReply:
    return HttpReply(dumps_finite(value))
