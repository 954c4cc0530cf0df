"""Requests that begin like an earlier one: a client's requests differ in their raw tensors and their id alone.

What stands before the first raw tensor is remembered with what it meant. A request of the same length that begins with
the same bytes means the same, so its arrays can be made without parsing. Everything else is parsed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from modelport.core.datatypes import Array
from modelport.core.messages import InferenceRequest
from modelport.core.signature import Signature
from modelport.wire.http import Buffer
from modelport.wire.open_inference_grpc_messages import message as message_class
from modelport.wire.open_inference_grpc_messages import parsed
from modelport.wire.open_inference_grpc_scan import Spans, scan

#: Heads that are remembered; one more empties the memory, so that nobody can fill it.
_REMEMBERED = 1024
#: As many lengths of heads are tried for a message at most.
_SIZES = 8
#: Longer heads are not worth it; messages longer than that are not copied.
LONGEST_HEAD, LONGEST_MESSAGE = 2048, 65536
_REQUEST = message_class("ModelInferRequest")
_NAME, _VERSION, _ID = 1 << 3 | 2, 2 << 3 | 2, 3 << 3 | 2


@dataclass(frozen=True, slots=True)
class Head:
    """What a remembered beginning meant, for the model that had `signature` then."""

    model: str
    version: int | None
    signature: Signature
    outputs: tuple[str, ...] | None
    #: name, shape, dtype, and where its bytes are in the message.
    tensors: tuple[tuple[str, tuple[int, ...], np.dtype[np.generic], int, int], ...]
    #: What has to stand between two raw tensors, with its place.
    between: tuple[tuple[int, int, bytes], ...]

    def request(self, message: bytes, request_id: str) -> InferenceRequest | None:
        """The request, or None where the message is not what it seemed to be."""
        for start, stop, wanted in self.between:
            if message[start:stop] != wanted:
                return None
        inputs: dict[str, Array] = {}
        for name, shape, dtype, start, stop in self.tensors:
            # a slice of bytes is a small copy, but an aligned one
            inputs[name] = np.ndarray(shape, dtype, message[start:stop])
        return InferenceRequest(inputs, self.outputs, request_id)

    def request_in(self, message: memoryview, request_id: str) -> InferenceRequest | None:
        """The same for a large message: its arrays are views of it, unless they would not be aligned."""
        for start, stop, wanted in self.between:
            if message[start:stop] != wanted:
                return None
        inputs: dict[str, Array] = {}
        for name, shape, dtype, start, _ in self.tensors:
            array: Array = np.ndarray(shape, dtype, message, start)
            inputs[name] = array if array.flags.aligned else array.copy()
        return InferenceRequest(inputs, self.outputs, request_id)


@dataclass(slots=True)
class _OfLength:
    """The heads of messages of one length; `sizes` are the lengths of the heads themselves."""

    sizes: tuple[int, ...] = ()
    heads: dict[bytes, Head] = field(default_factory=dict)


class Heads:
    """The memory. Belongs to one thread."""

    def __init__(self) -> None:
        self._by_length: dict[int, _OfLength] = {}
        self._count = 0
        self._lengths: set[int] = set()

    def find(self, length: int, beginning: bytes) -> Head | None:
        """What a message of the same length and beginning meant."""
        known = self._by_length.get(length)
        if known is not None:
            for size in known.sizes:
                head = known.heads.get(beginning[:size])
                if head is not None:
                    return head
        return None

    def came_before(self, length: int) -> bool:
        """Whether a large message of that length was asked about already: learning from one that was not costs more
        than it saves where each has another length, as those of texts and pictures have.
        """
        if length in self._lengths:
            return True
        if len(self._lengths) >= _REMEMBERED:
            self._lengths.clear()
        self._lengths.add(length)
        return False

    def learn(self, message: Buffer, request: InferenceRequest, model: str, version: int | None, by: Signature) -> None:
        """Remember a request that was read the careful way, if the next one like it can be read quickly.

        Its inputs all came raw, in this order; it has no id and no parameters of any kind.
        """
        spans = scan(message)
        if spans is None or len(spans.raw) != len(request.inputs) or not _usual(message, spans):
            return
        start = spans.raw[0][0]
        if start > LONGEST_HEAD or spans.raw[-1][1] != len(message):
            return
        tensors = []
        for (name, array), (first, end) in zip(request.inputs.items(), spans.raw, strict=True):
            if array.dtype.kind in "Ob" or end - first != array.nbytes or not array.nbytes:
                return
            tensors.append((name, array.shape, array.dtype, first, end))
        gaps = [(end, first) for (_, end), (first, _) in zip(spans.raw, spans.raw[1:], strict=False)]
        between = tuple((end, first, bytes(message[end:first])) for end, first in gaps)
        self._keep(message, start, Head(model, version, by, request.outputs, tuple(tensors), between))

    def _keep(self, message: Buffer, size: int, head: Head) -> None:
        if self._count >= _REMEMBERED:
            self._by_length.clear()
            self._count = 0
        self._count += 1
        known = self._by_length.get(len(message))
        if known is None or len(known.sizes) >= _SIZES:
            known = self._by_length[len(message)] = _OfLength()
        known.heads[bytes(message[:size])] = head
        if size not in known.sizes:
            known.sizes = (*known.sizes, size)


def _usual(message: Buffer, spans: Spans) -> bool:
    """Whether the other fields are written as every library writes them: an empty id, say, is left out."""
    rest = b"".join(message[start:end] for start, end in spans.rest)
    return bool(rest == parsed(_REQUEST, rest).SerializeToString())


def without_id(message: bytes) -> tuple[bytes, str] | None:
    """A message less its `id` field, and the id; None where it has none in the usual place, behind name and version."""
    try:
        if message[0] != _NAME or message[1] > 127:
            return None
        at = 2 + message[1]
        if message[at] == _VERSION and message[at + 1] < 128:
            at += 2 + message[at + 1]
        size = message[at + 1]
        end = at + 2 + size
        if message[at] != _ID or not 0 < size < 128 or end > len(message):
            return None
        return message[:at] + message[end:], message[at + 2 : end].decode()
    except (IndexError, UnicodeDecodeError):
        return None
