"""Arrays → TensorFlow's TensorProto, with the values in typed fields, as TensorFlow Serving answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from modelport.core.datatypes import DTYPES, NAMES, Array, datatype_of
from modelport.wire.http import Buffer
from modelport.wire.tensor_proto import TYPES, TensorType
from modelport.wire.tensor_proto_varints import pack_varints, varint

#: The dtypes whose elements' own bytes are the packed field.
_AS_THEY_ARE = frozenset(DTYPES[kind.datatype] for kind in TYPES.values() if kind.form == "fixed")
#: A varint is 64 bits wide, negative numbers in two's complement.
_WORD = 0xFFFF_FFFF_FFFF_FFFF
#: Up to this many bytes a tensor is copied into its message; a longer one stays a buffer of its own.
_COPIED = 16384
#: Heads that are remembered; one more empties the memory.
_REMEMBERED = 4096
_heads: dict[tuple[int, str, np.dtype[np.generic], tuple[int, ...], int], bytes] = {}
#: Those of short arrays whose bytes are the packed field, where the shape says all: the hot path.
_short: dict[tuple[int, str, np.dtype[np.generic], tuple[int, ...]], bytes] = {}


def map_entry(number: int, name: str, array: Array) -> list[Buffer]:
    """A `map<string, TensorProto>` entry of the field with that number, as buffers. The array must not change."""
    dtype = array.dtype
    short = _short.get((number, name, dtype, array.shape))
    if short is not None:
        return [short, array.tobytes()]
    if dtype in _AS_THEY_ARE:
        return _fixed_entry(number, name, array)
    kind = TYPES[datatype_of(array)]
    if kind.form == "strings":
        strings = b"".join(map(_string, array.ravel().tolist()))
        return [_head(number, name, kind, array.shape, 0, len(strings)), strings]
    values = _values(kind, array)
    return [_known_head(number, name, dtype, array.shape, len(values)), values]


def _fixed_entry(number: int, name: str, array: Array) -> list[Buffer]:
    size = array.nbytes
    head = _known_head(number, name, array.dtype, array.shape, size)
    if size > _COPIED:
        return [head, _bytes_of(array)]
    if len(_short) >= _REMEMBERED:
        _short.clear()
    _short[number, name, array.dtype, array.shape] = head
    return [head, array.tobytes()]


def row_entries(number: int, name: str, array: Array) -> list[bytes]:
    """For each row of an array, the entry of an array of that row alone."""
    dtype, shape = array.dtype, (1, *array.shape[1:])
    if dtype in _AS_THEY_ARE and array.size:
        raw, size = array.tobytes(), array.nbytes // len(array)
        head = _known_head(number, name, dtype, shape, size)
        return [head + raw[at : at + size] for at in range(0, len(raw), size)]
    if dtype.kind in "iu" and array.size == len(array):
        values = [varint(value & _WORD) for value in array.ravel().tolist()]
        return [_known_head(number, name, dtype, shape, len(value)) + value for value in values]
    return [b"".join(map_entry(number, name, array[row : row + 1])) for row in range(len(array))]


def encode_tensor(array: Array) -> bytes:
    """A whole TensorProto."""
    kind = TYPES[datatype_of(array)]
    if kind.form == "strings":
        return _described(kind, array.shape) + b"".join(map(_string, array.ravel().tolist()))
    values = _values(kind, array)
    return b"".join((_described(kind, array.shape), _field_head(kind, len(values)), values))


def _values(kind: TensorType, array: Array) -> Buffer:
    """The bytes of the packed field."""
    if kind.form == "fixed":
        return _bytes_of(array)
    if array.size == 1 and kind.form == "varints":
        return varint(int(array.item()) & _WORD)
    flat = array.reshape(-1)
    return pack_varints(flat.view(np.uint16) if kind.form == "bits" else flat)


def _bytes_of(array: Array) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _known_head(number: int, name: str, dtype: np.dtype[np.generic], shape: tuple[int, ...], size: int) -> bytes:
    key = (number, name, dtype, shape, size)
    head = _heads.get(key)
    if head is None:
        if len(_heads) >= _REMEMBERED:
            _heads.clear()
        head = _heads[key] = _head(number, name, TYPES[NAMES[dtype]], shape, size)
    return head


def _head(number: int, name: str, kind: TensorType, shape: Sequence[int], packed: int, strings: int = 0) -> bytes:
    """What stands before the values in an entry: `packed` bytes in one field, or `strings` bytes of whole fields."""
    described = _described(kind, shape) + _field_head(kind, packed)
    key = name.encode()
    size = len(described) + packed + strings
    inner = b"\x0a" + varint(len(key)) + key + b"\x12" + varint(size) + described
    return varint(number << 3 | 2) + varint(len(inner) + packed + strings) + inner


def _described(kind: TensorType, shape: Sequence[int]) -> bytes:
    """The fields `dtype` and `tensor_shape`."""
    dims = b"".join(_dimension(size) for size in shape)
    return b"\x08" + varint(kind.number) + b"\x12" + varint(len(dims)) + dims


def _dimension(size: int) -> bytes:
    if size == 0:
        return b"\x12\x00"
    inner = b"\x08" + varint(size)
    return b"\x12" + varint(len(inner)) + inner


def _field_head(kind: TensorType, packed: int) -> bytes:
    return varint(kind.field_number << 3 | 2) + varint(packed) if packed else b""


def _string(item: object) -> bytes:
    encoded = item if isinstance(item, bytes) else str(item).encode()
    return b"\x42" + varint(len(encoded)) + encoded
