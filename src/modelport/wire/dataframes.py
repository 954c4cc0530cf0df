"""Tables as data frames write them (perhaps column names, and rows) → the tensors of a signature.

A data frame has a name for each column, but a model file often knows none. So columns are matched by name where the
model knows at least one of the names, and by their order where it knows none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError
from modelport.core.meaning import Tabular
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.quoting import quoted
from modelport.wire.records import fields, only_input, tensors_from_document
from modelport.wire.rows import tensor_from_rows


def tensors_from_split(frame: Any, signature: Signature) -> dict[str, Array]:
    """The arrays in pandas' `orient="split"`: `{"columns": [...], "index": [...], "data": [[...]]}`.

    `columns` and `index` may be left out. Raises InvalidInputError naming what does not fit.
    """
    if not isinstance(frame, dict) or "data" not in frame:
        raise InvalidInputError(f"a data frame is an object with 'columns' and 'data', not {quoted(frame)}")
    unknown = frame.keys() - {"columns", "index", "data"}
    if unknown:
        raise InvalidInputError(f"a data frame has 'columns', 'index' and 'data', but no {quoted(min(unknown))}")
    rows, names = frame["data"], frame.get("columns")
    if not isinstance(rows, list):
        raise InvalidInputError(f"'data' must be a list of rows, not {quoted(rows)}")
    if names is not None and not isinstance(names, list):
        raise InvalidInputError(f"'columns' must be a list of names, not {quoted(names)}")
    if rows and not isinstance(rows[0], list):  # a single row, or a single column
        rows = [rows] if names and len(names) == len(rows) else [[value] for value in rows]
    return tensors_from_rows(None if names is None else [_name(name) for name in names], rows, signature)


def tensors_from_frame_records(records: Any, signature: Signature) -> dict[str, Array]:
    """The arrays in pandas' `orient="records"`: `[{"a": 1, "b": 2}, ...]`. Raises InvalidInputError."""
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InvalidInputError("a data frame's records are a list of objects, one for each row")
    names = list(records[0]) if records else []
    if (
        names
        and names != ["b64"]
        and not knows_one(names, signature)
        and all(record.keys() == records[0].keys() for record in records)
    ):
        return tensors_from_rows(names, [[record[name] for name in names] for record in records], signature)
    return tensors_from_document(records, signature)


def tensors_from_rows(names: Sequence[str] | None, rows: list[Any], signature: Signature) -> dict[str, Array]:
    """The arrays of a table. `rows` are lists of as many values as each other (and as there are names)."""
    width = len(rows[0]) if rows and isinstance(rows[0], list) else 0
    odd = next((at for at, row in enumerate(rows) if not isinstance(row, list) or len(row) != width), None)
    if odd is not None:
        has = f"has {len(rows[odd])}" if isinstance(rows[odd], list) else f"is {quoted(rows[odd])}"
        raise InvalidInputError(f"the rows are not all of one length: row 0 has {width} values, row {odd} {has}")
    if names is not None and rows and len(names) != width:
        raise InvalidInputError(f"there are {len(names)} column names, but the rows have {width} values")
    if names is not None and len(set(names)) != len(names):
        raise InvalidInputError("a column name comes twice")
    if names is None or not knows_one(names, signature):
        order = _by_order(names, width, signature)
        if order is None:
            return _of_input(only_input(signature), rows, signature)
        names = order
    return tensors_from_document([dict(zip(names, row, strict=True)) for row in rows], signature)


def knows_one(names: Sequence[str], signature: Signature) -> bool:
    """Whether one of the names is a column or an input of the model."""
    return not fields(signature).keys().isdisjoint(names)


def numbered(names: Sequence[str]) -> bool:
    """Whether the names are 0, 1, 2 …, as pandas calls columns that were given none."""
    return all(name == str(number) for number, name in enumerate(names))


def _by_order(names: Sequence[str] | None, width: int, signature: Signature) -> list[str] | None:
    """The model's own names for the columns, by their order; None where they all belong into its only input.

    A model that knows names takes unknown ones for mistakes, which its own error explains.
    """
    required = [spec for spec in signature.inputs if not spec.optional]
    if len(required) == 1 and not isinstance(required[0].meaning, Tabular):
        return None
    known = [name for name, (spec, _) in fields(signature).items() if not spec.optional]
    if names is not None and not numbered(names):
        return list(names)
    if len(known) != width:
        raise InvalidInputError(f"the model takes {len(known)} columns ({', '.join(known[:40])}), not {width}")
    return known


def _of_input(spec: TensorSpec, rows: list[Any], signature: Signature) -> dict[str, Array]:
    """All columns as the row of the only input. A row of more dimensions is flattened in a table."""
    array = tensor_from_rows(unfolded(spec), rows)
    inputs = {spec.name: array.reshape(-1, *spec.shape[1:]) if folds(spec) and spec.shape else array}
    signature.check_inputs(inputs)
    return inputs


def folds(spec: TensorSpec) -> bool:
    """Whether a row of this input has more than one dimension, all of them known."""
    return spec.shape is not None and len(spec.shape) > 2 and spec.shape[0] == -1 and min(spec.shape[1:]) > 0


def unfolded(spec: TensorSpec) -> TensorSpec:
    """The input with each row in one dimension."""
    if not folds(spec) or spec.shape is None:
        return spec
    return TensorSpec(spec.name, spec.datatype, (-1, prod(spec.shape[1:])))


def _name(value: Any) -> str:
    """A column's name; pandas calls columns without names 0, 1, 2 …"""
    if isinstance(value, str) or type(value) is int:
        return str(value)
    raise InvalidInputError(f"a column's name must be a text, not {quoted(value)}")
