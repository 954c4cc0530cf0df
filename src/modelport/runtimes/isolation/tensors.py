"""Arrays to messages and back: small ones within the message, large ones through shared memory.

What comes from a model's process is checked as what comes from the network is: a datatype that there is, a shape that
has as many elements as there are bytes, and bytes that lie within the region.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, NAMES, Array
from modelport.core.errors import InvalidInputError
from modelport.runtimes.isolation.messages import Tensor

#: Arrays that take no more bytes together go within the message: cheaper than a second place to look.
INLINE = 16 << 10
_ALIGNMENT = 64
_LENGTH = np.dtype("<u4")
_MOST_AXES = 32


class BadTensorError(ValueError):
    """What a process says of an array is not so."""


def pack(arrays: Mapping[str, Array], region_for: Callable[[int], Array]) -> list[Tensor]:
    """Arrays as messages. `region_for(size)` gives at least that many bytes of shared memory to write to."""
    plain = {name: _as_bytes(name, array) for name, array in arrays.items()}
    if sum(data.nbytes for data in plain.values()) <= INLINE:
        return [_tensor(name, arrays[name], data.nbytes, -1, data.tobytes()) for name, data in plain.items()]
    offsets, total = _offsets(list(plain.values()))
    memory = region_for(total)
    tensors = []
    for (name, data), offset in zip(plain.items(), offsets, strict=True):
        memory[offset : offset + data.nbytes] = data
        tensors.append(_tensor(name, arrays[name], data.nbytes, offset))
    return tensors


def unpack(tensors: Sequence[Tensor], memory: Array | None, copy: bool) -> dict[str, Array]:
    """The arrays: copies, or read-only views of the memory. Raises BadTensorError naming the one that is not so."""
    arrays: dict[str, Array] = {}
    for tensor in tensors:
        if tensor.name in arrays:
            raise BadTensorError(f"{tensor.name!r} comes twice")
        arrays[tensor.name] = _array(tensor, _content(tensor, memory), copy)
    return arrays


def _tensor(name: str, array: Array, size: int, offset: int, data: bytes = b"") -> Tensor:
    return Tensor(name, NAMES[array.dtype], list(array.shape), size, offset, data)


def _as_bytes(name: str, array: Array) -> Array:
    """The array's bytes in one row; of texts the lengths first, then the texts."""
    if array.dtype not in NAMES:
        raise InvalidInputError(f"{name!r} has dtype {array.dtype}, which is no datatype of the protocol")
    if array.dtype != DTYPES[BYTES]:
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    items = [item if isinstance(item, bytes) else str(item).encode() for item in array.ravel().tolist()]
    lengths = np.fromiter(map(len, items), _LENGTH, len(items))
    return np.frombuffer(lengths.tobytes() + b"".join(items), np.uint8)


def _offsets(parts: Sequence[Array]) -> tuple[list[int], int]:
    offsets, end = [], 0
    for part in parts:
        start = -(-end // _ALIGNMENT) * _ALIGNMENT
        offsets.append(start)
        end = start + part.nbytes
    return offsets, end


def _content(tensor: Tensor, memory: Array | None) -> Array:
    if tensor.offset < 0:
        content: Array = np.frombuffer(tensor.data, np.uint8)
    elif memory is None or not 0 <= tensor.size <= len(memory) - tensor.offset:
        raise BadTensorError(f"{tensor.name!r} is said to lie outside of the shared memory")
    else:
        content = memory[tensor.offset : tensor.offset + tensor.size]
    if content.nbytes != tensor.size:
        raise BadTensorError(f"{tensor.name!r} is said to have {tensor.size} bytes, and has {content.nbytes}")
    return content


def _array(tensor: Tensor, content: Array, copy: bool) -> Array:
    dtype, shape = DTYPES.get(tensor.datatype), tensor.shape
    if dtype is None:
        raise BadTensorError(f"{tensor.name!r} has no known datatype: {tensor.datatype[:40]!r}")
    if len(shape) > _MOST_AXES or any(size < 0 for size in shape):
        raise BadTensorError(f"{tensor.name!r} has an impossible shape")
    count = math.prod(shape)
    if tensor.datatype == BYTES:
        return _texts(tensor.name, content.tobytes(), count).reshape(shape)
    if count * dtype.itemsize != tensor.size:
        raise BadTensorError(f"{tensor.name!r} has {tensor.size} bytes, but its shape {shape} takes another number")
    if tensor.datatype == "BOOL" and copy:
        content = np.not_equal(content, 0).view(np.uint8)  # what is neither 0 nor 1 is no bool of numpy's
    given: Array = (content.copy() if copy else content).view(dtype).reshape(shape)
    return given


def _texts(name: str, content: bytes, count: int) -> Array:
    head = count * _LENGTH.itemsize
    if head > len(content):
        raise BadTensorError(f"{name!r} has fewer texts than its shape says")
    lengths = np.frombuffer(content, _LENGTH, count).tolist()
    if head + sum(lengths) != len(content):
        raise BadTensorError(f"{name!r} has texts of other lengths than it says")
    out, place = np.empty(count, np.object_), head
    for index, length in enumerate(lengths):
        out[index] = content[place : place + length]
        place += length
    return out
