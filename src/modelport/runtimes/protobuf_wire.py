"""The Protocol Buffers wire format, read field by field without copying: what is not asked for is stepped over.

Source: "Encoding" in the Protocol Buffers documentation. Nothing is known here about any message's meaning.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator

Buffer = bytes | mmap.mmap

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

#: Field number, wire type, and two numbers: a varint's value and the position after it, or where the payload lies.
Field = tuple[int, int, int, int]


class WireError(ValueError):
    """The bytes are not a message: `offset` is where that shows, `reason` is how."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"at byte {offset}, {reason}")
        self.offset = offset


def fields(buffer: Buffer, start: int, stop: int) -> Iterator[Field]:
    """The fields of the message between two positions, in the order they are written. Raises WireError."""
    position = start
    while position < stop:
        tag_at = position
        tag, position = varint(buffer, position, stop)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise WireError(tag_at, f"a field has the impossible number {number}")
        if wire == VARINT:
            value, position = varint(buffer, position, stop)
            yield number, wire, value, position
            continue
        length, position = _payload(buffer, position, stop, wire, tag_at)
        if length > stop - position:
            raise WireError(tag_at, f"field {number} takes {length} bytes, but only {stop - position} are left")
        yield number, wire, position, position + length
        position += length


def varint(buffer: Buffer, position: int, stop: int) -> tuple[int, int]:
    """An unsigned number of up to 64 bits, and the position after it. Raises WireError."""
    if position >= stop:
        raise WireError(position, "the data ends inside a field")
    byte = buffer[position]
    if byte < 0x80:
        return byte, position + 1
    value, shift, start = byte & 0x7F, 7, position
    while byte >= 0x80:
        position += 1
        if position >= stop:
            raise WireError(start, "the data ends inside a number")
        if shift > 63:
            raise WireError(start, "a number is longer than 64 bits")
        byte = buffer[position]
        value |= (byte & 0x7F) << shift
        shift += 7
    return value & 0xFFFF_FFFF_FFFF_FFFF, position + 1


def signed(value: int) -> int:
    """An int64 or int32 from the varint that carries it."""
    return value - (1 << 64) if value >= 1 << 63 else value


def text(buffer: Buffer, start: int, stop: int) -> str:
    """A string field. Raises WireError where it is not UTF-8."""
    try:
        return buffer[start:stop].decode()
    except UnicodeDecodeError:
        raise WireError(start, "a text is not UTF-8") from None


def rough_text(buffer: Buffer, start: int, stop: int) -> str:
    """A string field that is only shown or compared: what is not UTF-8 in it becomes U+FFFD."""
    return buffer[start:stop].decode(errors="replace")


def _payload(buffer: Buffer, position: int, stop: int, wire: int, tag_at: int) -> tuple[int, int]:
    if wire == BYTES:
        return varint(buffer, position, stop)
    if wire == FIXED32:
        return 4, position
    if wire == FIXED64:
        return 8, position
    raise WireError(tag_at, f"a field has wire type {wire}, which does not exist")
