"""What SavedModels and Keras files say of themselves, read without TensorFlow.

Field numbers: `saved_model.proto`, `meta_graph.proto`, `saved_object_graph.proto`, `types.proto` of TensorFlow.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelport.core.errors import InvalidModelError
from modelport.core.signature import Shape, Signature, TensorSpec
from modelport.runtimes.archives import check_member_name
from modelport.runtimes.outlines import Outline
from modelport.runtimes.protobuf_wire import BYTES, VARINT, Buffer, fields, rough_text, signed, varint
from modelport.runtimes.tensorflow.saved_model_operations import is_outside, is_python

_TYPES = {
    1: "FP32", 2: "FP64", 3: "INT32", 4: "UINT8", 5: "INT16", 6: "INT8", 7: "BYTES", 9: "INT64", 10: "BOOL",
    14: "BF16", 17: "UINT16", 19: "FP16", 22: "UINT32", 23: "UINT64",
}  # fmt: skip
_DEFAULT = "serving_default"
_LARGEST = 2 << 30
#: The most that is read of a configuration.
_CONFIG = 256 << 20
#: A configuration's classes that run code of the file.
_CODE = frozenset({"Lambda", "__lambda__", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
Span = tuple[int, int]


def outline(path: Path, format: str) -> Outline:  # noqa: A002 - the word of the field
    """The outline of a SavedModel folder, or of a Keras file. Raises InvalidModelError."""
    return _keras(path) if format == "keras" else _saved_model(path)


def _saved_model(path: Path) -> Outline:
    file = path / "saved_model.pb"
    if file.stat().st_size > _LARGEST:
        raise InvalidModelError(f"{file.name} has {file.stat().st_size} bytes; a SavedModel's graph has 2 GiB at most")
    data = file.read_bytes()
    graphs = list(_within(data, (0, len(data)), 2))
    if not graphs:
        raise InvalidModelError(f"{path.name}/{file.name} is no SavedModel, or is cut short: it has no graph")
    graph = next((item for item in graphs if "serve" in _texts(data, item, 1, 4)), graphs[0])
    signatures = dict(_signature(data, item) for item in _within(data, graph, 5))
    signatures = {name: item for name, item in signatures.items() if item.outputs and not name.startswith("__")}
    chosen = signatures.get(_DEFAULT) or (next(iter(signatures.values())) if len(signatures) == 1 else None)
    parameters = saved_parameters(data, graph)
    properties = {"signatures": ", ".join(sorted(signatures))}
    return Outline(
        writer="TensorFlow",
        version=next(iter(_texts(data, graph, 1, 5)), ""),
        parameters=str(parameters) if parameters else "",
        signature=chosen,
        properties={key: text for key, text in properties.items() if text},
        dangers=tuple(_dangers(set(_operations(data, graph)))),
    )


def parameters_of(folder: Path) -> str:
    """The elements of the variables that a SavedModel's functions use; empty where it does not list them."""
    data = (folder / "saved_model.pb").read_bytes()
    found = sum(saved_parameters(data, graph) for graph in list(_within(data, (0, len(data)), 2))[:1])
    return str(found) if found else ""


def saved_parameters(data: Buffer, graph: Span) -> int:
    """The elements of the variables that the functions of a MetaGraphDef use."""
    sizes: list[int] = []
    used: set[int] = set()
    for objects in _within(data, graph, 7):
        sizes = [_variable(data, node) for node in _within(data, objects, 1)]
        for entry in _within(data, objects, 2):
            for function in _within(data, entry, 2):
                used.update(_numbers(data, function, 2))
    return sum(sizes[place] for place in used if place < len(sizes))


def _variable(data: Buffer, node: Span) -> int:
    """The elements of a SavedObject that is a variable; 0 of any other."""
    for variable in _within(data, node, 7):
        shape = next((_shape(data, span) for span in _within(data, variable, 2)), ())
        return 0 if shape is None or -1 in shape else math.prod(shape)
    return 0


