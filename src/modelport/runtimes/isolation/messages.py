"""What a model's process and its parent say to each other: msgpack, one message in one frame.

A parent sends `Load` once; then for each request `Predict` (regions of memory before it where it needs some), and to a
stream `Go` for the next response or `Stop`. The process answers `Loaded`, `Result`, `Done` (the end of a stream),
`Failed`, or `Need` where a result does not fit into the memory that it was given.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import msgspec

from modelport.core.declared import DeclaredTensor
from modelport.core.meaning_document import meaning_from_dict
from modelport.core.runtime import LoadSpec


class Tensor(msgspec.Struct, array_like=True):
    """An array: its bytes are `data`, or lie in the region at `offset` where that is not negative."""

    name: str
    datatype: str
    shape: list[int]
    size: int
    offset: int = -1
    data: bytes = b""


class Load(msgspec.Struct, tag=True):
    """Load the model. `spec` is as `spec_document` writes it, `memory` the most bytes that the process may use."""

    path: str
    format: str
    name: str
    spec: dict[str, Any]
    memory: int = 0


class Region(msgspec.Struct, tag=True):
    """Shared memory, whose descriptor comes with this message: for the arrays `in`, or `out`."""

    way: Literal["in", "out"]
    size: int


class Predict(msgspec.Struct, tag=True):
    """Answer these inputs, with all that a stream gives where `stream`."""

    tensors: list[Tensor]
    outputs: list[str] | None = None
    stream: bool = False


class Go(msgspec.Struct, tag=True):
    """The next response of the stream, please."""


class Stop(msgspec.Struct, tag=True):
    """No further responses of the stream."""


class Loaded(msgspec.Struct, tag=True):
    """What was loaded. `signature` is as `signature_to_dict` writes it."""

    signature: dict[str, Any]
    format: str
    platform: str
    framework: str
    properties: dict[str, str]
    streams: bool


class Result(msgspec.Struct, tag=True):
    """The outputs. `kept` says that the model holds on to its inputs, whose memory can't be used again."""

    tensors: list[Tensor]
    kept: bool = False


class Need(msgspec.Struct, tag=True):
    """A result takes so many bytes of shared memory."""

    size: int


class Done(msgspec.Struct, tag=True):
    """The stream has ended."""

    kept: bool = False


class Failed(msgspec.Struct, tag=True):
    """An error, by its kind; `kept` as in `Result`."""

    kind: str
    text: str
    kept: bool = False


ToChild = Load | Region | Predict | Go | Stop
ToParent = Loaded | Result | Need | Done | Failed

encode = msgspec.msgpack.Encoder().encode
read_to_child = msgspec.msgpack.Decoder(ToChild).decode
read_to_parent = msgspec.msgpack.Decoder(ToParent).decode


def spec_document(spec: LoadSpec) -> dict[str, Any]:
    """A specification as plain values."""
    document = {"threads": spec.threads, "device": spec.device, "options": spec.options}
    return {**document, "inputs": _plain(spec.inputs), "outputs": _plain(spec.outputs)}


def spec_from_document(document: dict[str, Any]) -> LoadSpec:
    """The specification that `spec_document` wrote."""
    return LoadSpec(
        threads=document["threads"],
        device=document["device"],
        options=document["options"],
        inputs=_declared(document["inputs"]),
        outputs=_declared(document["outputs"]),
    )


def load_message(path: Path, format: str, name: str, spec: LoadSpec, memory: int) -> Load:  # noqa: A002
    """The first message."""
    return Load(str(path), format, name, spec_document(spec), memory)


def _plain(tensors: tuple[DeclaredTensor, ...]) -> list[dict[str, Any]]:
    return [asdict(item) for item in tensors]


def _declared(items: list[dict[str, Any]]) -> tuple[DeclaredTensor, ...]:
    return tuple(
        DeclaredTensor(
            item["name"],
            item["datatype"],
            None if item["shape"] is None else tuple(item["shape"]),
            None if item["meaning"] is None else meaning_from_dict(item["meaning"]),
            item["shared"],
        )
        for item in items
    )
