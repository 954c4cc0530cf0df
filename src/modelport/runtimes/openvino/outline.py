"""What an OpenVINO IR model says of itself, read without OpenVINO by a parser that follows no reference."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.parsers import expat

from modelport.core.errors import InvalidModelError
from modelport.core.signature import Signature, TensorSpec
from modelport.runtimes.outlines import Outline

_TYPES = {
    "f32": "FP32", "f64": "FP64", "f16": "FP16", "bf16": "BF16", "boolean": "BOOL", "string": "BYTES",
    "i8": "INT8", "i16": "INT16", "i32": "INT32", "i64": "INT64",
    "u8": "UINT8", "u16": "UINT16", "u32": "UINT32", "u64": "UINT64",
}  # fmt: skip


def outline(path: Path, _format: str) -> Outline:
    """The outline of an .xml file, or of the one in a folder; its signature has the inputs only."""
    file = path if path.is_file() else next(iter(sorted(path.glob("*.xml"))), path / "model.xml")
    read = read_ir(file)
    return Outline(
        writer="OpenVINO",
        version=read.runtime,
        parameters=str(read.parameters),
        signature=Signature(tuple(read.inputs), ()) if read.inputs else None,
        properties={"ir_version": read.version} if read.version else {},
    )


def parameters_in(file: Path) -> str:
    """The elements of the constants of an .xml file's network."""
    return str(read_ir(file).parameters)


class IrFile:
    """What was found in a network: its inputs, the elements of its constants, versions."""

    def __init__(self, name: str) -> None:
        self.version = self.runtime = ""
        self.inputs: list[TensorSpec] = []
        self.parameters = 0
        self._name = name
        self._layer: dict[str, str] = {}
        self._path: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self._path.append(tag)
        match tag:
            case "net":
                self.version = attributes.get("version", "")
            case "layer":
                self._layer = attributes
            case "data" if self._layer.get("type") == "Const":
                self.parameters += math.prod(_sizes(attributes.get("shape", "")))
            case "data" if self._layer.get("type") == "Parameter" and len(self._path) == 4:
                kind = _TYPES.get(attributes.get("element_type", ""), "FP32")
                shape = tuple(_sizes(attributes.get("shape", "")))
                self.inputs.append(TensorSpec(self._layer.get("name", ""), kind, shape))
            case "Runtime_version":
                self.runtime = attributes.get("value", "").partition("-")[0]

    def end(self, _tag: str) -> None:
        """An element ends."""
        self._path.pop()

    def refused(self, *_arguments: Any) -> int:
        """A document type declaration: it could name entities that grow, or that are other files."""
        raise InvalidModelError(f"{self._name} has a document type declaration, which no OpenVINO model needs")


def read_ir(file: Path) -> IrFile:
    """What stands in an .xml file. Raises InvalidModelError."""
    found, parser = IrFile(file.name), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = found.start, found.end
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = found.refused
    try:
        with file.open("rb") as opened:
            parser.ParseFile(opened)
    except expat.ExpatError as error:
        raise InvalidModelError(f"{file.name} is XML that is cut short or damaged: {error}") from None
    return found


def _sizes(shape: str) -> list[int]:
    """`?,64` and `1..8,64`: what is free is −1."""
    parts = [part.strip() for part in shape.split(",") if part.strip()]
    return [int(part) if part.isdigit() else -1 for part in parts]
