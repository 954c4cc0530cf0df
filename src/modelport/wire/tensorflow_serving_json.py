"""JSON as TensorFlow Serving writes it: rows as `predictions`, columns as `outputs`; and examples as objects."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from modelport.core.datatypes import DTYPES, Array
from modelport.core.errors import InvalidInputError
from modelport.wire.quoting import quoted
from modelport.wire.rows import is_encoded

#: Outputs with names that end like this hold bytes, not text.
_BYTES = "_bytes"


def rows_document(outputs: Mapping[str, Array]) -> dict[str, Any]:
    """`{"predictions": [...]}`: values where there is one output, objects where there are several.

    Raises InvalidInputError where the outputs do not have as many rows as each other.
    """
    sizes = {name: len(array) if array.ndim else -1 for name, array in outputs.items()}
    for name, size in sizes.items():
        if size < 0:
            raise InvalidInputError(
                f"Tensor name: {name} has no shape information; ask in the column format ('inputs')"
            )
        first = next(iter(sizes.values()))
        if size != first:
            raise InvalidInputError(
                f"Tensor name: {name} has inconsistent batch size: {size} expecting: {first}; ask in the column format "
                "('inputs' instead of 'instances')"
            )
    columns = {name: _values(name, array) for name, array in outputs.items()}
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]}


def columns_document(outputs: Mapping[str, Array]) -> dict[str, Any]:
    """`{"outputs": ...}`: a value where there is one output, an object where there are several."""
    columns = {name: _values(name, array) for name, array in outputs.items()}
    return {"outputs": next(iter(columns.values())) if len(columns) == 1 else columns}


def dumps_values(document: Any) -> bytes:
    """JSON of a document with arrays and numpy's numbers in it; NaN and infinities are bare words."""
    text = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return text if b"null" not in text else json.dumps(document, default=_listed).encode()


def example_from(item: Any) -> dict[str, list[Any]]:
    """The features of an example. Raises InvalidInputError for values that no feature has."""
    if not isinstance(item, dict):
        raise InvalidInputError(f"Example must be JSON object but got JSON value {quoted(item)}")
    return {name: [_element(name, value) for value in _list(content)] for name, content in item.items()}


def _list(content: Any) -> list[Any]:
    return content if isinstance(content, list) else [content]


def _element(name: str, value: Any) -> Any:
    if is_encoded(value):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise InvalidInputError(f"Feature: {name[:200]}: the b64 value is not valid base64: {error}") from None
    if value is None or isinstance(value, list | dict):
        raise InvalidInputError(f"Feature: {name[:200]} has element with unexpected JSON type: {quoted(value)}")
    return int(value) if isinstance(value, bool) else value


def _values(name: str, array: Array) -> Any:
    """An output as something that `dumps_values` takes, row by row where it is iterated over."""
    if array.dtype.kind in "OSU":
        return _texts(array.tolist(), name.endswith(_BYTES))
    if array.dtype == DTYPES["BF16"]:
        array = array.astype(np.float32)
    return np.ascontiguousarray(array) if array.ndim else array[()]


def _texts(value: Any, encoded: bool) -> Any:
    """Strings as text; as `{"b64": ...}` where the output's name says bytes, or where they are no text."""
    if isinstance(value, list):
        return [_texts(item, encoded) for item in value]
    if isinstance(value, bytes) and not encoded:
        try:
            return value.decode()
        except UnicodeDecodeError:
            pass
    elif not encoded:
        return str(value)
    raw = value if isinstance(value, bytes) else str(value).encode()
    return {"b64": base64.b64encode(raw).decode()}


def _listed(value: Any) -> Any:
    return value.tolist()
