"""Triton's generate extension: flat JSON instead of tensors, for any model.

Source: Triton "Generate Extension". Each field of the request that is called as an input is that input; the others are
parameters. `generate_stream`, the same as server-sent events, is `server/asgi/event_streams.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from modelport.core.datatypes import BYTES, Array
from modelport.core.errors import InvalidInputError, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.http import MODEL_PATH, STATUS, HttpCall, HttpReply, error_headers
from modelport.wire.json_tensors import array_from_json, dumps, json_elements, loads
from modelport.wire.open_inference_inputs import check_declared
from modelport.wire.quoting import error_text, quoted


class Generate:
    """The dialect `POST /v2/models/{model}[/versions/{version}]/generate`."""

    name = "generate"
    patterns: tuple[str, ...] = (rf"/v2/{MODEL_PATH}/generate",)

    def model_of(self, headers: Mapping[bytes, bytes]) -> str | None:
        """The path always names the model."""
        return None

    def decode(self, call: HttpCall, signature: Signature) -> tuple[InferenceRequest, Any]:
        """Read a request: inputs by their names, and everything else as parameters."""
        document = loads(bytes(call.body))
        if not isinstance(document, dict):
            raise InvalidInputError(f"the body must be a JSON object of inputs by name, not {quoted(document)}")
        names = {spec.name for spec in signature.inputs}
        inputs = {name: _array(signature.input(name), document[name]) for name in document if name in names}
        signature.check_inputs(inputs)
        request_id = document.get("id", "") if "id" not in names else ""
        if not isinstance(request_id, str | int):
            raise InvalidInputError(f"'id' must be text, not {quoted(request_id)}")
        parameters = {name: value for name, value in document.items() if name not in names and name != "id"}
        return InferenceRequest(inputs, None, str(request_id), parameters or None), self.encode

    def encode(self, response: InferenceResponse) -> HttpReply:
        """Outputs by their names: a single element as it is, others as a flat list."""
        return HttpReply(_flat(response))

    def refuse(self, error: ModelportError) -> HttpReply:
        """`{"error": text}` with the kind's status."""
        return HttpReply(dumps({"error": error_text(error)}), STATUS[error.kind], headers=error_headers(error))


def _flat(response: InferenceResponse) -> bytes:
    document: dict[str, Any] = {"model_name": response.model, "model_version": str(response.version)}
    if response.id:
        document["id"] = response.id
    for name, array in response.outputs.items():
        elements = json_elements(name, array)
        document[name] = elements[:1].tolist()[0] if _is_single_number(elements) else _single(elements)
    return dumps(document)


def _is_single_number(elements: Any) -> bool:
    return isinstance(elements, np.ndarray) and len(elements) == 1 and bool(np.isfinite(elements[0]))


def _single(elements: Any) -> Any:
    return elements[0] if isinstance(elements, list) and len(elements) == 1 else elements


def _array(spec: TensorSpec, value: Any) -> Array:
    """An input from a scalar, or from lists that are nested no deeper than the input: missing axes are 1, in front."""
    shape = _shape(value)
    if spec.shape is not None:
        shape = [1] * (len(spec.shape) - len(shape)) + shape
    check_declared(spec.name, spec.datatype, shape, Signature((spec,), ()))
    flat = value
    while isinstance(flat, list) and flat and isinstance(flat[0], list):
        flat = _joined(spec, flat)
    values = flat if isinstance(flat, list) else [flat]
    if spec.datatype == BYTES:
        values = [item if isinstance(item, str) else _as_text(item) for item in values]
    return array_from_json(spec.name, spec.datatype, shape, values)


def _shape(value: Any) -> list[int]:
    shape: list[int] = []
    while isinstance(value, list) and len(shape) <= 64:
        shape.append(len(value))
        value = value[0] if value else None
    return shape


def _joined(spec: TensorSpec, lists: list[Any]) -> list[Any]:
    if not all(isinstance(item, list) and len(item) == len(lists[0]) for item in lists):
        raise InvalidInputError(f"the lists in the data of input {spec.name!r} are not all of one length")
    return [element for item in lists for element in item]


def _as_text(value: Any) -> str:
    return dumps(value).decode()
