"""Arrays that a request carries as they are (a .npy file, a table of numbers) → the tensor of one input."""

from __future__ import annotations

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, FLOATS, INTEGERS, Array, bytes_array, integer_range, value_range
from modelport.core.errors import InvalidInputError
from modelport.core.signature import TensorSpec
from modelport.wire.rows import fitted


def tensor_from_array(spec: TensorSpec, array: Array) -> Array:
    """The array in the input's datatype and shape; a single row gets its batch dimension.

    Raises InvalidInputError where a value would become another one: 1.5 for integers, 300 for UINT8, texts for numbers.
    """
    if not array.size:
        raise InvalidInputError(f"input {spec.name!r} has no rows: the array has the shape {list(array.shape)}")
    return fitted(spec, np.ascontiguousarray(_cast(spec, array)))


def _cast(spec: TensorSpec, array: Array) -> Array:
    kind = array.dtype.kind
    if spec.datatype == BYTES:
        if kind in "SU":
            return bytes_array(array)
        raise InvalidInputError(f"input {spec.name!r} takes texts ({BYTES}), not an array of {array.dtype}")
    if kind not in "biuf" and array.dtype != DTYPES["BF16"]:
        raise InvalidInputError(f"input {spec.name!r} takes numbers ({spec.datatype}), not an array of {array.dtype}")
    if spec.datatype in FLOATS:
        return _to_floats(spec, array)
    if kind == "f" and not np.array_equal(np.trunc(array), array):  # NaN and infinities are not whole either
        _refuse(spec, "values that are not whole numbers")
    if spec.datatype == "BOOL":
        if kind != "b" and not ((array == 0) | (array == 1)).all():
            _refuse(spec, "values other than 0 and 1")
    elif spec.datatype in INTEGERS and kind != "b":
        low, high = integer_range(spec.datatype)
        if not low <= int(array.min()) <= int(array.max()) <= high:
            _refuse(spec, f"a value outside {low} to {high}")
    return array.astype(DTYPES[spec.datatype])


def _to_floats(spec: TensorSpec, array: Array) -> Array:
    dtype = DTYPES[spec.datatype]
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        made = array.astype(dtype)
    if dtype.itemsize < 8 and not np.array_equal(np.isfinite(made), np.isfinite(array)):
        low, high = value_range(spec.datatype)
        _refuse(spec, f"a value outside {low} to {high}")
    return made


def _refuse(spec: TensorSpec, has: str) -> None:
    raise InvalidInputError(f"input {spec.name!r} takes {spec.datatype}, but the array has {has}")
