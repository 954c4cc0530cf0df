"""A request that a model would take, made from its signature: for the terminal's curl line and for first tries."""

from __future__ import annotations

import json
from math import ceil
from typing import Any

from modelport.core.datatypes import BYTES, FLOATS, INTEGERS
from modelport.core.meaning import Column, Image, Tabular
from modelport.core.signature import Signature, TensorSpec

#: An example that is longer than this would bury the error message that it follows.
_HINT = 300


def example_rows(signature: Signature) -> Any:
    """One row for a model with one input (`{"instances": …}` takes it); for several inputs, rows by input name."""
    if len(signature.inputs) == 1:
        return _rows(signature.inputs[0])
    return {spec.name: _rows(spec) for spec in signature.inputs if not spec.optional}


def example_row(spec: TensorSpec) -> Any:
    """One row of an input: column defaults where they are known, otherwise zeros or empty texts."""
    if isinstance(spec.meaning, Tabular):
        row = [_typical(column, spec.datatype) for column in spec.meaning.columns]
        return row[0] if spec.shape == (-1,) else row  # a column by itself
    shape = (spec.shape or (1,))[1:] if _has_rows(spec) else spec.shape or ()
    return _filled([1 if size == -1 else size for size in shape], _value(spec.datatype))


def example_hint(signature: Signature) -> str:
    """`; send for example {"instances": …}`, or nothing where that would be long."""
    if takes_picture(signature):
        return "; send a picture as the body (image/png), or its pixels as nested lists"
    text = json.dumps({"instances": example_rows(signature)}, ensure_ascii=False)
    return f"; send for example {text}" if len(text) <= _HINT else ""


def takes_picture(signature: Signature) -> bool:
    """Whether a single picture is a whole request."""
    return len(signature.inputs) == 1 and isinstance(signature.inputs[0].meaning, Image)


def _has_rows(spec: TensorSpec) -> bool:
    return spec.shape is None or spec.shape[:1] == (-1,)


def _rows(spec: TensorSpec) -> Any:
    """A tensor with one row; all of it where its first dimension is not one of rows."""
    row = example_row(spec)
    return [row] if _has_rows(spec) or isinstance(spec.meaning, Tabular) else row


def _typical(column: Column, datatype: str) -> Any:
    if column.default is not None:
        return str(column.default) if datatype == BYTES else column.default
    if column.categories:
        return column.categories[0]
    if datatype in INTEGERS:
        return ceil(column.minimum or 0)
    return column.minimum if column.minimum is not None and datatype in FLOATS else _value(datatype)


def _value(datatype: str) -> Any:
    if datatype == BYTES:
        return "text"
    if datatype == "BOOL":
        return False
    return 0.0 if datatype in FLOATS else 0


def _filled(shape: list[int], value: Any) -> Any:
    for size in reversed(shape):
        value = [value] * size
    return value
