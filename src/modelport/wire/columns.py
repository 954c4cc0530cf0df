"""The cells of a table as its columns declare them: categories, whole numbers, flags, defaults and ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError
from modelport.core.meaning import Column, Meaning, Tabular
from modelport.core.nearest import did_you_mean
from modelport.wire.quoting import quoted


def cell_number(column: Column, value: Any) -> Any:
    """What stands in a tensor of numbers for one cell. Raises InvalidInputError for what the column does not take.

    Categories are told by their text or by their number. A missing value (None) stays one.
    """
    if isinstance(value, str) and column.categories:
        return _category(column, value)
    if isinstance(value, str | list | dict):
        raise InvalidInputError(f"column {column.name!r} takes a number, not {quoted(value)}")
    if value is None or column.type is None:
        return value
    if column.type == "boolean" and value not in (0, 1):
        raise InvalidInputError(f"column {column.name!r} takes true or false, not {quoted(value)}")
    if column.type == "integer" and value % 1 != 0:  # NaN and infinities are not whole either
        raise InvalidInputError(f"column {column.name!r} takes a whole number, not {quoted(value)}")
    return value


def are_plain(table: Tabular) -> bool:
    """Whether every cell may be any number, so that rows need not be looked at one cell after the other."""
    return not any(column.categories or column.type in ("boolean", "integer") for column in table.columns)


def is_checked(meaning: Meaning | None) -> bool:
    """Whether an input is a table whose columns refuse some numbers: an array of them can't be taken as it is."""
    if not isinstance(meaning, Tabular):
        return False
    return any(column.strict or column.type in ("boolean", "integer") for column in meaning.columns)


def numbered(table: Tabular, value: Any) -> Any:
    """A row, or rows, with what stands in a tensor for each cell; other values as they are."""
    if not isinstance(value, list) or are_plain(table):
        return value
    if any(isinstance(row, list) for row in value):
        return [_row(table, row) if isinstance(row, list) else row for row in value]
    return _row(table, value)


def given(record: dict[str, Any], column: Column) -> Any:
    """A record's value of the column; the default of an optional one where it has none."""
    value = record.get(column.name)
    return column.default if value is None and column.optional else value


def check_ranges(table: Tabular, array: Array) -> None:
    """Raise InvalidInputError where a strict column of a [-1, n] tensor of numbers has a value outside its range."""
    if array.ndim != 2 or array.shape[1] != len(table.columns):
        return
    for place, column in enumerate(table.columns):
        if column.strict:
            values = array[:, place].astype(np.float64)
            low, high = _limit(column.minimum, -np.inf), _limit(column.maximum, np.inf)
            wrong = np.flatnonzero((values < low) | (values > high))
            if wrong.size:
                where = f", in row {wrong[0]}" if len(array) > 1 else ""
                raise InvalidInputError(
                    f"column {column.name!r} takes {_range(column)}, not {float(values[wrong[0]]):.6g}{where}"
                )


def _row(table: Tabular, value: list[Any]) -> list[Any]:
    cells = zip(table.columns, value, strict=False)
    made = [item if isinstance(item, list | dict) else _placed(column, item) for column, item in cells]
    return made + value[len(made) :]


def _placed(column: Column, value: Any) -> Any:
    """A cell told by its place; a text in a column without categories is left to the tensor's own words."""
    return value if isinstance(value, str) and not column.categories else cell_number(column, value)


def _category(column: Column, value: str) -> int:
    """The place of a category. Raises InvalidInputError with the nearest right one."""
    if value not in column.categories:
        near, allowed = did_you_mean(value, column.categories), ", ".join(column.categories[:40])
        raise InvalidInputError(f"column {column.name!r} has no category {quoted(value)}{near}; it takes: {allowed}")
    return column.categories.index(value)


def _limit(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _range(column: Column) -> str:
    unit = f" {column.unit}" if column.unit else ""
    if column.maximum is None:
        return f"{column.minimum:g}{unit} or more"
    if column.minimum is None:
        return f"{column.maximum:g}{unit} or less"
    return f"{column.minimum:g} to {column.maximum:g}{unit}"
