"""Arrays made to fit a model's datatypes, where no value is lost but a float's last digits.

| the array | the model takes | |
|---|---|---|
| floats | any float | rounded, as numpy's `same_kind`; refused where a finite value would become infinite |
| whole numbers | other whole numbers | where every value fits |
| whole numbers | any float | rounded past the float's exact range |
| booleans | any number | 0 and 1 |
| text, bytes | BYTES | text as UTF-8 |
| anything else | | refused |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, FLOATS, INTEGERS, NAMES, Array, bytes_array
from modelport.core.errors import InvalidInputError
from modelport.core.signature import Signature, TensorSpec


def fitted(inputs: Mapping[str, Any] | Any, signature: Signature | None) -> dict[str, Array]:
    """The inputs by name, in datatypes of the protocol, and in the model's where the signature is known.

    A bare array is the only input. Names and shapes are for the server to judge, which knows them better than a
    client that may hold an older signature. Raises InvalidInputError naming the input.
    """
    named = inputs if isinstance(inputs, Mapping) else {_only_input(signature).name: inputs}
    specs = {spec.name: spec for spec in signature.inputs} if signature is not None else {}
    return {name: _fit(name, value, specs.get(name)) for name, value in named.items()}


def cast(name: str, array: Array, datatype: str) -> Array:
    """The array in that datatype, by the table above. Raises InvalidInputError naming the input and both types."""
    wanted = DTYPES[datatype]
    if datatype == BYTES:
        return _byte_strings(name, array)
    if array.dtype == wanted:
        return array
    family = _family(array.dtype)
    if array.size == 0 and family != BYTES:
        return array.astype(wanted)
    if datatype in FLOATS and family in ("float", "integer", "bool"):
        return _as_float(name, array, datatype)
    if datatype in INTEGERS and family in ("integer", "bool"):
        return _as_integer(name, array, datatype)
    raise InvalidInputError(
        f"input {name!r} takes {datatype}, but the array is of dtype {array.dtype}, which loses something on the way; "
        f"convert it yourself if that is meant: array.astype({wanted.name!r})"
    )


def _only_input(signature: Signature | None) -> TensorSpec:
    if signature is None or not signature.inputs:
        raise InvalidInputError("the server does not say what the model's inputs are: give the inputs as {name: array}")
    required = [spec for spec in signature.inputs if not spec.optional] or list(signature.inputs)
    if len(required) > 1:
        wanted = "; ".join(spec.describe() for spec in signature.inputs)
        raise InvalidInputError(f"the model has several inputs, so give them as {{name: array}}: {wanted}")
    return required[0]


def _fit(name: str, value: Any, spec: TensorSpec | None) -> Array:
    known = spec is not None and spec.datatype in DTYPES
    array = _array(name, value, is_bytes=spec is not None and spec.datatype == BYTES)
    if spec is not None and known:
        return cast(name, array, spec.datatype)
    if _family(array.dtype) == BYTES:
        return _byte_strings(name, array)
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    if native.dtype not in NAMES:
        raise InvalidInputError(f"input {name!r} is of dtype {array.dtype}, which has no datatype of the protocol")
    return native


def _array(name: str, value: Any, *, is_bytes: bool) -> Array:
    """`value` as an array. Lists of bytes become objects at once: numpy's own bytes type drops trailing zeros."""
    try:
        if isinstance(value, np.ndarray | np.generic):
            return np.asarray(value)
        array: Array = np.array(value, np.object_) if is_bytes else np.asarray(value)
        return np.array(value, np.object_) if array.dtype.kind == "S" else array
    except (ValueError, TypeError) as error:
        raise InvalidInputError(f"input {name!r} can't be made an array: {error}") from None


def _family(dtype: np.dtype[Any]) -> str:
    if NAMES.get(dtype) == "BF16":
        return "float"
    return {"b": "bool", "i": "integer", "u": "integer", "f": "float", "O": BYTES, "S": BYTES, "U": BYTES}.get(
        dtype.kind, ""
    )


def _byte_strings(name: str, array: Array) -> Array:
    if array.dtype.kind in "SU":
        return bytes_array(array)
    for index, item in enumerate(array.ravel().tolist()):
        if not isinstance(item, bytes | str):
            kind = type(item).__name__
            raise InvalidInputError(f"input {name!r} takes BYTES, but element {index} is {kind}: give str or bytes")
    return bytes_array(array)


def _as_float(name: str, array: Array, datatype: str) -> Array:
    with np.errstate(over="ignore"):
        result: Array = array.astype(DTYPES[datatype])
    lost = np.isinf(result) & np.isfinite(array)
    if lost.any():
        raise InvalidInputError(f"input {name!r} takes {datatype}, which can't hold the value {array[lost].flat[0]}")
    return result


def _as_integer(name: str, array: Array, datatype: str) -> Array:
    if array.dtype.kind != "b":
        limits = np.iinfo(DTYPES[datatype])  # type: ignore[type-var]
        for value in (int(array.min()), int(array.max())):
            if not int(limits.min) <= value <= int(limits.max):
                raise InvalidInputError(
                    f"input {name!r} takes {datatype}, which is {limits.min} to {limits.max}, but has the value {value}"
                )
    return array.astype(DTYPES[datatype])
