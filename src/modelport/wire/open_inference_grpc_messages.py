"""The messages of `inference.GRPCInferenceService`, in a descriptor pool of our own, and their parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelport.core.errors import InvalidInputError
from modelport.wire.protobuf import load_schema, parsed

SCHEMA = load_schema("model_config.proto", "open_inference.proto")


def message(name: str) -> Any:
    """The class of a message of the service: `ModelInferRequest`."""
    return SCHEMA.message(f"inference.{name}")


def parameters_of(given: Any) -> dict[str, Any] | None:
    """A parameter map as Python values; None where it is empty."""
    if not given:
        return None
    values: dict[str, Any] = {}
    for name, parameter in given.items():
        choice = parameter.WhichOneof("parameter_choice")
        if choice is None:
            raise InvalidInputError(f"the parameter {name[:60]!r} has no value")
        values[name] = getattr(parameter, choice)
    return values


def put_parameters(target: Any, values: Mapping[str, Any]) -> None:
    """Write Python values into a parameter map; what is no bool, number or text is written as text."""
    for name, value in values.items():
        parameter = target[name]
        if isinstance(value, bool):
            parameter.bool_param = value
        elif isinstance(value, int) and -(2**63) <= value < 2**64:
            setattr(parameter, "int64_param" if value < 2**63 else "uint64_param", value)
        elif isinstance(value, float):
            parameter.double_param = value
        else:
            parameter.string_param = str(value)


__all__ = ["SCHEMA", "message", "parameters_of", "parsed", "put_parameters"]
