"""The elements of an MLflow signature as tensors, and their values there and back.

A column is a tensor of a value for each row; one of lists is a tensor [-1, -1]; objects, maps and `any` are texts of
JSON; times are texts as ISO 8601 has them. Source: MLflow "Model Signatures and Input Examples".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from modelport.core.datatypes import BYTES, NAMES, Array, text_array
from modelport.core.errors import InvalidInputError, InvalidModelError, ModelFailedError
from modelport.core.meaning import Column, Tabular, Text
from modelport.core.signature import TensorSpec

#: What a value is in Python, where its tensor does not say it.
Kind = Literal["plain", "text", "list", "time", "json", "tensor"]

_PLAIN = {"boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64"}
_KINDS: dict[str, Kind] = {"string": "text", "binary": "plain", "datetime": "time"}
_FORMS: dict[str, Literal["integer", "text"]] = {"integer": "integer", "long": "integer", "string": "text"}


@dataclass(frozen=True, slots=True)
class Field:
    """One element of a signature. `name` is as MLflow has it, empty where it has none."""

    name: str
    spec: TensorSpec
    kind: Kind


def fields_of(
    schema: Sequence[Mapping[str, Any]], otherwise: str, example: Mapping[str, Any] | None = None
) -> list[Field]:
    """The fields of a schema, as MLflow writes it; `otherwise` names what has no name.

    `example` is a first row of inputs: they are shown as columns, and outputs (None) are not.

    Raises InvalidModelError for a tensor that is none of the protocol's.
    """
    several = len(schema) > 1
    return [
        _field(element, f"{otherwise}_{place}" if several else otherwise, example)
        for place, element in enumerate(schema)
    ]


def given_value(field: Field, array: Array) -> Any:
    """An input as the model's function takes it. Raises InvalidInputError."""
    if field.kind == "json":
        return _cells([_parsed(text, field) for text in text_array(array, field.spec.name).tolist()])
    if field.kind == "time":
        return _times(array, field)
    if field.kind == "list":
        rows = text_array(array, field.spec.name) if field.spec.datatype == BYTES else array
        return _cells([np.array(row) for row in rows])
    if field.spec.datatype == BYTES and field.kind in ("text", "tensor"):
        return text_array(array, field.spec.name)
    return np.array(array)


def made_value(field: Field, value: Any) -> Any:
    """An output as what becomes its array. Raises ModelFailedError for lists of different lengths."""
    items = value.tolist() if hasattr(value, "tolist") else value
    if field.kind == "json":
        return _cells([json.dumps(item, default=_plain) for item in items]) if isinstance(items, list) else items
    if field.kind == "time":
        return np.asarray(value, dtype="datetime64[us]").astype(str)
    if field.kind == "list":
        try:
            return np.array(items, np.object_ if field.spec.datatype == BYTES else None)
        except ValueError:
            raise ModelFailedError(
                f"the model gave output {field.spec.name!r} with lists of different lengths, which no tensor holds"
            ) from None
    return value


def _field(element: Mapping[str, Any], otherwise: str, example: Mapping[str, Any] | None) -> Field:
    name = str(element.get("name") or "")
    spec_name = name or otherwise
    optional = element.get("required") is False
    if element.get("type") == "tensor":
        inner = element["tensor-spec"]
        return Field(name, TensorSpec(spec_name, _tensor_type(inner, spec_name), tuple(inner["shape"])), "tensor")
    kind, datatype, shape = _column(element)
    meaning: Tabular | Text | None = None
    if example is not None and kind in ("plain", "text"):
        meaning = Text() if kind == "text" and not name else Tabular((_shown(element, spec_name, example),))
    return Field(name, TensorSpec(spec_name, datatype, shape, meaning, optional), kind)


def _column(element: Mapping[str, Any]) -> tuple[Kind, str, tuple[int, ...]]:
    word = str(element.get("type"))
    if word in _PLAIN:
        return "plain", _PLAIN[word], (-1,)
    if word in _KINDS:
        return _KINDS[word], BYTES, (-1,)
    items = element.get("items")
    inner = str(items.get("type")) if word == "array" and isinstance(items, Mapping) else ""
    if inner in _PLAIN or inner == "string":
        return "list", _PLAIN.get(inner, BYTES), (-1, -1)
    return "json", BYTES, (-1,)


def _tensor_type(inner: Mapping[str, Any], name: str) -> str:
    dtype = str(inner["dtype"])
    if dtype in ("str", "object", "string", "bytes"):
        return BYTES
    datatype = NAMES.get(np.dtype(dtype))
    if datatype is None:
        raise InvalidModelError(f"{name!r} has the dtype {dtype}, which is no datatype of the protocol")
    return datatype


def _shown(element: Mapping[str, Any], name: str, example: Mapping[str, Any]) -> Column:
    """The column, with the example's value as the one that a form begins with."""
    form, value = _FORMS.get(str(element.get("type"))), example.get(name)
    fits = isinstance(value, str) if form == "text" else isinstance(value, int | float) and not isinstance(value, bool)
    return Column(name, type=form, default=value if fits else None)


def _cells(items: Sequence[Any]) -> Array:
    """A column of objects, whatever they are."""
    column = np.empty(len(items), np.object_)
    for place, item in enumerate(items):
        column[place] = item
    return column


def _parsed(text: str, field: Field) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{field.spec.name!r} takes JSON, not {text[:60]!r}: {error}") from None


def _times(array: Array, field: Field) -> Array:
    texts = text_array(array, field.spec.name)
    try:
        return texts.astype("datetime64[ns]")
    except ValueError as error:
        raise InvalidInputError(f"{field.spec.name!r} takes times such as 2024-05-01T12:00:00: {error}") from None


def _plain(value: Any) -> Any:
    """What JSON has no word for: numpy's values and arrays as Python's own, all else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
