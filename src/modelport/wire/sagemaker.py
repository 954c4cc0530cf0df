"""SageMaker's inference containers: CSV, JSON, JSON lines and .npy in; what `Accept` asks for out.

Sources: Amazon SageMaker's "Use Your Own Inference Code with Hosting Services", "Common Data Formats for Inference" and
"Custom Containers Contract for Multi-Model Endpoints"; the SageMaker Inference Toolkit's encoders and decoders; the
SageMaker Python SDK's serializers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError, Kind, ModelportError, UnsupportedError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.signature import Signature
from modelport.wire.arrays import tensor_from_array
from modelport.wire.csv_tables import CSV, CsvTable, csv_from_rows
from modelport.wire.http import Encode, Headers, HttpCall, HttpReply, error_headers
from modelport.wire.json_tensors import dumps, loads
from modelport.wire.media_types import accepted, check_utf8, content_type
from modelport.wire.npy import NPY, array_from_npy, npy_from_array
from modelport.wire.plain import dumps_finite, inputs_from_body
from modelport.wire.quoting import error_text, quoted
from modelport.wire.records import fields, only_input, tensors_from_document
from modelport.wire.row_values import chosen_outputs, flat_rows, only_array, row_values

#: Kind → status, and the name of the class that the toolkit's model server has for it.
ERRORS: dict[Kind, tuple[int, str]] = {
    Kind.INVALID_INPUT: (400, "BadRequestException"),
    Kind.NOT_FOUND: (404, "ModelNotFoundException"),
    Kind.TOO_LARGE: (413, "BadRequestException"),
    Kind.UNSUPPORTED: (415, "UnsupportedFormatError"),
    Kind.TIMEOUT: (408, "RequestTimeoutException"),
    Kind.DEADLINE_EXCEEDED: (504, "RequestTimeoutException"),
    Kind.CANCELLED: (499, "RequestTimeoutException"),
    Kind.OVERLOADED: (429, "ServiceUnavailableException"),
    Kind.UNAVAILABLE: (503, "ServiceUnavailableException"),
    Kind.CONFLICT: (409, "ConflictStatusException"),
    Kind.UNAUTHENTICATED: (401, "UnauthorizedException"),
    Kind.FORBIDDEN: (403, "AccessDeniedException"),
    Kind.INVALID_MODEL: (400, "InvalidModelException"),
    Kind.MISSING_EXTRA: (501, "NotImplementedException"),
    Kind.OUT_OF_RESOURCES: (507, "OutOfMemoryError"),
    Kind.MODEL_FAILED: (500, "InternalServerException"),
    Kind.INTERNAL: (500, "InternalServerException"),
}
JSON, JSON_LINES = "application/json", "application/jsonlines"
#: Other names of JSON lines.
LINES = (JSON_LINES, "application/x-jsonlines", "application/jsonl", "application/x-ndjson")
_OFFERS = (JSON, CSV, NPY, *LINES)
TARGET_MODEL = b"x-amzn-sagemaker-target-model"
CUSTOM_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
PREFIX = b"x-amzn-sagemaker-"
#: Longer ones are not allowed by SageMaker.
_LONGEST_ATTRIBUTES = 1024
_ARCHIVE = re.compile(r"\.(tar\.gz|tgz|tar|zip)$")


class SageMaker:
    """The dialect of `/models/{model}/invoke` and of `/invocations`; `Invocations` says which of the latter."""

    name = "sagemaker"
    patterns: tuple[str, ...] = (r"/models/(?P<model>[^/]+)/invoke",)

    def __init__(self, default_accept: str = JSON) -> None:
        """`default_accept` is the answer's type where a request accepts anything."""
        if default_accept not in _OFFERS:
            raise InvalidInputError(
                f"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT={default_accept!r} is not one of {', '.join(_OFFERS)}"
            )
        self._default_accept = default_accept

    def model_of(self, headers: Mapping[bytes, bytes]) -> str | None:
        """The model of `X-Amzn-SageMaker-Target-Model`, without its folder and archive suffix: `a/b.tar.gz` is `b`."""
        target = headers.get(TARGET_MODEL)
        if not target:
            return None
        return _ARCHIVE.sub("", target.decode("latin-1").rpartition("/")[2])

    def decode(self, call: HttpCall, signature: Signature) -> tuple[InferenceRequest, Encode]:
        """Read a body by its Content-Type, and settle the answer's type before anything is computed."""
        accept = call.headers.get(b"accept", b"")
        answer = accepted(accept, _OFFERS, self._default_accept) if accept else self._default_accept
        attributes = call.headers.get(CUSTOM_ATTRIBUTES, b"")
        if len(attributes) > _LONGEST_ATTRIBUTES:
            raise InvalidInputError(
                f"X-Amzn-SageMaker-Custom-Attributes is longer than {_LONGEST_ATTRIBUTES} characters"
            )
        headers: Headers = ((CUSTOM_ATTRIBUTES, attributes),) if attributes else ()
        inputs, wrapped = _inputs(call, signature)
        request = InferenceRequest(inputs, chosen_outputs(_parameters(attributes), signature))
        return request, partial(_reply, signature, answer, wrapped, headers)

    def refuse(self, error: ModelportError) -> HttpReply:
        """`{"code": 400, "type": "BadRequestException", "message": text}`, as the toolkit's model server writes it."""
        return refusal(error)


