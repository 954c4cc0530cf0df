"""Where the raw tensors lie in a ModelInferRequest or its response, without parsing it: large ones must not be copied.

Source: protobuf "Encoding".
"""

from __future__ import annotations

from dataclasses import dataclass

from modelport.wire.http import Buffer

#: The tags of the raw tensors in a request and in a response.
RAW_INPUT_CONTENTS, RAW_OUTPUT_CONTENTS = 7 << 3 | 2, 6 << 3 | 2
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
#: Bytes in which the first raw tensor is looked for: a message of tiny fields must not cost much before it is read.
_LONGEST_BEGINNING = 4096

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Spans:
    """Start and end of each raw tensor, in their order, and of what is between them: every other field, whole."""

    raw: list[Span]
    rest: list[Span]


def scan(message: Buffer, tensors: int = RAW_INPUT_CONTENTS) -> Spans | None:
    """The spans of a message, or None where it is not well-formed or has anything unusual at its top level.

    `tensors` is the tag of its raw tensors.
    """
    raw: list[Span] = []
    rest: list[Span] = []
    at, unclaimed, end = 0, 0, len(message)
    while at < end:
        start = at
        tag, at = _varint(message, at, end)
        if at < 0 or tag >> 3 == 0:
            return None
        at = _after(message, tag & 7, at, end)
        if at < 0:
            return None
        if tag == tensors:
            if start > unclaimed:
                rest.append((unclaimed, start))
            size, begin = _varint(message, start + 1, end)
            if begin + size != at:
                return None  # a tag that was written longer than it needs
            raw.append((begin, at))
            unclaimed = at
    if end > unclaimed:
        rest.append((unclaimed, end))
    return Spans(raw, rest)


def raw_start(beginning: Buffer) -> int:
    """Where the first raw tensor begins in a message of which this is the beginning; 0 where that can't be seen."""
    at, last = 0, min(len(beginning), _LONGEST_BEGINNING) - 1
    while 0 <= at < last:
        tag, size = beginning[at], beginning[at + 1]
        if tag < 8:
            return 0
        if tag < 128 and tag & 7 == _LENGTH and tag != RAW_INPUT_CONTENTS and size < 128:
            at += 2 + size  # name, version, id and what describes an input: without a call for each number
            continue
        tag, at = _varint(beginning, at, last + 1)
        if at < 0:
            return 0
        if tag == RAW_INPUT_CONTENTS:
            return max(_varint(beginning, at, last + 1)[1], 0)
        at = _after(beginning, tag & 7, at, last + 1)
    return 0


def _after(message: Buffer, wire_type: int, at: int, end: int) -> int:
    """Where a field's value that begins at `at` ends; −1 where it doesn't."""
    if wire_type == _LENGTH:
        size, at = _varint(message, at, end)
        if at >= 0:
            at += size
    elif wire_type == _VARINT:
        _, at = _varint(message, at, end)
    elif wire_type == _FIXED64:
        at += 8
    elif wire_type == _FIXED32:
        at += 4
    else:  # groups
        return -1
    return at if at <= end else -1


def _varint(message: Buffer, at: int, end: int) -> tuple[int, int]:
    """The number there, and where it ends; (0, −1) where there is none of at most five bytes."""
    value = shift = 0
    for index in range(at, min(at + 5, end)):
        byte = message[index]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, index + 1
        shift += 7
    return 0, -1


def varint(value: int) -> bytes:
    """A number as protobuf writes it."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
