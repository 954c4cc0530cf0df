"""Typed contents of a ModelInferRequest's input: `fp32_contents` and so on, one list per family of datatypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, INTEGERS, Array, integer_range
from modelport.core.errors import InvalidInputError
from modelport.wire.tensors import shaped

#: Datatype → the list that carries it. FP16 and BF16 have none: they are sent as raw contents only.
FIELDS: dict[str, str] = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}


def array_from_contents(name: str, datatype: str, shape: list[int], contents: Any) -> Array:
    """The tensor. Raises InvalidInputError, naming it, where the list is not the datatype's or not of its size."""
    field = FIELDS.get(datatype)
    if field is None:
        raise InvalidInputError(f"input {name!r} is {datatype}, which has no typed contents: send raw_input_contents")
    filled = [descriptor.name for descriptor, _ in contents.ListFields()]
    if filled and filled != [field]:
        wrong = ", ".join(item for item in filled if item != field)
        raise InvalidInputError(f"input {name!r} is {datatype}, so its contents belong in {field}, not in {wrong}")
    if not filled and 0 not in shape:
        raise InvalidInputError(f"input {name!r} has neither raw_input_contents nor {field}")
    return shaped(name, _flat(name, datatype, getattr(contents, field), contents), shape)


def _flat(name: str, datatype: str, values: Any, contents: Any) -> Array:
    if datatype in ("FP32", "FP64"):
        # the only list, packed: its bytes end the message, behind a tag and a length
        size = len(values) * DTYPES[datatype].itemsize
        return np.frombuffer(contents.SerializeToString()[-size:] if size else b"", DTYPES[datatype])
    if datatype == BYTES:
        array = np.empty(len(values), np.object_)
        array[:] = list(values)
        return array
    if datatype not in INTEGERS or DTYPES[datatype].itemsize >= 4:
        return np.fromiter(values, DTYPES[datatype], len(values))
    return _narrow(name, datatype, np.fromiter(values, np.int64, len(values)))


def _narrow(name: str, datatype: str, wide: Any) -> Array:
    """8 and 16 bit integers travel in lists of 32 bit."""
    low, high = integer_range(datatype)
    if wide.size and (wide.min() < low or wide.max() > high):
        raise InvalidInputError(f"input {name!r} has a value outside {datatype}, which is {low} to {high}")
    narrow: Array = wide.astype(DTYPES[datatype])
    return narrow