def refusal(error: ModelportError) -> HttpReply:
    """An error in the form of the SageMaker toolkit's model server."""
    status, name = ERRORS[error.kind]
    body = dumps({"code": status, "type": name, "message": error_text(error)})
    return HttpReply(body, status, headers=error_headers(error))


def _inputs(call: HttpCall, signature: Signature) -> tuple[dict[str, Array], bool]:
    """The arrays, and whether the request wraps them as `{"instances": …}`, so that the answer is wrapped too."""
    kind, parameters = content_type(call)
    check_utf8(parameters)
    if kind == NPY:
        spec = only_input(signature)
        inputs = {spec.name: tensor_from_array(spec, array_from_npy(call.body))}
        signature.check_inputs(inputs)
        return inputs, False
    body = bytes(call.body)
    if kind == CSV:
        table = CsvTable(body)
        said = parameters.get("header")
        header = said == "present" if said else table.has_header(signature, numbers_are_names=False)
        return table.tensors(signature, header), False
    if kind in LINES:
        rows = [loads(line) for line in body.split(b"\n") if line.strip()]
        if not rows:
            raise InvalidInputError("the body has no lines; send one JSON value for each row")
        return tensors_from_document([_features(row, signature) for row in rows], signature), False
    if kind in ("", JSON, "application/octet-stream"):
        return _from_json(body, signature)
    return inputs_from_body(body, call.headers[b"content-type"].decode("latin-1"), signature), False


def _from_json(body: bytes, signature: Signature) -> tuple[dict[str, Array], bool]:
    if body[:1] not in b'[{ \t\r\n"-0123456789tfnNI':  # a picture or a text whose type was not named
        return inputs_from_body(body, "text/plain", signature), False
    document = loads(body)
    wrapped = isinstance(document, dict) and "instances" in document and "instances" not in fields(signature)
    if not wrapped:
        return tensors_from_document(_features(document, signature), signature), False
    rows = document["instances"]
    if isinstance(rows, list):
        rows = [_features(row, signature) for row in rows]
    return tensors_from_document({"instances": rows}, signature), True


def _features(row: Any, signature: Signature) -> Any:
    """The row in one of the built-in algorithms' wrappers, `{"features": [...]}` or `{"data": {"features": …}}`."""
    if not isinstance(row, dict) or not fields(signature).keys().isdisjoint(row):
        return row
    inner = row.get("data") if row.keys() == {"data"} and isinstance(row["data"], dict) else row
    if not isinstance(inner, dict) or "features" not in inner:
        return row
    features = inner["features"]
    if isinstance(features, dict) and features.keys() == {"values"}:
        return features["values"]
    if isinstance(features, dict) and "keys" in features:
        raise UnsupportedError(f"sparse features are not understood: {quoted(features)}; send all values as a list")
    return features


def _parameters(attributes: bytes) -> dict[str, Any]:
    """`outputs=a` or `outputs=a|b` among the attributes, which are `key=value` separated by commas."""
    for part in attributes.decode("latin-1").split(","):
        key, equals, value = part.partition("=")
        if equals and key.strip() == "outputs":
            return {"outputs": [name.strip() for name in value.split("|")]}
    return {}


def _reply(
    signature: Signature, answer: str, wrapped: bool, headers: Headers, response: InferenceResponse
) -> HttpReply:
    if answer == NPY:
        body = npy_from_array(only_array(response))
    elif answer == CSV:
        body = csv_from_rows(flat_rows(response, signature))
    else:
        values = row_values(response, signature)
        if answer in LINES:
            body = b"".join(orjson.dumps(value) + b"\n" for value in (values if isinstance(values, list) else [values]))
        else:
            body = dumps_finite({"predictions": values} if wrapped else values)
    kind = f"{CSV}; charset=utf-8" if answer == CSV else answer
    return HttpReply(body, content_type=kind.encode(), headers=headers)
