"""Azure Machine Learning's inference server: `POST /score`.

Sources: `azureml-inference-server-http` (`server/routes.py`, `api/aml_response.py`), and Azure Machine Learning's
"Deploy MLflow models to online endpoints" (`input_data`) and "Deploy an AutoML model to an online endpoint" (`Inputs`
and `GlobalParameters`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import uuid4

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError, Kind, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.signature import Signature
from modelport.wire import http
from modelport.wire.dataframes import tensors_from_frame_records, tensors_from_split
from modelport.wire.http import Encode, Headers, HttpCall, HttpReply, error_headers
from modelport.wire.json_tensors import dumps, loads
from modelport.wire.media import kind_by_content
from modelport.wire.media_types import check_utf8, content_type
from modelport.wire.plain import dumps_finite, inputs_from_body
from modelport.wire.quoting import error_text, quoted
from modelport.wire.records import fields, tensors_from_document
from modelport.wire.row_values import chosen_outputs, row_values

#: Kind → status.
ERRORS: dict[Kind, int] = {**http.STATUS, Kind.UNSUPPORTED: 415, Kind.DEADLINE_EXCEEDED: 500}
_FAILED = b"x-ms-run-function-failed"
_REQUEST, _CLIENT_REQUEST, _LEGACY = b"x-request-id", b"x-ms-client-request-id", b"x-ms-request-id"
_LONGEST_ID = 100
_GLOBAL = "GlobalParameters"
#: Of the answer: the rows as they are, or under `Results` (perhaps by the name of an output).
_Wrap = tuple[str, ...]


class AzureMl:
    """The dialect of `/score`, and of `/api/v1/service/{model}/score`, where services on Kubernetes have it."""

    name = "azureml"
    patterns = (r"/score", r"/api/v1/service/(?P<model>[^/]+)/score")

    def __init__(self, origins: tuple[str, ...] = ()) -> None:
        """`origins` are those whose pages may ask (`AML_CORS_ORIGINS`); `*` is any."""
        self._origins = origins

    def model_of(self, headers: Mapping[bytes, bytes]) -> str | None:
        """A service has one model."""
        return None

    def decode(self, call: HttpCall, signature: Signature) -> tuple[InferenceRequest, Encode]:
        """Read `input_data`, `Inputs` or any other JSON that says the data; or a picture or text."""
        headers = (*identifiers(call.headers), *cross_origin(call.headers.get(b"origin", b""), self._origins))
        kind, parameters = content_type(call)
        check_utf8(parameters)
        body = bytes(call.body)
        wrap: _Wrap = ()
        if kind in ("", "application/json", "application/x-www-form-urlencoded") and not kind_by_content(body):
            request, wrap = _from_json(loads(body), signature)
        else:
            named = call.headers.get(b"content-type", b"").decode("latin-1")
            request = InferenceRequest(inputs_from_body(body, named, signature))
        return request, partial(_reply, signature, request, wrap, headers)

    def refuse(self, error: ModelportError) -> HttpReply:
        """`{"message": text}`; the header `x-ms-run-function-failed` says whether it was the model that failed."""
        return refusal(error)


def refusal(error: ModelportError) -> HttpReply:
    """An error in Azure's form."""
    failed = b"True" if error.kind is Kind.MODEL_FAILED else b"False"
    headers = ((_FAILED, failed), *error_headers(error))
    return HttpReply(dumps({"message": error_text(error)}), ERRORS[error.kind], headers=headers)


def identifiers(headers: Mapping[bytes, bytes]) -> Headers:
    """The request's identifiers as they are echoed; an `x-request-id` is made where there is none.

    Raises InvalidInputError for one of more than 100 characters.
    """
    for name in (_REQUEST, _CLIENT_REQUEST, _LEGACY):
        if len(headers.get(name, b"")) > _LONGEST_ID:
            raise InvalidInputError(f"{name.decode()} must not exceed {_LONGEST_ID} characters")
    own = headers.get(_REQUEST) or str(uuid4()).encode()
    client, legacy = headers.get(_CLIENT_REQUEST, b""), headers.get(_LEGACY, b"")
    echoed = [(_REQUEST, own), (_LEGACY, legacy or client or own)]
    if client or legacy:
        echoed.append((_CLIENT_REQUEST, client or legacy))
    return tuple(echoed)


def cross_origin(origin: bytes, origins: tuple[str, ...]) -> Headers:
    """What lets a page of `origin` read the answer, where it is one of `origins`."""
    if not origin or not origins:
        return ()
    if "*" in origins:
        return ((b"access-control-allow-origin", b"*"),)
    if origin.decode("latin-1") not in origins:
        return ()
    return ((b"access-control-allow-origin", origin), (b"vary", b"origin"))


def _from_json(document: Any, signature: Signature) -> tuple[InferenceRequest, _Wrap]:
    """The request, and how its answer is wrapped. A model's own names come before those of the forms."""
    if not isinstance(document, dict) or not fields(signature).keys().isdisjoint(document):
        return InferenceRequest(tensors_from_document(document, signature)), ()
    if "input_data" in document:
        params = _object("params", document.get("params"))
        inputs = _input_data(document["input_data"], signature)
        return InferenceRequest(inputs, chosen_outputs(params, signature), parameters=params or None), ()
    given = next((name for name in ("Inputs", "inputs") if name in document), None)
    if given is None or (given == "inputs" and _GLOBAL not in document):
        return InferenceRequest(tensors_from_document(document, signature)), ()
    settings = document.get(_GLOBAL, document.get("global_parameters"))
    chosen = chosen_outputs(settings if isinstance(settings, dict) else {}, signature)
    inputs, wrap = _service_inputs(document[given], signature)
    return InferenceRequest(inputs, chosen), wrap


def _input_data(value: Any, signature: Signature) -> dict[str, Array]:
    """A data frame of pandas' `orient="split"` or records; tensors by name; or one tensor."""
    if isinstance(value, dict) and "data" in value and value.keys() <= {"columns", "index", "data"}:
        return tensors_from_split(value, signature)
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return tensors_from_frame_records(value, signature)
    return tensors_from_document({"inputs": value}, signature)


def _service_inputs(value: Any, signature: Signature) -> tuple[dict[str, Array], _Wrap]:
    """`{"data": rows}`, or rows by the name of a port as the designer has it: `WebServiceInput0`, `input1`."""
    if not isinstance(value, dict) or not fields(signature).keys().isdisjoint(value):
        return tensors_from_document({"inputs": value}, signature), ("Results",)
    if len(value) != 1:
        raise InvalidInputError(f"'Inputs' must name one input of the service, such as 'data', not {quoted(value)}")
    name, rows = next(iter(value.items()))
    inputs = _input_data(rows, signature)
    if name == "data":
        return inputs, ("Results",)
    return inputs, ("Results", name.replace("Input", "Output").replace("input", "output"))


def _object(name: str, value: Any) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise InvalidInputError(f"{name!r} must be an object, not {quoted(value)}")
    return value or {}


def _reply(
    signature: Signature, request: InferenceRequest, wrap: _Wrap, headers: Headers, response: InferenceResponse
) -> HttpReply:
    document: Any = row_values(response, signature)
    for name in reversed(wrap):
        document = {name: document}
    spent = max(request.finished - request.started, 0) / 1e6
    own = ((_FAILED, b"False"), (b"x-ms-run-fn-exec-ms", f"{spent:.3f}".encode()))
    return HttpReply(dumps_finite(document), headers=(*own, *headers))
