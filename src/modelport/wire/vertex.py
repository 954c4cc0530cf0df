"""Vertex AI's prediction containers: `{"instances": [...], "parameters": {...}}` → `{"predictions": [...]}`.

Sources: Vertex AI's "Custom container requirements for prediction" and the reference of `endpoints.predict`; errors as
Google's "Errors" (AIP-193) writes them for JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from modelport.core.errors import InvalidInputError, Kind, ModelportError, UnsupportedError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.signature import Signature
from modelport.wire.http import Encode, HttpCall, HttpReply, error_headers
from modelport.wire.json_tensors import dumps, loads
from modelport.wire.media_types import check_utf8, content_type
from modelport.wire.plain import dumps_finite
from modelport.wire.quoting import error_text, quoted
from modelport.wire.records import tensors_from_document
from modelport.wire.row_values import chosen_outputs, row_values

#: Kind → status and the canonical code's name (`google.rpc.Code`).
ERRORS: dict[Kind, tuple[int, str]] = {
    Kind.INVALID_INPUT: (400, "INVALID_ARGUMENT"),
    Kind.NOT_FOUND: (404, "NOT_FOUND"),
    Kind.TOO_LARGE: (413, "INVALID_ARGUMENT"),
    Kind.UNSUPPORTED: (501, "UNIMPLEMENTED"),
    Kind.TIMEOUT: (408, "DEADLINE_EXCEEDED"),
    Kind.DEADLINE_EXCEEDED: (504, "DEADLINE_EXCEEDED"),
    Kind.CANCELLED: (499, "CANCELLED"),
    Kind.OVERLOADED: (429, "RESOURCE_EXHAUSTED"),
    Kind.UNAVAILABLE: (503, "UNAVAILABLE"),
    Kind.CONFLICT: (409, "ABORTED"),
    Kind.UNAUTHENTICATED: (401, "UNAUTHENTICATED"),
    Kind.FORBIDDEN: (403, "PERMISSION_DENIED"),
    Kind.INVALID_MODEL: (400, "FAILED_PRECONDITION"),
    Kind.MISSING_EXTRA: (501, "UNIMPLEMENTED"),
    Kind.OUT_OF_RESOURCES: (507, "RESOURCE_EXHAUSTED"),
    Kind.MODEL_FAILED: (500, "INTERNAL"),
    Kind.INTERNAL: (500, "INTERNAL"),
}
#: The default of `AIP_PREDICT_ROUTE`, and the path at which Google's client libraries ask.
_DEFAULT = r"/v1/endpoints/[^/]+/deployedModels/[^/:]+:predict"
_CLIENTS = r"/v1(?:beta1)?/projects/[^/]+/locations/[^/]+/endpoints/(?P<model>[^/:]+):predict"


class VertexAi:
    """The dialect of the prediction route."""

    name = "vertex"

    def __init__(self, predict_route: str = "", deployed_model: str = "") -> None:
        """`predict_route` is `AIP_PREDICT_ROUTE`; `deployed_model` is `AIP_DEPLOYED_MODEL_ID`, told in the answer."""
        own = (re.escape(predict_route),) if predict_route else ()
        self.patterns: tuple[str, ...] = (*own, _DEFAULT, _CLIENTS)
        self._more = {"deployedModelId": deployed_model} if deployed_model else {}

    def model_of(self, headers: Mapping[bytes, bytes]) -> str | None:
        """A container has one model."""
        return None

    def decode(self, call: HttpCall, signature: Signature) -> tuple[InferenceRequest, Encode]:
        """Read JSON. `parameters` may choose outputs by name: `{"outputs": ["label"]}`."""
        kind, parameters = content_type(call)
        check_utf8(parameters)
        if kind not in ("", "application/json", "text/json"):
            raise UnsupportedError(f"Content-Type {kind[:60]!r} is not understood here; send application/json")
        document = loads(bytes(call.body))
        if not isinstance(document, dict) or not isinstance(document.get("instances"), list):
            raise InvalidInputError(f"the body must be an object with the list 'instances', not {quoted(document)}")
        chosen = document.get("parameters")
        if chosen is not None and not isinstance(chosen, dict):
            raise InvalidInputError(f"'parameters' must be an object, not {quoted(chosen)}")
        inputs = tensors_from_document({"instances": document["instances"]}, signature)
        request = InferenceRequest(inputs, chosen_outputs(chosen or {}, signature), parameters=chosen)
        return request, partial(self._reply, signature)

    def refuse(self, error: ModelportError) -> HttpReply:
        """`{"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}}`."""
        status, name = ERRORS[error.kind]
        body = dumps({"error": {"code": status, "message": error_text(error), "status": name}})
        return HttpReply(body, status, headers=error_headers(error))

    def _reply(self, signature: Signature, response: InferenceResponse) -> HttpReply:
        values: Any = row_values(response, signature)
        document = {"predictions": values if isinstance(values, list) else [values], **self._more}
        return HttpReply(dumps_finite(document))
