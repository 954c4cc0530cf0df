"""What an ONNX file says about itself, read without loading the model and without reading its weights.

ONNX Runtime's own metadata is not enough: it gives the shape `[]` for a scalar and for a tensor of unknown rank alike,
and says nothing of a ZipMap's labels. Field numbers: `onnx/onnx.proto`. What the file's tensors mean is among its
metadata (see `onnx_meaning.py`).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from modelport.core.errors import InvalidModelError
from modelport.runtimes.onnx.graph import Graph, read_graph, read_pair
from modelport.runtimes.protobuf_wire import BYTES, VARINT, Buffer, WireError, fields, rough_text, signed, varint

#: Up to this size a file is read at once: a mapped file that is overwritten while it is read ends the whole process.
_READ_AT_ONCE = 16 << 20

#: The fields of ModelProto by number: wire type.
_MODEL_FIELDS = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}


@dataclass(slots=True)
class OnnxFile:
    """The header of an ONNX file and the outline of its graph. Not to be changed once it is read."""

    ir_version: int = 0
    producer: str = ""
    producer_version: str = ""
    description: str = ""
    opsets: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    graph: Graph = field(default_factory=Graph)


def model_file(path: Path) -> Path:
    """The model's file: `path` itself, or the one in that folder. Raises InvalidModelError where there is none."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise InvalidModelError(f"there is no file {path}")
    files = sorted(path.glob("*.onnx"))
    if path / "model.onnx" in files:
        return path / "model.onnx"
    if len(files) == 1:
        return files[0]
    found = ", ".join(file.name for file in files) or "no .onnx file"
    raise InvalidModelError(f"the folder {path} must hold one .onnx file, or one named model.onnx; it has {found}")


def read_onnx(path: Path) -> OnnxFile:
    """The outline of the file at `path`.

    Raises InvalidModelError saying where the file breaks, or that it is no ONNX file; never anything else, whatever
    the bytes.
    """
    with mapped(path) as buffer:
        return parse_onnx(buffer, path.name)


def parse_onnx(buffer: Buffer, name: str = "the model") -> OnnxFile:
    """As `read_onnx`, from bytes; `name` is what error messages call the file."""
    if len(buffer) == 0:
        raise InvalidModelError(f"{name} is empty (0 bytes), not an ONNX model")
    model = OnnxFile()
    graphs = 0
    try:
        for number, wire, start, stop in fields(buffer, 0, len(buffer)):
            if _MODEL_FIELDS.get(number) == wire:
                graphs += number == 7
                _take(model, buffer, number, start, stop)
    except WireError as error:
        if not looks_like_onnx(buffer):
            raise InvalidModelError(f"{name} is not an ONNX model: {error}") from None
        raise InvalidModelError(
            f"{name} is an ONNX model that is cut short or damaged: {error} (the file has {len(buffer)} bytes)"
        ) from None
    if not graphs:
        raise InvalidModelError(f"{name} is not an ONNX model: there is no graph in its {len(buffer)} bytes")
    return model


def looks_like_onnx(buffer: Buffer) -> bool:
    """Whether the bytes begin as an ONNX file does: an IR version, and known fields up to the graph."""
    try:
        position, first = 0, True
        while position < len(buffer):
            tag, position = varint(buffer, position, len(buffer))
            number, wire = tag >> 3, tag & 7
            if _MODEL_FIELDS.get(number) != wire:
                return False
            value, position = varint(buffer, position, len(buffer))
            if first and (number != 1 or not 0 < value < 256):
                return False
            if number == 7:
                return True
            first = False
            position += value if wire == BYTES else 0
    except WireError:
        return False
    return False


def _take(model: OnnxFile, buffer: Buffer, number: int, start: int, stop: int) -> None:
    match number:
        case 1:
            model.ir_version = signed(start)
        case 2:
            model.producer = rough_text(buffer, start, stop)
        case 3:
            model.producer_version = rough_text(buffer, start, stop)
        case 6:
            model.description = rough_text(buffer, start, stop)
        case 7:
            read_graph(model.graph, buffer, start, stop)
        case 8:
            domain, version = _opset(buffer, start, stop)
            model.opsets[domain] = version
        case 14:
            key, value = read_pair(buffer, start, stop)
            model.metadata[key] = value


def _opset(buffer: Buffer, start: int, stop: int) -> tuple[str, int]:
    domain, version = "", 0
    for number, wire, a, b in fields(buffer, start, stop):
        if number == 1 and wire == BYTES:
            domain = rough_text(buffer, a, b)
        elif number == 2 and wire == VARINT:
            version = signed(a)
    return domain or "ai.onnx", version


@contextmanager
def mapped(path: Path) -> Iterator[Buffer]:
    """The file's bytes while the block runs. Raises InvalidModelError where they can't be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            if size <= _READ_AT_ONCE:
                yield file.read()
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                yield mapped
    except OSError as error:
        raise InvalidModelError(f"can't read {path}: {error.strerror or error}") from None
