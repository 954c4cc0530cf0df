"""Packed varints (protobuf's way to write integers) ⇄ arrays, without a step of Python for each element.

Source: Protocol Buffers "Encoding".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modelport.core.datatypes import Array
from modelport.wire.http import Buffer

Words = NDArray[np.uint64]

#: A varint of 64 bits has no more bytes.
_LONGEST = 10


class BrokenVarintError(ValueError):
    """The bytes are not varints one after the other."""


def unpack_varints(packed: Buffer) -> Words:
    """The integers as 64-bit words: negative ones in two's complement. Raises BrokenVarintError."""
    raw = np.frombuffer(packed, np.uint8)
    if not raw.size:
        return np.empty(0, np.uint64)
    if raw[-1] >= 0x80:
        raise BrokenVarintError("the last integer is cut short")
    ends = np.flatnonzero(raw < 0x80)
    if len(ends) == len(raw):
        return raw.astype(np.uint64)
    starts = np.empty_like(ends)
    starts[0] = 0
    starts[1:] = ends[:-1] + 1
    lengths = ends - starts + 1
    longest = int(lengths.max())
    if longest > _LONGEST:
        raise BrokenVarintError("an integer has more than 10 bytes")
    words = (raw[starts] & 0x7F).astype(np.uint64)
    for place in range(1, longest):
        longer = np.flatnonzero(lengths > place)
        more = (raw[starts[longer] + place] & 0x7F).astype(np.uint64)
        words[longer] |= more << np.uint64(7 * place)
    return words


def pack_varints(array: Array) -> bytes:
    """A flat array of integers or bools as packed varints; negative ones take ten bytes, as protobuf has it."""
    if array.dtype.kind == "b":
        return array.tobytes()
    words: Words = array.astype(np.int64).view(np.uint64) if array.dtype.kind == "i" else array.astype(np.uint64)
    greatest = int(words.max()) if words.size else 0
    if greatest < 0x80:
        return words.astype(np.uint8).tobytes()
    longest = (greatest.bit_length() + 6) // 7
    lengths = np.ones(len(words), np.int64)
    for place in range(1, longest):
        lengths += words >= np.uint64(1 << 7 * place)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    packed = np.empty(int(ends[-1]), np.uint8)
    for place in range(longest):
        long_enough = np.flatnonzero(lengths > place)
        packed[starts[long_enough] + place] = (words[long_enough] >> np.uint64(7 * place)).astype(np.uint8) | 0x80
    packed[ends - 1] &= 0x7F
    return packed.tobytes()


def varint(number: int) -> bytes:
    """One integer, not negative."""
    if number < 0x80:
        return bytes((number,))
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
