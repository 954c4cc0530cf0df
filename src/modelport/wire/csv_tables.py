"""CSV, both ways: rows of a table as the body, with or without a header row.

Sources of the forms: RFC 4180 (with its `header` parameter), SageMaker's "Common Data Formats for Inference" (no header
row), MLflow's scoring server (a header row, as `pandas.DataFrame.to_csv` writes it).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import islice
from math import isinf
from typing import Any

import numpy as np

from modelport.core.datatypes import BYTES, FLOATS, Array
from modelport.core.errors import InvalidInputError, TooLargeError
from modelport.core.meaning import Tabular
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.arrays import tensor_from_array
from modelport.wire.columns import is_checked
from modelport.wire.dataframes import folds, knows_one, numbered, tensors_from_rows, unfolded
from modelport.wire.quoting import quoted
from modelport.wire.records import fields

CSV = "text/csv"
#: More cells than this are read only where NumPy can read the whole table at once: as Python objects they need much.
_MOST_CELLS = 1 << 24
#: What pandas and R write for a missing value.
_MISSING = frozenset(("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "<NA>", "#N/A"))


class CsvTable:
    """A CSV body, looked at but not read yet."""

    def __init__(self, body: bytes) -> None:
        """Raises InvalidInputError where it is not UTF-8, or has no rows."""
        try:
            self._text = body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidInputError(f"the CSV is not UTF-8: {error.reason} at byte {error.start}") from None
        reader = _reader(self._text)
        top = list(islice(_rows(reader), 1))
        if not top:
            raise InvalidInputError("the CSV has no rows")
        self.first: list[str] = top[0]
        self._first_lines = reader.line_num
        self._second = next(iter(islice(_rows(reader), 1)), [])

    def has_header(self, signature: Signature, *, numbers_are_names: bool) -> bool:
        """Whether the first row names the columns: it has names that the model knows, or texts where numbers belong.

        `numbers_are_names` takes 0, 1, 2 … for pandas' names. A row without others below it is data.
        """
        if not self._second:
            return False
        if knows_one(self.first, signature):
            return True
        if numbers_are_names and numbered(self.first):
            return True
        return _only_numbers(signature) and not all(map(_is_number, self.first))

    def tensors(self, signature: Signature, header: bool) -> dict[str, Array]:
        """The arrays that the table means to a signature. Raises InvalidInputError or TooLargeError."""
        if header and not self._second:
            raise InvalidInputError("the CSV has a header row, but no rows below it")
        names = self.first if header else None
        spec = _whole_input(names, signature)
        array = None if spec is None else self._numbers(header)
        if spec is not None and array is not None:
            made = tensor_from_array(unfolded(spec), array)
            inputs = {spec.name: made.reshape(-1, *spec.shape[1:]) if folds(spec) and spec.shape else made}
            signature.check_inputs(inputs)
            return inputs
        columns = _columns(names, len(self.first), signature)
        rows, cells = [], 0
        for number, row in enumerate(islice(_rows(_reader(self._text)), int(header), None)):
            cells += len(row)
            if cells > _MOST_CELLS:
                raise TooLargeError(f"the CSV has more than {_MOST_CELLS} cells that are no plain numbers; send fewer")
            if len(row) != len(self.first):
                raise InvalidInputError(
                    f"the rows are not all of one length: the first has {len(self.first)} values, row {number} "
                    f"has {len(row)}"
                )
            rows.append([_value(kind, text) for kind, text in zip(columns, row, strict=True)])
        return tensors_from_rows(names, rows, signature)

    def _numbers(self, header: bool) -> Array | None:
        """The whole table as float64 by NumPy's own reader; None where something in it is no plain number."""
        if not any(cell.strip() for cell in (self._second if header else self.first)):
            return None  # to NumPy a line of spaces is none
        text = self._text
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        try:
            table = np.loadtxt(
                io.StringIO(text),
                np.float64,
                delimiter=",",
                comments=None,
                quotechar='"',
                ndmin=2,
                skiprows=self._first_lines if header else 0,
            )
        except (ValueError, OverflowError):
            return None
        return None if np.isinf(table).any() else table  # perhaps a number that is too large: the slow way tells


def csv_from_rows(rows: Iterable[Iterable[Any]]) -> bytes:
    """Rows as CSV with a line feed behind each, as SageMaker's containers write it; None is an empty cell."""
    made = io.StringIO()
    csv.writer(made, lineterminator="\n").writerows(rows)
    return made.getvalue().encode("utf-8", "surrogatepass")


def _reader(text: str) -> Any:
    return csv.reader(io.StringIO(text, newline=""))


def _rows(reader: Any) -> Iterator[list[str]]:
    """The rows that are not empty. Raises InvalidInputError for what is no CSV."""
    try:
        for row in reader:
            if row:
                yield row
    except csv.Error as error:
        raise InvalidInputError(f"the body is not valid CSV: {error}") from None


#: What a cell is read as: a text, a number, or a category's text or number.
_Cell = tuple[str, frozenset[str]]


def _columns(names: list[str] | None, width: int, signature: Signature) -> list[_Cell]:
    """How to read the cells of each column."""
    known = fields(signature)
    if names is not None and knows_one(names, signature):
        return [_cell(*known[name]) if name in known else ("number", frozenset()) for name in names]
    chosen = list(known.values())
    if len(chosen) == 1 and width != 1:
        chosen *= width
    return [_cell(*chosen[at]) if at < len(chosen) else ("number", frozenset()) for at in range(width)]


def _cell(spec: TensorSpec, place: int | None) -> _Cell:
    if spec.datatype == BYTES:
        return "text", frozenset()
    if place is not None and isinstance(spec.meaning, Tabular):
        return "number", frozenset(spec.meaning.columns[place].categories)
    return "number", frozenset()


def _value(kind: _Cell, text: str) -> Any:
    word, categories = kind
    if word == "text" or text in categories:
        return text
    stripped = text.strip()
    if stripped in _MISSING:
        return None
    if stripped.lower() in ("true", "false"):
        return stripped.lower() == "true"
    if categories and not _is_number(stripped):
        return stripped
    return _number(stripped)


def _number(text: str) -> int | float:
    if _is_number(text):
        try:
            return int(text)
        except ValueError:
            value = float(text)
            if not isinf(value) or "inf" in text.lower():
                return value
    raise InvalidInputError(f"the CSV has {quoted(text)} where a number should be")


def _is_number(text: str) -> bool:
    """Whether it is a number as CSV files have them; nothing at all is a missing one."""
    stripped = text.strip()
    if stripped in _MISSING or stripped.lower() in ("true", "false"):
        return True
    try:
        float(stripped)
    except ValueError:
        return False
    return "_" not in stripped and stripped.isascii()


def _only_numbers(signature: Signature) -> bool:
    """Whether no cell can be a text."""
    return all(not categories and word == "number" for word, categories in map(_known_cell, fields(signature).values()))


def _known_cell(known: tuple[TensorSpec, int | None]) -> _Cell:
    return _cell(*known)


def _whole_input(names: list[str] | None, signature: Signature) -> TensorSpec | None:
    """The input whose rows are the table's as they stand, if it is one of any floats."""
    required = [spec for spec in signature.inputs if not spec.optional]
    if len(required) != 1 or required[0].datatype not in FLOATS:
        return None
    spec = required[0]
    if is_checked(spec.meaning):
        return None
    if names is None or numbered(names):
        return spec
    columns = [column.name for column in spec.meaning.columns] if isinstance(spec.meaning, Tabular) else None
    if columns is not None:
        return spec if columns == names else None
    return None if knows_one(names, signature) and len(names) > 1 else spec
