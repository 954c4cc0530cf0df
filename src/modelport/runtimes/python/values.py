"""Arrays to what a Python model takes, and what it gives to arrays of its signature."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, FLOATS, INTEGERS, Array, bytes_array, integer_range, text_array
from modelport.core.errors import InvalidInputError, ModelFailedError
from modelport.core.meaning import Column, Tabular
from modelport.core.signature import TensorSpec, shape_text
from modelport.runtimes.python.hints import Form


def argument(array: Array, spec: TensorSpec, form: Form) -> Any:
    """An input as the method takes it. Raises InvalidInputError for bytes that are no text."""
    if form.kind == "scalar":
        return elements(array, spec, form)[0]
    if form.kind == "list":
        return elements(array, spec, form)
    if form.kind == "frame":
        return _frame(array, spec)
    if form.item is str:
        return text_array(array, spec.name).astype(np.str_)
    return array


def elements(array: Array, spec: TensorSpec, form: Form) -> list[Any]:
    """An input's elements, one after the other, as Python's own values or as the hint's type of numpy's."""
    if form.item is str:
        return text_array(array, spec.name).ravel().tolist()
    if isinstance(form.item, type) and issubclass(form.item, np.generic):
        return list(array.ravel())
    items: list[Any] = array.ravel().tolist()
    return items


def named(result: Any, names: Sequence[str]) -> dict[str, Any]:
    """A result's values by output. Raises ModelFailedError where outputs are missing, or too many."""
    if isinstance(result, Mapping):
        values = dict(result)
    elif dataclasses.is_dataclass(result) and not isinstance(result, type):
        values = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    elif isinstance(result, tuple) and hasattr(result, "_asdict"):
        values = result._asdict()
    elif isinstance(result, tuple) and len(names) > 1:
        if len(result) != len(names):
            raise ModelFailedError(f"the model gave {len(result)} values, but has the outputs {', '.join(names)}")
        values = dict(zip(names, result, strict=True))
    elif len(names) == 1:
        values = {names[0]: result}
    else:
        raise ModelFailedError(
            f"the model gave a {type(result).__name__}, but has several outputs: it must give a dict, "
            f"or a tuple in the order {', '.join(names)}"
        )
    missing = [name for name in names if name not in values]
    if missing:
        raise ModelFailedError(
            f"the model gave no output {missing[0]!r}: it gave {', '.join(map(str, values)) or 'nothing'}"
        )
    return values


def output(value: Any, spec: TensorSpec, shape: tuple[int, ...] | None) -> Array:
    """A value as an array of the output's datatype, C-contiguous; `shape` is what it has to have.

    Raises ModelFailedError naming the output where it is not what it should be.
    """
    array = _array(value, spec)
    wanted = TensorSpec(spec.name, spec.datatype, shape)
    if not wanted.fits(array.shape):
        raise ModelFailedError(
            f"the model gave output {spec.name!r} with shape {list(array.shape)}, but it says {shape_text(shape)}"
        )
    return np.require(array, requirements="C")


def _array(value: Any, spec: TensorSpec) -> Array:
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ModelFailedError(f"the model gave output {spec.name!r} as what is no array: {error}") from None
    if spec.datatype == BYTES:
        return _texts(array, spec)
    if array.size == 0 and array.dtype == np.float64 and not hasattr(value, "dtype"):
        return array.astype(DTYPES[spec.datatype])  # an empty list has no type
    _check_kind(array, spec)
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(DTYPES[spec.datatype], copy=False)


def _texts(array: Array, spec: TensorSpec) -> Array:
    if array.dtype.kind not in "SUO":
        raise _wrong(array, spec)
    if array.dtype.kind == "O" and not all(isinstance(item, str | bytes) for item in array.ravel().tolist()):
        raise ModelFailedError(f"the model gave output {spec.name!r} with elements that are neither str nor bytes")
    return bytes_array(array)


def _check_kind(array: Array, spec: TensorSpec) -> None:
    """Raise ModelFailedError where the cast would lose more than precision."""
    kind, dtype = array.dtype.kind, DTYPES[spec.datatype]
    if array.dtype == dtype or (spec.datatype in FLOATS and (kind in "fiub" or array.dtype == DTYPES["BF16"])):
        return
    if spec.datatype not in INTEGERS or kind not in "iub":
        raise _wrong(array, spec)
    least, most = integer_range(spec.datatype)
    if array.size and kind != "b" and not (least <= int(array.min()) and int(array.max()) <= most):
        raise ModelFailedError(f"the model gave output {spec.name!r} with values that no {spec.datatype} can hold")


def _wrong(array: Array, spec: TensorSpec) -> ModelFailedError:
    given = "objects" if array.dtype.kind == "O" else f"{array.dtype}"
    return ModelFailedError(f"the model gave output {spec.name!r} as {given}, but it says {spec.datatype}")


def _frame(array: Array, spec: TensorSpec) -> Any:
    pandas = importlib.import_module("pandas")  # what asks for a DataFrame has imported it
    columns = spec.meaning.columns if isinstance(spec.meaning, Tabular) else ()
    names = [column.name for column in columns] or [str(number) for number in range(array.shape[-1])]
    if spec.datatype != BYTES:
        return pandas.DataFrame(array, columns=names)
    texts = text_array(array, spec.name)
    return pandas.DataFrame(
        {
            name: _column(texts[:, place], column, spec)
            for place, (name, column) in enumerate(zip(names, columns, strict=True))
        }
    )


def _column(texts: Array, column: Column, spec: TensorSpec) -> Any:
    """One column of a table of texts: the texts, or the numbers that they are."""
    if column.categories or column.type == "text":
        return texts
    try:
        return np.array([float(item) if item else np.nan for item in texts.tolist()])
    except ValueError as error:
        raise InvalidInputError(f"column {column.name!r} of {spec.name!r} takes numbers: {error}") from None
