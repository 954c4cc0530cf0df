"""MLflow's scoring server: `/invocations` with a data frame, with tensors or with CSV.

Sources: MLflow's "Deploy MLflow Model as a Local Inference Server", `mlflow.pyfunc.scoring_server` and
`mlflow.exceptions` (error codes and their statuses).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError, Kind, ModelportError, UnsupportedError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.signature import Signature
from modelport.wire.csv_tables import CSV, CsvTable
from modelport.wire.dataframes import tensors_from_frame_records, tensors_from_split
from modelport.wire.http import Encode, HttpCall, HttpReply, error_headers
from modelport.wire.json_tensors import dumps, loads
from modelport.wire.media_types import check_utf8, content_type
from modelport.wire.plain import dumps_finite
from modelport.wire.quoting import error_text, quoted
from modelport.wire.records import tensors_from_document
from modelport.wire.row_values import chosen_outputs, row_values
from modelport.wire.rows import tensor_from_rows

#: Kind → status and error code. A wrong Content-Type is a 415 in MLflow, the only thing that is unsupported there.
ERRORS: dict[Kind, tuple[int, str]] = {
    Kind.INVALID_INPUT: (400, "BAD_REQUEST"),
    Kind.NOT_FOUND: (404, "RESOURCE_DOES_NOT_EXIST"),
    Kind.TOO_LARGE: (413, "BAD_REQUEST"),
    Kind.UNSUPPORTED: (415, "BAD_REQUEST"),
    Kind.TIMEOUT: (408, "BAD_REQUEST"),
    Kind.DEADLINE_EXCEEDED: (504, "DEADLINE_EXCEEDED"),
    Kind.CANCELLED: (499, "CANCELLED"),
    Kind.OVERLOADED: (429, "REQUEST_LIMIT_EXCEEDED"),
    Kind.UNAVAILABLE: (503, "TEMPORARILY_UNAVAILABLE"),
    Kind.CONFLICT: (409, "RESOURCE_CONFLICT"),
    Kind.UNAUTHENTICATED: (401, "UNAUTHENTICATED"),
    Kind.FORBIDDEN: (403, "PERMISSION_DENIED"),
    Kind.INVALID_MODEL: (500, "INVALID_STATE"),
    Kind.MISSING_EXTRA: (501, "NOT_IMPLEMENTED"),
    Kind.OUT_OF_RESOURCES: (507, "RESOURCE_EXHAUSTED"),
    Kind.MODEL_FAILED: (500, "INTERNAL_ERROR"),
    Kind.INTERNAL: (500, "INTERNAL_ERROR"),
}
#: The keys of which a JSON request has exactly one.
FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")


class Mlflow:
    """The dialect of MLflow's `/invocations`; `Invocations` says which requests are its own."""

    name = "mlflow"
    patterns: tuple[str, ...] = (r"/serving-endpoints/(?P<model>[^/]+)/invocations",)

    def model_of(self, headers: Mapping[bytes, bytes]) -> str | None:
        """A scoring server has one model."""
        return None

    def decode(self, call: HttpCall, signature: Signature) -> tuple[InferenceRequest, Encode]:
        """Read JSON or CSV, which has a header row unless its type says `header=absent`."""
        kind, parameters = content_type(call)
        check_utf8(parameters)
        if kind == CSV:
            table = CsvTable(bytes(call.body))
            request = InferenceRequest(table.tensors(signature, parameters.get("header") != "absent"))
        elif kind in ("", "application/json"):
            request = mlflow_request(loads(bytes(call.body)), signature)
        else:
            raise UnsupportedError(f"Content-Type {kind[:60]!r} is not understood here; send application/json or {CSV}")
        return request, lambda response: mlflow_reply(response, signature)

    def refuse(self, error: ModelportError) -> HttpReply:
        """`{"error_code": "BAD_REQUEST", "message": text}`."""
        return refusal(error)


def mlflow_request(document: Any, signature: Signature) -> InferenceRequest:
    """The request in a JSON document: exactly one of FORMATS, and perhaps `params`. Raises InvalidInputError.

    `params` may choose outputs by name: `{"outputs": ["label"]}`. One that is named as an optional input is that input;
    what else it says is for the model's Python code.
    """
    if not isinstance(document, dict):
        raise InvalidInputError(
            f"the body must be a JSON object with one of {', '.join(FORMATS)}, not {quoted(document)}"
        )
    given = [name for name in FORMATS if name in document]
    if len(given) != 1:
        has = " and ".join(map(repr, given)) if given else ", ".join(map(quoted, list(document)[:10])) or "nothing"
        raise InvalidInputError(f"the body must have exactly one of {', '.join(FORMATS)}; it has {has}")
    params = document.get("params")
    if params is not None and not isinstance(params, dict):
        raise InvalidInputError(f"'params' must be an object, not {quoted(params)}")
    inputs = {**_parameters(params or {}, signature), **_inputs(given[0], document[given[0]], signature)}
    return InferenceRequest(inputs, chosen_outputs(params or {}, signature), parameters=params)


def mlflow_reply(response: InferenceResponse, signature: Signature) -> HttpReply:
    """`{"predictions": [...]}`."""
    return HttpReply(dumps_finite({"predictions": row_values(response, signature)}))


def refusal(error: ModelportError) -> HttpReply:
    """An error in MLflow's form."""
    status, code = ERRORS[error.kind]
    return HttpReply(dumps({"error_code": code, "message": error_text(error)}), status, headers=error_headers(error))


def _parameters(params: dict[str, Any], signature: Signature) -> dict[str, Array]:
    """Those of a request's parameters that the model takes as inputs: a value, or a list of values."""
    optional = {spec.name: spec for spec in signature.inputs if spec.optional}
    return {
        name: tensor_from_rows(optional[name], value if isinstance(value, list) else [value])
        for name, value in params.items()
        if name in optional
    }


def _inputs(form: str, value: Any, signature: Signature) -> dict[str, Array]:
    if form == "dataframe_split":
        return tensors_from_split(value, signature)
    if form == "dataframe_records":
        return tensors_from_frame_records(value, signature)
    if form == "instances" and isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return tensors_from_frame_records(value, signature)
    return tensors_from_document({"inputs": value}, signature)
