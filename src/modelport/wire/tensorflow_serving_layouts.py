"""Where things are in a PredictRequest's bytes: found by a walk through its fields, then known for all that are alike.

Source of the encoding: Protocol Buffers "Encoding"; of the fields: tensorflow_serving/apis/predict.proto, model.proto
and tensorflow/core/framework/tensor.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

#: A request with more fields than this is not walked through: that is protobuf's work.
_MOST_FIELDS = 512
#: Layouts with more bytes beside the tensors are not kept.
_LONGEST_KEPT = 4096

# Tags: a field's number and its wire type, 0 for a varint and 2 for bytes with their length.
_KEY, _VALUE = 0x0A, 0x12
_MODEL_SPEC, _INPUT, _OUTPUT_FILTER = 0x0A, 0x12, 0x1A
_NAME, _VERSION, _SIGNATURE, _LABEL = 0x0A, 0x12, 0x1A, 0x22
_DTYPE, _SHAPE, _VERSION_NUMBER, _CONTENT = 0x08, 0x12, 0x18, 0x22
_DIM, _SIZE, _DIM_NAME = 0x12, 0x08, 0x12
#: The packed typed fields.
_PACKED = frozenset(number << 3 | 2 for number in (5, 6, 7, 10, 11, 13, 16, 17))


class UnusualError(Exception):
    """Right or wrong, it is for protobuf to say."""


@dataclass(slots=True)
class TensorPlace:
    """What a TensorProto declares, and where its data is: in `tensor_content`, or packed in the typed field `field`."""

    name: str = ""
    dtype: int = 0
    shape: tuple[int, ...] = ()
    content: bool = False
    field: int = 0
    start: int = 0
    stop: int = 0


@dataclass(slots=True)
class Layout:
    """One request's fields, and the bytes beside its tensors, which tell whether another request is alike."""

    name: str = ""
    version: int | None = None
    label: str = ""
    signature: str = ""
    tensors: list[TensorPlace] = field(default_factory=list)
    outputs: tuple[str, ...] | None = None
    remembered: bool = False
    _prefix: bytes = b""
    _suffix: bytes = b""
    _between: tuple[tuple[int, int, bytes], ...] = ()

    def fits(self, data: bytes) -> bool:
        """Whether a message of the same length differs from this one in the tensors' bytes alone."""
        if not (data.startswith(self._prefix) and data.endswith(self._suffix)):
            return False
        return not self._between or all(data[start:stop] == same for start, stop, same in self._between)

    def freeze(self, data: bytes) -> None:
        """Remember the bytes beside the tensors, unless they are too many."""
        places = sorted((place.start, place.stop) for place in self.tensors if place.stop)
        if not places:
            return
        gaps = [(stop, start) for (_, stop), (start, _) in pairwise(places)]
        first, last = places[0][0], places[-1][1]
        if first + len(data) - last + sum(stop - start for start, stop in gaps) > _LONGEST_KEPT:
            return
        self._prefix, self._suffix = data[:first], data[last:]
        self._between = tuple((start, stop, data[start:stop]) for start, stop in gaps)
        self.remembered = True


def layout_of(data: bytes) -> Layout:
    """The layout of a request. Raises UnusualError where anything in it is unusual."""
    try:
        return _Walk(data).request()
    except (IndexError, UnicodeDecodeError):
        raise UnusualError from None


class _Walk:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = _MOST_FIELDS

    def request(self) -> Layout:
        layout, outputs = Layout(), []
        has_spec = False
        for tag, start, stop in self._fields(0, len(self._data)):
            if tag == _INPUT:
                layout.tensors.append(self._input(start, stop))
            elif tag == _OUTPUT_FILTER:
                outputs.append(self._text(start, stop))
            elif tag == _MODEL_SPEC and not has_spec:
                has_spec = True
                self._spec(layout, start, stop)
            else:
                raise UnusualError
        if not has_spec or len({place.name for place in layout.tensors}) != len(layout.tensors):
            raise UnusualError
        layout.outputs = tuple(outputs) or None
        layout.freeze(self._data)
        return layout

    def _spec(self, layout: Layout, start: int, stop: int) -> None:
        seen = 0
        for tag, at, end in self._fields(start, stop):
            if tag == _NAME:
                layout.name = self._text(at, end)
            elif tag == _SIGNATURE:
                layout.signature = self._text(at, end)
            elif tag == _VERSION and layout.label == "":
                layout.version = self._wrapped(at, end)
                seen += 1
            else:  # labels as well: protobuf knows which of the two counts
                raise UnusualError
        if seen > 1:
            raise UnusualError

    def _wrapped(self, start: int, stop: int) -> int:
        """An Int64Value."""
        number = 0
        for tag, value, _ in self._fields(start, stop):
            if tag != 0x08:
                raise UnusualError
            number = value
        return number

    def _input(self, start: int, stop: int) -> TensorPlace:
        """An entry of the map `inputs`: key and value, in either order."""
        place, seen = TensorPlace(), set()
        for tag, at, end in self._fields(start, stop):
            if tag in seen:
                raise UnusualError
            seen.add(tag)
            if tag == _KEY:
                place.name = self._text(at, end)
            elif tag == _VALUE:
                self._tensor(place, at, end)
            else:
                raise UnusualError
        return place

    def _tensor(self, place: TensorPlace, start: int, stop: int) -> None:
        seen = set()
        for tag, at, end in self._fields(start, stop):
            if tag in seen:
                raise UnusualError
            seen.add(tag)
            if tag == _DTYPE:
                place.dtype = at
            elif tag == _SHAPE:
                place.shape = tuple(self._dimension(*dim) for dim in self._fields(at, end))
            elif tag == _CONTENT or tag in _PACKED:
                if place.stop:
                    raise UnusualError
                place.content, place.field = tag == _CONTENT, tag >> 3
                place.start, place.stop = at, end
            elif tag != _VERSION_NUMBER:
                raise UnusualError
        if place.stop == place.start:  # nothing in it: zeros, or nothing at all
            raise UnusualError

    def _dimension(self, tag: int, start: int, stop: int) -> int:
        if tag != _DIM:
            raise UnusualError
        size = 0
        for inner, value, _ in self._fields(start, stop):
            if inner == _SIZE:
                size = value
            elif inner != _DIM_NAME:
                raise UnusualError
        return size

    def _text(self, start: int, stop: int) -> str:
        return self._data[start:stop].decode()

    def _fields(self, at: int, end: int) -> Iterator[tuple[int, int, int]]:
        """(tag, start, stop) of each field of bytes, (tag, value, 0) of each varint."""
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise UnusualError
            tag, at = self._varint(at)
            if tag & 7 == 2:
                length, at = self._varint(at)
                if at + length > end:
                    raise UnusualError
                yield tag, at, at + length
                at += length
            elif tag & 7 == 0:
                value, at = self._varint(at)
                yield tag, value, 0
            else:
                raise UnusualError
        if at != end:
            raise UnusualError

    def _varint(self, at: int) -> tuple[int, int]:
        """A number of at most 63 bits, and where it ends."""
        byte = self._data[at]
        if byte < 0x80:
            return byte, at + 1
        value, shift = byte & 0x7F, 7
        while byte >= 0x80:
            at += 1
            byte = self._data[at]
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise UnusualError
        return value, at + 1
