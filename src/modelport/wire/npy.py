"""Arrays in NumPy's .npy format, both ways, without pickle.

Source of the format: NumPy Enhancement Proposal 1, and `numpy.lib.format`.
"""

from __future__ import annotations

import io

import numpy as np

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError
from modelport.wire.http import Buffer

NPY = "application/x-npy"
_MAGIC = b"\x93NUMPY"
#: The header is a Python literal; more characters than this are no plain array's, and cost time to parse.
_LONGEST_HEAD = 4096


def array_from_npy(body: Buffer) -> Array:
    """The array in a .npy file; a view of the bytes where their layout allows. Raises InvalidInputError."""
    head = bytes(body[: _LONGEST_HEAD + 12])
    if head[:6] != _MAGIC or len(head) < 10:
        raise InvalidInputError("the body is not a .npy file: it should begin with \\x93NUMPY")
    shape, fortran, dtype, at = _header(head)
    if dtype.hasobject:
        raise InvalidInputError("the .npy file holds Python objects (pickle), which are never loaded; send numbers")
    if dtype.kind not in "biufUS" or not dtype.itemsize:
        raise InvalidInputError(f"the .npy file holds {str(dtype)[:60]}; send numbers, booleans or texts")
    count = 1
    for size in shape:
        count *= size
    found = len(body) - at
    if found != count * dtype.itemsize:
        raise InvalidInputError(
            f"the .npy file has {found} bytes of data, but its shape {list(shape)} of {dtype} needs "
            f"{count * dtype.itemsize}"
        )
    if not count or len(shape) > 32:
        raise InvalidInputError(f"the .npy file's shape {str(list(shape))[:60]} holds no rows or too many dimensions")
    flat: Array = np.frombuffer(body, np.uint8 if dtype.kind == "b" else dtype, count, at)
    if dtype.kind == "b":
        flat = flat != 0
    array = flat.reshape(shape, order="F" if fortran else "C")
    return _native(array)


def npy_from_array(array: Array) -> bytes:
    """The array as a .npy file. It holds numbers, booleans or fixed-width text."""
    made = io.BytesIO()
    np.lib.format.write_array(made, array, allow_pickle=False)
    return made.getvalue()


def _header(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype[np.generic], int]:
    stream = io.BytesIO(head)
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = read(stream, max_header_size=_LONGEST_HEAD)
    except Exception:  # a literal can be wrong in many ways, and NumPy's parser raises what Python's does
        raise InvalidInputError("the .npy file's header is not valid; write it with numpy.save") from None
    if not all(0 <= size < 2**48 for size in shape):
        raise InvalidInputError("the .npy file's header has a shape that no array can have")
    return shape, fortran, dtype, stream.tell()


def _native(array: Array) -> Array:
    """In this machine's byte order, at an aligned address."""
    if not array.dtype.isnative:
        return array.astype(array.dtype.newbyteorder("="))
    return array if array.flags.aligned else array.copy()
