"""TensorFlow Serving's gRPC messages: the schema, and the model that a request means.

Source: tensorflow_serving/apis/model.proto.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelport.core.errors import InvalidInputError, Kind, ModelportError
from modelport.core.references import UnknownAliasError
from modelport.wire.grpc import STATUS
from modelport.wire.protobuf import Schema, load_schema
from modelport.wire.tensorflow_serving_signatures import UnknownSignatureError

_FAILED_PRECONDITION = 9
#: Errors of this dialect that have another code than their kind.
_OWN_CODES: dict[type[ModelportError], int] = {UnknownSignatureError: _FAILED_PRECONDITION}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which model, version and signature a request means. `version` None: the one that the server chooses."""

    name: str
    version: int | None = None
    label: str = ""
    signature: str = ""

    def check(self) -> None:
        """Raise InvalidInputError for what names no version that there could be."""
        if not self.name:
            raise InvalidInputError("ModelSpec has no name specified.")

    @property
    def asked(self) -> int | str | None:
        """The version's number or its label, whichever the request has."""
        return self.label or self.version


def unknown_label(label: str) -> InvalidInputError:
    """The error for a version label that nobody gave; TensorFlow Serving calls it an invalid argument."""
    return InvalidInputError(f"Unrecognized servable version label: {label[:200]}")


def schema() -> Schema:
    """All messages of both services, in a descriptor pool of their own."""
    return load_schema(
        "tensorflow_tensor.proto",
        "tensorflow_example.proto",
        "tensorflow_signature.proto",
        "tensorflow_error.proto",
        "tensorflow_config.proto",
        "tensorflow_serving.proto",
    )


def message(name: str) -> Any:
    """The class of a message in the package `tensorflow.serving`."""
    return schema().message(f"tensorflow.serving.{name}")


def spec_from(request: Any) -> ModelSpec:
    """The ModelSpec of a request's `model_spec` field. Raises InvalidInputError where it is missing."""
    if not request.HasField("model_spec"):
        raise InvalidInputError("Missing ModelSpec")
    spec = request.model_spec
    version = spec.version.value if spec.HasField("version") else None
    return ModelSpec(spec.name, version, spec.version_label, spec.signature_name)


def set_spec(target: Any, name: str, version: int, signature: str = "") -> None:
    """Fill in the `model_spec` of a response."""
    target.name = name
    target.version.value = version
    target.signature_name = signature


def code_of(error: ModelportError) -> int:
    """The gRPC status code of an error."""
    return _OWN_CODES.get(type(error)) or STATUS[error.kind]


def servable_error(error: ModelportError, spec: ModelSpec) -> ModelportError:
    """An error of finding a model, in TensorFlow Serving's words where it is about a name or a version."""
    if isinstance(error, UnknownAliasError):
        return unknown_label(error.alias)
    if error.kind is not Kind.NOT_FOUND:
        return error
    asked = f"Latest({spec.name})" if spec.version is None else f"Specific({spec.name}, {spec.version})"
    return type(error)(f"Servable not found for request: {asked[:240]}: {error}")
