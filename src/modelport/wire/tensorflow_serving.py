"""TensorFlow Serving over REST: `:predict` in row and column format, `:classify` and `:regress`.

KServe's v1 protocol has the same `:predict`. Source: TensorFlow Serving "RESTful API".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from modelport.core.errors import InvalidInputError, Kind, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.references import UnknownAliasError
from modelport.core.signature import Signature
from modelport.wire import http
from modelport.wire.http import Buffer, Encode, HttpCall, HttpDialect, HttpReply, error_headers
from modelport.wire.json_tensors import dumps, loads
from modelport.wire.quoting import error_text, quoted
from modelport.wire.records import tensors_from_document
from modelport.wire.tensorflow_serving_examples import classifications, inputs_from_examples, regressions
from modelport.wire.tensorflow_serving_json import columns_document, dumps_values, example_from, rows_document
from modelport.wire.tensorflow_serving_messages import unknown_label
from modelport.wire.tensorflow_serving_quick import quick_reader
from modelport.wire.tensorflow_serving_signatures import (
    Task,
    check_signature_name,
    classes_of,
    regression_of,
)

#: A model's path, with a version or a label.
MODEL = r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>[^/:]+)|/labels/(?P<label>[^/:]+))?"
_READER = "tensorflow_serving.reader"

#: Kind → status code, as TensorFlow Serving gives them for its own codes.
STATUS: dict[Kind, int] = {**http.STATUS, Kind.OUT_OF_RESOURCES: 429}


class TensorFlowServing:
    """What the three methods share."""

    name = "tensorflow_serving"

    def model_of(self, headers: Mapping[bytes, bytes]) -> str | None:
        """The path always names the model."""
        return None

    def refuse(self, error: ModelportError) -> HttpReply:
        """`{"error": text}` with the kind's status."""
        text = error_text(unknown_label(error.alias) if isinstance(error, UnknownAliasError) else error)
        if error.kind is Kind.NOT_FOUND:
            text = f"Servable not found for request: {text}"
        return HttpReply(dumps({"error": text}), STATUS[error.kind], headers=error_headers(error))


class TensorFlowServingPredict(TensorFlowServing):
    """The dialect of `POST /v1/models/{model}[/versions/{version}|/labels/{label}]:predict`."""

    patterns = (rf"{MODEL}:predict",)

    def signature_of(self, body: Buffer) -> str:
        """The name of the signature that a request is for, or nothing; a body that can't be read is refused later."""
        if b"signature_name" not in (body if isinstance(body, bytes) else bytes(body)):
            return ""
        try:
            return _named(body).signature_name
        except (msgspec.DecodeError, RecursionError):
            return ""

    def decode(self, call: HttpCall, signature: Signature) -> tuple[InferenceRequest, Encode]:
        """Read `instances` (rows, answered as `predictions`) or `inputs` (columns, answered as `outputs`)."""
        reader = signature.memo.get(_READER)
        if reader is None:
            reader = signature.memo[_READER] = quick_reader(signature)
        quick = reader(call.body)
        if quick is not None:
            inputs, rows = quick
        else:
            inputs, rows = _careful(call, signature)
        return InferenceRequest(inputs), _encode_rows if rows else _encode_columns


class TensorFlowServingClassify(TensorFlowServing):
    """The dialect of `:classify`."""

    patterns: tuple[str, ...] = (rf"{MODEL}:classify",)
    _task: Task = "classify"

    def decode(self, call: HttpCall, signature: Signature) -> tuple[InferenceRequest, Encode]:
        """Read `examples` and the features of `context`, which all of them have."""
        document = _document(call, self._task, signature)
        outputs = classes_of(signature).outputs if self._task == "classify" else (regression_of(signature),)
        context = example_from(document["context"]) if "context" in document else {}
        given = document.get("examples")
        if not isinstance(given, list) or not given:
            raise InvalidInputError(f"When method is {self._task}, key 'examples' is expected: a list of JSON objects")
        examples = [{**context, **example_from(item)} for item in given]
        encode = partial(_encode_results, signature=signature, task=self._task)
        return InferenceRequest(inputs_from_examples(examples, signature), outputs), encode


class TensorFlowServingRegress(TensorFlowServingClassify):
    """The dialect of `:regress`."""

    patterns = (rf"{MODEL}:regress",)
    _task: Task = "regress"


#: One dialect for each method.
TENSORFLOW_SERVING: tuple[HttpDialect, ...] = (
    TensorFlowServingPredict(),
    TensorFlowServingClassify(),
    TensorFlowServingRegress(),
)


class _Named(msgspec.Struct):
    """The part of a body that says which signature it is for."""

    signature_name: str = ""


_named = msgspec.json.Decoder(_Named).decode


def _document(call: HttpCall, task: Task, signature: Signature) -> dict[str, Any]:
    if not call.body:
        raise InvalidInputError("JSON Parse error: The document is empty")
    document = loads(bytes(call.body))
    if not isinstance(document, dict):
        raise InvalidInputError(f"JSON Value: {quoted(document)} Is not object")
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidInputError(f"'signature_name' key must be a string value, not {quoted(name)}")
    check_signature_name(name, task, signature)
    return document


def _careful(call: HttpCall, signature: Signature) -> tuple[dict[str, Any], bool]:
    """The arrays of any request, and whether they came as rows."""
    document = _document(call, "predict", signature)
    rows = "instances" in document
    if rows and "inputs" in document:
        raise InvalidInputError("Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist")
    if not rows and "inputs" not in document:
        raise InvalidInputError("Missing 'inputs' or 'instances' key")
    value = document["instances" if rows else "inputs"]
    if rows and not isinstance(value, list):
        raise InvalidInputError(f"Expecting 'instances' to be a list/array, not {quoted(value)}")
    if rows and not value:
        raise InvalidInputError("No values in 'instances' array")
    return tensors_from_document(value, signature), rows


def _encode_rows(response: InferenceResponse) -> HttpReply:
    return HttpReply(dumps_values(rows_document(response.outputs)))


def _encode_columns(response: InferenceResponse) -> HttpReply:
    return HttpReply(dumps_values(columns_document(response.outputs)))


def _encode_results(response: InferenceResponse, signature: Signature, task: Task) -> HttpReply:
    results: Any = classifications(response, signature) if task == "classify" else regressions(response, signature)
    return HttpReply(dumps_values({"results": results}))
