"""What TensorFlow Serving says about its models: their signatures, and the states of their versions.

Sources: tensorflow_serving/apis/get_model_metadata.proto and get_model_status.proto, and the JSON forms in
TensorFlow Serving's "RESTful API".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.json_format import MessageToDict

from modelport.core.errors import ModelportError
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.grpc import STATUS
from modelport.wire.quoting import error_text
from modelport.wire.tensor_proto import TYPES
from modelport.wire.tensorflow_serving_messages import message, set_spec
from modelport.wire.tensorflow_serving_signatures import (
    DEFAULT,
    METHOD_NAMES,
    NAMES,
    classes_of,
    named_signatures,
    tasks,
)

FIELD = "signature_def"
AVAILABLE, LOADING, END = 30, 20, 50
#: How tf.Example is given in the classify and regress signatures of a SavedModel.
_EXAMPLES = TensorSpec("inputs", "BYTES", (-1,))


def signature_defs(signature: Signature) -> Any:
    """The SignatureDefMap message of a model."""
    made = message("SignatureDefMap")()
    for name in (DEFAULT, "predict"):
        definition = made.signature_def[name]
        _fill(definition, signature.inputs, signature.outputs, METHOD_NAMES["predict"])
    for name, own in named_signatures(signature).items():
        made.signature_def[name].Clear()
        _fill(made.signature_def[name], own.inputs, own.outputs, METHOD_NAMES["predict"])
    able = tasks(signature)
    if "classify" in able:
        outputs = [TensorSpec("classes", "BYTES", (-1, -1))]
        if classes_of(signature).scores is not None:
            outputs.append(TensorSpec("scores", "FP32", (-1, -1)))
        _fill(made.signature_def[NAMES["classify"][0]], [_EXAMPLES], outputs, METHOD_NAMES["classify"])
    if "regress" in able:
        outputs = [TensorSpec("outputs", "FP32", (-1,))]
        _fill(made.signature_def[NAMES["regress"][0]], [_EXAMPLES], outputs, METHOD_NAMES["regress"])
    return made


def metadata_response(model: str, version: int, signature: Signature) -> Any:
    """The GetModelMetadataResponse message."""
    made = message("GetModelMetadataResponse")()
    set_spec(made.model_spec, model, version)
    made.metadata[FIELD].Pack(signature_defs(signature))
    return made


def metadata_document(model: str, version: int, signature: Signature) -> dict[str, Any]:
    """The body of `GET /v1/models/{model}/metadata`."""
    spec = {"name": model, "signature_name": "", "version": str(version)}
    return {"model_spec": spec, "metadata": {FIELD: _as_json(signature_defs(signature))}}


def status_response(states: Iterable[tuple[int, int, ModelportError | None]]) -> Any:
    """The GetModelStatusResponse message of (version, state, error or None) for each version."""
    made = message("GetModelStatusResponse")()
    for version, state, error in states:
        item = made.model_version_status.add(version=version, state=state)
        item.status.error_code = 0 if error is None else STATUS[error.kind]
        if error is not None:
            item.status.error_message = error_text(error)
    return made


def status_document(response: Any) -> dict[str, Any]:
    """The body of `GET /v1/models/{model}`."""
    return _as_json(response)


def reload_response(error: ModelportError | None) -> Any:
    """The ReloadConfigResponse message."""
    made = message("ReloadConfigResponse")()
    made.status.error_code = 0 if error is None else STATUS[error.kind]
    made.status.error_message = "" if error is None else error_text(error)
    return made


def _fill(definition: Any, inputs: Iterable[TensorSpec], outputs: Iterable[TensorSpec], method: str) -> None:
    definition.method_name = method
    for side, specs in ((definition.inputs, inputs), (definition.outputs, outputs)):
        for spec in specs:
            info = side[spec.name]
            info.name = f"{spec.name}:0"
            info.dtype = TYPES[spec.datatype].number
            info.tensor_shape.unknown_rank = spec.shape is None
            for size in spec.shape or ():
                info.tensor_shape.dim.add(size=size)


def _as_json(made: Any) -> dict[str, Any]:
    document: dict[str, Any] = MessageToDict(
        made, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return document
