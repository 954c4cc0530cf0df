"""JSON as people write it (records, rows, columns, tables, single values) → the tensors of a signature."""

from __future__ import annotations

from typing import Any

from modelport.core.datatypes import BYTES, Array
from modelport.core.errors import InvalidInputError
from modelport.core.meaning import Column, Tabular
from modelport.core.nearest import did_you_mean
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.columns import cell_number, given
from modelport.wire.examples import example_hint
from modelport.wire.quoting import quoted
from modelport.wire.rows import is_encoded, tensor_from_rows

#: Keys that say "the data is in here", as TensorFlow Serving, Vertex AI, Azure ML, MLflow and scikit-learn put it.
WRAPPERS = ("instances", "inputs", "data", "X")

Record = dict[str, Any]
#: What a record may name: its tensor, and the place in it where it is a column of a table.
Fields = dict[str, tuple[TensorSpec, int | None]]
_FIELDS = "records.fields"


def tensors_from_document(document: Any, signature: Signature) -> dict[str, Array]:
    """The arrays that a JSON document means to a signature. Raises InvalidInputError naming what does not fit."""
    value = _listed(_unwrapped(document, signature), signature)
    if value is None or value in ([], {}):
        raise InvalidInputError(f"the request holds no data{example_hint(signature)}")
    if isinstance(value, dict) and not is_encoded(value):
        inputs = _from_object(value, signature)
    elif isinstance(value, list) and all(isinstance(item, dict) and not is_encoded(item) for item in value):
        inputs = _from_records(value, signature)
    else:
        spec = only_input(signature)
        inputs = {spec.name: tensor_from_rows(spec, value)}
    signature.check_inputs(inputs)
    _check_rows(inputs, signature)
    return inputs


def fields(signature: Signature) -> Fields:
    """What a record may name: the columns of tabular inputs (with their place), and all other inputs by their name."""
    named: Fields | None = signature.memo.get(_FIELDS)
    if named is not None:
        return named
    named = signature.memo[_FIELDS] = {}
    for spec in signature.inputs:
        if isinstance(spec.meaning, Tabular):
            named.update({column.name: (spec, place) for place, column in enumerate(spec.meaning.columns)})
        else:
            named[spec.name] = (spec, None)
    return named


def _unwrapped(document: Any, signature: Signature) -> Any:
    """What the wrapper holds. A document that names a column or an input is a record, whatever else it names."""
    if not isinstance(document, dict):
        return document
    known = fields(signature)
    wrappers = [key for key in WRAPPERS if key in document and key not in known]
    if not wrappers or not known.keys().isdisjoint(document) or _is_table(document, known):
        return document
    if len(wrappers) > 1:
        raise InvalidInputError(f"the body has both {wrappers[0]!r} and {wrappers[1]!r}; send the data once")
    return document[wrappers[0]]


def _is_table(document: Record, known: Fields) -> bool:
    """pandas' `orient="split"`: names in one list, rows in another."""
    return {"columns", "data"} <= document.keys() <= {"columns", "data", "index"} - known.keys()


def _listed(value: Any, signature: Signature) -> Any:
    """A table in pandas' ways to write one (`split`, and index → value for each column) as records or as lists."""
    if not isinstance(value, dict) or not value:
        return value
    if _is_table(value, fields(signature)):
        names, rows = value["columns"], value["data"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InvalidInputError("'columns' must be a list of names")
        if len(set(names)) != len(names):
            raise InvalidInputError("'columns' names a column twice")
        if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == len(names) for row in rows):
            raise InvalidInputError(f"'data' must be a list of rows with {len(names)} values each, as 'columns' has")
        return [dict(zip(names, row, strict=True)) for row in rows]
    columns = list(value.values())
    indexed = all(isinstance(column, dict) and not is_encoded(column) for column in columns)
    if indexed and all(column.keys() == columns[0].keys() for column in columns):
        return {name: [column[index] for index in columns[0]] for name, column in value.items()}
    return value


def _from_object(value: Record, signature: Signature) -> dict[str, Array]:
    """Tensors by input name, columns by column name, or a single record."""
    known = fields(signature)
    names = {spec.name for spec in signature.inputs if known.get(spec.name, (spec, None))[1] is None}
    if value.keys() <= names and any(isinstance(item, list) for item in value.values()):
        return {name: tensor_from_rows(signature.input(name), item) for name, item in value.items()}
    if all(isinstance(item, list) for item in value.values()) and all(map(_is_column, known.values())):
        lengths = {len(item) for item in value.values()}
        if len(lengths) != 1:
            raise InvalidInputError(f"the columns are not all of one length: {_lengths(value)}")
        _check_names(0, value, signature)
        return _from_records(
            [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)], signature
        )
    return _from_records([value], signature)


