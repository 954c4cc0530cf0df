"""Tensor datatypes by their Open Inference Protocol names, and the numpy dtypes that carry them.

Source of the names: Open Inference Protocol v2, "Tensor Data Types". BF16 is carried by `ml_dtypes.bfloat16`, the dtype
that the frameworks share; BYTES by object arrays whose elements are `bytes`.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from modelport.core.errors import InvalidInputError, ModelFailedError

Array = NDArray[np.generic]

BYTES = "BYTES"

#: Datatype name → numpy dtype, little-endian as on the wire and on every host that is supported.
DTYPES: dict[str, np.dtype[np.generic]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    BYTES: np.dtype(np.object_),
}
NAMES: dict[np.dtype[np.generic], str] = {dtype: name for name, dtype in DTYPES.items()}
FLOATS = frozenset({"FP16", "BF16", "FP32", "FP64"})
INTEGERS = frozenset(name for name in DTYPES if "INT" in name)


def dtype_of(datatype: str) -> np.dtype[np.generic]:
    """The numpy dtype that carries `datatype`. Raises InvalidInputError for an unknown name."""
    try:
        return DTYPES[datatype]
    except KeyError:
        known = ", ".join(DTYPES)
        raise InvalidInputError(f"unknown datatype {datatype!r}; the datatypes are {known}") from None


def integer_range(datatype: str) -> tuple[int, int]:
    """The least and the greatest value of an integer datatype."""
    bits = 8 * DTYPES[datatype].itemsize
    return (0, 2**bits - 1) if datatype.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def value_range(datatype: str) -> tuple[float, float]:
    """The least and the greatest finite value of a datatype of numbers."""
    if datatype in INTEGERS:
        return integer_range(datatype)
    limits = ml_dtypes.finfo(DTYPES[datatype])  # type: ignore[no-untyped-call]
    return float(limits.min), float(limits.max)


def datatype_of(array: Array) -> str:
    """The datatype of an array that a model gave. Raises ModelFailedError where no datatype carries it."""
    name = NAMES.get(array.dtype)
    if name is not None:
        return name
    if array.dtype.kind in "SU":
        return BYTES
    raise ModelFailedError(f"the model gave an array of dtype {array.dtype}, which has no datatype of the protocol")


def bytes_array(array: Array) -> Array:
    """An object array of the same shape whose elements are `bytes`; text is encoded as UTF-8."""
    out = np.empty(array.size, np.object_)
    out[:] = [item if isinstance(item, bytes) else str(item).encode() for item in array.ravel().tolist()]
    return out.reshape(array.shape)


def text_array(array: Array, name: str) -> Array:
    """An object array of `str` from a BYTES tensor. Raises InvalidInputError, naming it, where it is not UTF-8."""
    items = array.ravel().tolist()
    out = np.empty(len(items), np.object_)
    try:
        out[:] = [item.decode() if isinstance(item, bytes) else str(item) for item in items]
    except UnicodeDecodeError:
        index = next(index for index, item in enumerate(items) if isinstance(item, bytes) and not _is_utf8(item))
        raise InvalidInputError(f"element {index} of {name!r} is not UTF-8 text") from None
    return out.reshape(array.shape)


def _is_utf8(item: bytes) -> bool:
    try:
        item.decode()
    except UnicodeDecodeError:
        return False
    return True
