"""Tensors as raw bytes: row-major, little-endian, BYTES elements behind a 4-byte length.

Source of the format: Open Inference Protocol v2, "Binary Tensor Data Extension" and `raw_input_contents`.
"""

from __future__ import annotations

import struct
from math import prod

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, Array
from modelport.core.errors import InvalidInputError
from modelport.wire.http import Buffer

#: No array has more dimensions (numpy's limit), and none is longer (what fits into 63 bits).
_MOST_DIMENSIONS, _LONGEST = 64, 2**63 - 1
#: A tensor without elements may declare no more than this along its other dimensions: the model may allocate them.
_EMPTY = 1 << 24


def check_shape(name: str, shape: list[int]) -> None:
    """Raise InvalidInputError for a shape that no array can have."""
    if len(shape) > _MOST_DIMENSIONS:
        raise InvalidInputError(f"input {name!r} has {len(shape)} dimensions; {_MOST_DIMENSIONS} are the most")
    for size in shape:
        if not 0 <= size <= _LONGEST:
            if size < 0:
                raise InvalidInputError(f"input {name!r} has the negative dimension {size} in its shape {shape}")
            raise InvalidInputError(f"input {name!r} has a dimension in its shape that no array can have")


def array_from_raw(name: str, datatype: str, shape: list[int], raw: memoryview) -> Array:
    """The tensor in `raw`, without a copy where the datatype allows. `datatype` is known and the shape not negative.

    Raises InvalidInputError, naming the tensor, unless the bytes are exactly as many as the shape needs.
    """
    if datatype == BYTES:
        return shaped(name, _elements(name, raw), shape)
    dtype = DTYPES[datatype]
    needed = prod(shape) * dtype.itemsize
    if len(raw) != needed:
        raise InvalidInputError(
            f"input {name!r} has {len(raw)} bytes of data, but its shape {shape} of {datatype} needs {needed}"
        )
    if datatype == "BOOL":
        return shaped(name, np.frombuffer(raw, np.uint8) != 0, shape)
    array = np.frombuffer(raw, dtype)
    if not array.flags.aligned:  # the JSON before it may have any length, and frameworks rely on aligned addresses
        array = array.copy()
    return shaped(name, array, shape)


def shaped(name: str, flat: Array, shape: list[int]) -> Array:
    """`flat` in the declared shape. Raises InvalidInputError where the count of elements differs."""
    if flat.size != prod(shape):
        raise InvalidInputError(
            f"input {name!r} has {flat.size} elements of data, but its shape {shape} needs {prod(shape)}"
        )
    if not flat.size and prod(size or 1 for size in shape) > _EMPTY:
        raise InvalidInputError(f"input {name!r} has no elements, but too long dimensions in its shape {shape}")
    try:
        return flat.reshape(shape)
    except (ValueError, OverflowError):
        raise InvalidInputError(f"input {name!r} has a shape that no array can have: {shape}") from None


def raw_from_array(array: Array) -> Buffer:
    """The tensor's bytes. A view on the array where its layout allows, so the array must not change afterwards."""
    if array.dtype.kind in "OSU":
        return _joined(array)
    contiguous = np.ascontiguousarray(array)
    return contiguous.reshape(-1).view(np.uint8).data


def _elements(name: str, raw: memoryview) -> Array:
    items: list[bytes] = []
    at, end = 0, len(raw)
    while at < end:
        if at + 4 > end:
            raise InvalidInputError(f"input {name!r}: {end - at} bytes are left over where a 4-byte length should be")
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4
        if at + length > end:
            raise InvalidInputError(
                f"input {name!r}: element {len(items)} should have {length} bytes, but only {end - at} are left"
            )
        items.append(bytes(raw[at : at + length]))
        at += length
    array = np.empty(len(items), np.object_)
    array[:] = items
    return array


def _joined(array: Array) -> bytes:
    parts: list[bytes] = []
    for item in array.ravel().tolist():
        encoded = item if isinstance(item, bytes) else str(item).encode()
        parts.append(struct.pack("<I", len(encoded)))
        parts.append(encoded)
    return b"".join(parts)