def _is_column(field: tuple[TensorSpec, int | None]) -> bool:
    """Whether a record has a single value there."""
    spec, place = field
    return place is not None or spec.shape in ((-1,), (-1, 1))


def _lengths(columns: dict[str, list[Any]]) -> str:
    return ", ".join(f"{name!r} has {len(items)}" for name, items in list(columns.items())[:5])


def _from_records(records: list[Record], signature: Signature) -> dict[str, Array]:
    if not records:
        raise InvalidInputError(f"the request holds no rows{example_hint(signature)}")
    for number, record in enumerate(records):
        _check_names(number, record, signature)
    inputs: dict[str, Array] = {}
    for spec in signature.inputs:
        given = [_has(record, spec) for record in records]
        if any(given) and not all(given):
            without, beside = given.index(False), given.index(True)
            raise InvalidInputError(f"record {without}: missing {spec.name!r}, which record {beside} has")
        if any(given):
            inputs[spec.name] = tensor_from_rows(spec, [_row(spec, record) for record in records])
    return inputs


def _has(record: Record, spec: TensorSpec) -> bool:
    if isinstance(spec.meaning, Tabular) and any(column.name in record for column in spec.meaning.columns):
        return True
    return spec.name in record


def _check_names(number: int, record: Record, signature: Signature) -> None:
    """Raise InvalidInputError for a name that is unknown, or one that is missing."""
    known = fields(signature)
    where = f"record {number}: " if number else ""
    tabular = {spec.name for spec in signature.inputs if isinstance(spec.meaning, Tabular)}
    for name in record:
        if name not in known and name not in tabular:
            raise InvalidInputError(where + _why_unknown(name, known, signature))
    missing = [name for name, field in known.items() if name not in record and not _spared(record, *field)]
    if missing:
        what = "column" if tabular else "input"
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise InvalidInputError(f"{where}missing {what} {', '.join(map(repr, missing[:5]))}{more}")


def _spared(record: Record, spec: TensorSpec, place: int | None) -> bool:
    """Whether a record need not name it: its whole row is given, or it is optional."""
    if isinstance(spec.meaning, Tabular) and place is not None and spec.meaning.columns[place].optional:
        return _has(record, spec)
    return _whole(record, spec) or (spec.optional and not _has(record, spec))


def _whole(record: Record, spec: TensorSpec) -> bool:
    """Whether a record gives the tensor's whole row by the input's name, which may also be a column's."""
    own = isinstance(spec.meaning, Tabular) and any(column.name == spec.name for column in spec.meaning.columns)
    return spec.name in record and not own


def _why_unknown(name: str, known: Fields, signature: Signature) -> str:
    near = did_you_mean(name, known)
    if not near and len(signature.inputs) == 1 and not isinstance(signature.inputs[0].meaning, Tabular):
        takes = signature.inputs[0].describe()
        return f"unknown name {quoted(name)}: the model has only the input {takes}{example_hint(signature)}"
    what = "column" if any(place is not None for _, place in known.values()) else "input"
    return f"unknown {what} {quoted(name)}{near}; the {what}s are: {', '.join(list(known)[:40])}"


def _row(spec: TensorSpec, record: Record) -> Any:
    """One row of a tensor."""
    if not isinstance(spec.meaning, Tabular) or _whole(record, spec):
        return record[spec.name]
    return [_cell(spec, column, given(record, column)) for column in spec.meaning.columns]


def _cell(spec: TensorSpec, column: Column, value: Any) -> Any:
    """One value of a row: a text in a tensor of texts, otherwise a number."""
    if spec.datatype == BYTES:
        if isinstance(value, str) or is_encoded(value):
            return value
        raise InvalidInputError(f"column {column.name!r} takes a text, not {quoted(value)}")
    return cell_number(column, value)


def only_input(signature: Signature) -> TensorSpec:
    required = [spec for spec in signature.inputs if not spec.optional]
    if len(required) == 1:
        return required[0]
    wanted = "; ".join(spec.describe() for spec in signature.inputs)
    raise InvalidInputError(
        f"the model has several inputs, so name them: send objects with {wanted}{example_hint(signature)}"
    )


def _check_rows(inputs: dict[str, Array], signature: Signature) -> None:
    """Inputs of a model of batches have as many rows as each other."""
    rows = {name: len(array) for name, array in inputs.items() if array.ndim}
    if signature.batched and len(set(rows.values())) > 1:
        counted = ", ".join(f"{name!r} has {count}" for name, count in rows.items())
        raise InvalidInputError(f"the inputs do not have as many rows as each other: {counted}")
