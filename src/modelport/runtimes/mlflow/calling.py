"""How MLflow's function is called: tensors as what it takes, and what it gives as tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from modelport.core.datatypes import Array, text_array
from modelport.core.errors import InvalidInputError, ModelFailedError, ModelportError
from modelport.core.meaning import Tabular
from modelport.core.signature import TensorSpec
from modelport.runtimes.mlflow.fields import Field, given_value, made_value
from modelport.runtimes.python.values import named, output
from modelport.runtimes.tables import one_line

Arrays = dict[str, Array]
Call = Callable[[Arrays], Any]
#: The input that holds all columns, where they are numbers of one type.
MATRIX = "X"


def _is_matrix(takes: Sequence[Field]) -> bool:
    """Whether all columns are numbers of one type, which one tensor holds."""
    types = {field.spec.datatype for field in takes}
    plain = all(field.kind == "plain" and field.name and not field.spec.optional for field in takes)
    return plain and len(types) == 1 and not types & {"BYTES", "BOOL"}


def tensors_of(takes: Sequence[Field]) -> tuple[TensorSpec, ...]:
    """The inputs: a matrix of columns, or a tensor for each field."""
    if not _is_matrix(takes):
        return tuple(field.spec for field in takes)
    columns = [field.spec.meaning.columns[0] for field in takes if isinstance(field.spec.meaning, Tabular)]
    return (TensorSpec(MATRIX, takes[0].spec.datatype, (-1, len(takes)), Tabular(tuple(columns))),)


def call_of(model: Any, takes: Sequence[Field], parameters: Sequence[Field], hinted: bool) -> Call:
    """How the function is called; `hinted`: its type hints say that it takes a list.

    Raises InvalidInputError where MLflow's own checks refuse the input, ModelFailedError where the function fails.
    """
    matrix = _is_matrix(takes)

    def call(inputs: Arrays) -> Any:
        given = _frame(inputs[MATRIX], takes) if matrix else _argument(inputs, takes, hinted)
        extra = {field.name: _parameter(field, inputs[field.name]) for field in parameters if field.name in inputs}
        try:
            return model.predict(given, params=extra) if parameters else model.predict(given)
        except (ModelportError, MemoryError):
            raise
        except Exception as error:
            raise _failure(error) from error

    return call


def _failure(error: Exception) -> ModelportError:
    """MLflow's own checks of the input tell what the caller did wrong; all else is the model's fault."""
    text = f"{type(error).__name__}: {one_line(error)}"
    if type(error).__name__ == "MlflowException" and getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE":
        return InvalidInputError(f"MLflow refused the input: {one_line(error)}")
    return ModelFailedError(text)


def _frame(matrix: Array, takes: Sequence[Field]) -> Any:
    import pandas as pd  # noqa: PLC0415 - in the model's own process

    return pd.DataFrame(np.array(matrix), columns=[field.name for field in takes])


def _argument(inputs: Arrays, takes: Sequence[Field], hinted: bool) -> Any:
    """A DataFrame of the columns, the tensors by name, or the only tensor."""
    import pandas as pd  # noqa: PLC0415 - in the model's own process

    values = {field.name: given_value(field, inputs[field.spec.name]) for field in takes if field.spec.name in inputs}
    if all(field.kind == "tensor" for field in takes):
        return values[""] if list(values) == [""] else values
    if "" not in values:
        return pd.DataFrame({name: _column(value) for name, value in values.items()})
    only = [given_value(field, inputs[field.spec.name]) for field in takes]
    if hinted and len(only) == 1:
        return list(only[0])
    return pd.DataFrame({place: _column(value) for place, value in enumerate(only)})


def _column(value: Any) -> Any:
    return list(value) if value.dtype == np.object_ else value


def _parameter(field: Field, array: Array) -> Any:
    """One value, or a list of them."""
    items = text_array(array, field.name).tolist() if field.kind == "text" else array.tolist()
    return items[0] if field.spec.shape == (1,) else items


def results(result: Any, gives: Sequence[Field]) -> Arrays:
    """What the function gave, as arrays by output. Raises ModelFailedError naming the output that is not as it says."""
    values = named(_by_name(result, gives), [field.spec.name for field in gives])
    return {field.spec.name: _array(values[field.spec.name], field) for field in gives}


def _by_name(result: Any, gives: Sequence[Field]) -> Any:
    """A result by the outputs' names, as far as it is a table or a mapping."""
    if isinstance(result, list) and result and isinstance(result[0], dict) and gives[0].kind != "json":
        result = {key: [row.get(key) for row in result] for key in result[0]}
    if hasattr(result, "columns") and hasattr(result, "to_numpy"):
        if len(gives) == 1 and (gives[0].kind == "tensor" or not gives[0].name):
            table = result.to_numpy()
            only = gives[0].spec
            return {only.name: table[:, 0] if only.shape is not None and len(only.shape) == 1 else table}
        columns = {str(name): result[name].to_numpy() for name in result.columns}
        places = {field.spec.name: values for field, values in zip(gives, columns.values(), strict=False)}
        return columns if gives[0].name else places
    return result if isinstance(result, dict) or len(gives) > 1 else {gives[0].spec.name: result}


def _array(value: Any, field: Field) -> Array:
    made = made_value(field, value)
    if hasattr(made, "to_numpy"):
        made = made.to_numpy()
    if np.ndim(made) == 0 and field.spec.shape == (-1,):
        made = [made]
    return output(made, field.spec, field.spec.shape)