def _signature(data: Buffer, entry: Span) -> tuple[str, Signature]:
    """An entry of the map of signatures."""
    name = next(iter(_texts(data, entry, 1)), "")
    definition = next(_within(data, entry, 2), (0, 0))
    inputs, outputs = (
        tuple(sorted((_tensor(data, item) for item in _within(data, definition, side)), key=lambda spec: spec.name))
        for side in (1, 2)
    )
    return name, Signature(inputs, outputs)


def _tensor(data: Buffer, entry: Span) -> TensorSpec:
    name = next(iter(_texts(data, entry, 1)), "")
    info = next(_within(data, entry, 2), (0, 0))
    kind = next(iter(_numbers(data, info, 2)), 0)
    shape: Shape = next((_shape(data, span) for span in _within(data, info, 3)), None)
    return TensorSpec(name, _TYPES.get(kind, "FP32"), shape)


def _shape(data: Buffer, span: Span) -> Shape:
    if any(_numbers(data, span, 3)):
        return None
    return tuple(max(next(iter(_numbers(data, dim, 1)), 0), -1) for dim in _within(data, span, 2))


def _operations(data: Buffer, graph: Span) -> Iterator[str]:
    """The operations of the graph and of its functions, whether anything calls them or not."""
    for definition in _within(data, graph, 2):
        nodes = [*_within(data, definition, 1)]
        for library in _within(data, definition, 2):
            for function in _within(data, library, 1):
                nodes += _within(data, function, 3)
        for node in nodes:
            yield from _texts(data, node, 2)


def _dangers(operations: set[str]) -> Iterator[str]:
    outside, python = (sorted(filter(known, operations)) for known in (is_outside, is_python))
    if outside:
        yield f"operations that use files or networks: {', '.join(outside)}"
    if python:
        yield f"operations that call Python functions, which are not in the file: {', '.join(python)}"


def _keras(path: Path) -> Outline:
    """A `.keras` archive; an HDF5 file takes h5py to be read, which comes with the extra."""
    if not zipfile.is_zipfile(path):
        return Outline(writer="Keras")
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            check_member_name(name, path.name)
        config, metadata = (_document(archive, name) for name in ("config.json", "metadata.json"))
    kinds = sorted({str(item) for item in _classes(config)} & _CODE)
    dangers = (f"layers that run Python code of the file: {', '.join(kinds)}",) if kinds else ()
    properties = {"model": f"{config.get('class_name', '')} {config.get('config', {}).get('name', '')}".strip()}
    return Outline(
        writer="Keras", version=str(metadata.get("keras_version", "")), properties=properties, dangers=dangers
    )


def _document(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    with archive.open(name) as file:
        document: dict[str, Any] = json.loads(file.read(_CONFIG))
    return document


def _classes(config: object) -> Iterator[object]:
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item.get("class_name")
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _within(data: Buffer, span: Span, number: int) -> Iterator[Span]:
    """Where the messages in a field lie."""
    return ((a, b) for found, wire, a, b in fields(data, *span) if found == number and wire == BYTES)


def _texts(data: Buffer, span: Span, *numbers: int) -> list[str]:
    """The texts in a field, or in a field of the messages in a field."""
    *outer, last = numbers
    spans = [span]
    for number in outer:
        spans = [inner for item in spans for inner in _within(data, item, number)]
    return [rough_text(data, a, b) for item in spans for a, b in _within(data, item, last)]


def _numbers(data: Buffer, span: Span, number: int) -> list[int]:
    """The whole numbers in a field, packed or not."""
    found = []
    for field, wire, a, b in fields(data, *span):
        if field == number and wire == VARINT:
            found.append(signed(a))
        elif field == number and wire == BYTES:
            while a < b:
                value, a = varint(data, a, b)  # noqa: PLW2901 - the position in the packed list
                found.append(signed(value))
    return found
