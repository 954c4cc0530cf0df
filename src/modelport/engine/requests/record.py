"""A logged request, as it is stored and as it is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, NAMES, Array
from modelport.core.errors import InvalidInputError
from modelport.core.request_id import parse_request_id

#: From so many bytes on an array is not copied before it is encoded.
_LARGE = 65536


class Tensor(msgspec.Struct, frozen=True, array_like=True):
    """An array: the raw elements, or a list of them where they are texts.

    `without` are the columns (places in the second axis of `shape`) that were hidden; the data has them not.
    """

    name: str
    datatype: str
    shape: list[int]
    data: Any
    without: list[int] = []

    def array(self) -> Array:
        """The array, without its hidden columns; not to be written to. Raises ValueError where the data is damaged."""
        shape = list(self.shape)
        if self.without:
            shape[1] -= len(self.without)
        if self.datatype == BYTES:
            array = np.empty(math.prod(shape), np.object_)
            array[:] = self.data
        else:
            array = np.frombuffer(self.data, DTYPES[self.datatype])
        return array.reshape(shape)


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One request and what became of it. Times are nanoseconds; `at` is when it was answered, since 1970.

    `inputs` None: they could not be read. `answers` are the responses, several of a model that streams, none of a
    request that failed: then `kind` and `text` say how. `hidden` and `hidden_outputs` name what was not stored.
    """

    id: str
    client_id: str
    at: int
    model: str
    version: int
    digest: str
    dialect: str
    inputs: list[Tensor] | None
    asked: list[str] | None
    answers: list[list[Tensor]]
    kind: str = ""
    text: str = ""
    decode: int = 0
    queue: int = 0
    compute: int = 0
    total: int = 0
    cache: str = ""
    hidden: list[str] = []
    hidden_outputs: list[str] = []
    signature: str = ""
    stateful: bool = False

    @property
    def rollout(self) -> int:
        """The rollout that it was part of; 0 for none."""
        return parse_request_id(self.id).rollout

    @property
    def moment(self) -> str:
        """When it was answered, as ISO text in UTC."""
        seconds, rest = divmod(self.at, 10**9)
        moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
        return moment.isoformat(timespec="microseconds")

    def arrays(self) -> dict[str, Array]:
        """The inputs, to be run again. Raises InvalidInputError where something was not stored."""
        if self.inputs is None:
            raise InvalidInputError(f"request {self.id} can't be run again: its inputs could not be read ({self.kind})")
        if self.hidden:
            raise InvalidInputError(
                f"request {self.id} can't be run again: {', '.join(self.hidden)} was not stored: [logging] hides it"
            )
        return {tensor.name: tensor.array() for tensor in self.inputs}

    def outputs(self) -> list[dict[str, Array]]:
        """The responses that were given, without hidden outputs."""
        return [{tensor.name: tensor.array() for tensor in answer} for answer in self.answers]


_decoder = msgspec.msgpack.Decoder(Record)
encode = msgspec.msgpack.Encoder().encode


def decode(data: bytes | memoryview) -> Record:
    """A record of its stored form. Raises msgspec.DecodeError."""
    return _decoder.decode(data)


def tensors(arrays: Mapping[str, Array], without: Mapping[str, list[int]]) -> list[Tensor]:
    """Arrays as they are stored; `without` names the columns that are left out."""
    return [_tensor(name, array, without.get(name, [])) for name, array in arrays.items()]


def _tensor(name: str, array: Array, without: list[int]) -> Tensor:
    shape = list(array.shape)
    if without:
        array = np.delete(array, without, axis=1)
    datatype = NAMES.get(array.dtype, BYTES)
    if datatype == BYTES:
        items = [item if isinstance(item, bytes) else str(item).encode() for item in array.ravel().tolist()]
        return Tensor(name, datatype, shape, items, without)
    if array.nbytes < _LARGE:
        return Tensor(name, datatype, shape, array.tobytes(), without)
    return Tensor(name, datatype, shape, np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, without)
