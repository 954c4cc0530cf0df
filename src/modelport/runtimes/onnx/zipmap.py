"""Taking ZipMap nodes out of a model: their maps would be unpacked into the tensor that they were made from.

Exporters of scikit-learn models end classifiers with a ZipMap by default. ONNX Runtime makes a Python dictionary of
each row then, which costs more than the whole prediction. The same model without the node gives the probabilities as
the tensor they are; the names of its columns are the node's labels, which the graph tells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modelport.core.datatypes import BYTES as TEXT
from modelport.core.datatypes import dtype_of
from modelport.runtimes.onnx.file import OnnxFile
from modelport.runtimes.onnx.graph import Classifier
from modelport.runtimes.onnx.types import DATATYPES, TensorType, parse_type
from modelport.runtimes.protobuf_wire import BYTES, fields, rough_text

#: The changed model is made in memory. Classifiers that end in a ZipMap are small; a larger one is loaded as it is.
_LARGEST = 256 << 20

#: Elements of an input that a model is tried on.
_LARGEST_PROBE = 1 << 20

_GRAPH, _NODE, _OUTPUT = 7, 1, 12
#: TypeProto { tensor_type { elem_type: FLOAT } }; ONNX Runtime infers the shape.
_FLOAT_TENSOR = b"\x0a\x02\x08\x01"


@dataclass(frozen=True, slots=True)
class CutModel:
    """A model without ZipMaps, and for each of its new outputs (by name) the output that it stands for."""

    content: bytes
    stands_for: dict[str, str]


def cut_zipmaps(path: Path, file: OnnxFile) -> CutModel | None:
    """The model without the ZipMaps that make its outputs; None where it has none, or where that can't be done."""
    zipmaps = {node.outputs[0]: node.inputs[0] for node in file.graph.classifiers if _removable(node, file)}
    sources = list(zipmaps.values())
    if not zipmaps or file.graph.external or len(set(sources)) < len(sources) or path.stat().st_size > _LARGEST:
        return None
    return CutModel(_without(path.read_bytes(), zipmaps), {source: output for output, source in zipmaps.items()})


def measured_shape(session: Any, name: str) -> tuple[int, ...]:
    """The shape of a cut output, from one run on zeros; empty where that does not tell the width for all inputs.

    ONNX Runtime infers no shapes for ONNX-ML's classifiers. Where only the number of rows is free, the width it has
    once is the width it always has.
    """
    feeds: dict[str, Any] = {}
    for node in session.get_inputs():
        kind, axes = parse_type(node.type), node.shape[1:]
        datatype = DATATYPES.get(kind.element, TEXT) if isinstance(kind, TensorType) else TEXT
        if datatype in (TEXT, "BF16") or not node.shape or not all(isinstance(length, int) for length in axes):
            return ()
        rows = node.shape[0] if isinstance(node.shape[0], int) else 1
        if rows * math.prod(axes) > _LARGEST_PROBE:
            return ()
        feeds[node.name] = np.zeros((rows, *axes), dtype_of(datatype))
    try:
        (given,) = session.run([name], feeds)
    except Exception:
        return ()
    return (-1, *given.shape[1:])


def _removable(node: Classifier, file: OnnxFile) -> bool:
    if node.operator != "ZipMap" or len(node.inputs) != 1 or len(node.outputs) != 1:
        return False
    outputs = {value.name for value in file.graph.outputs}
    return node.outputs[0] in outputs and node.inputs[0] not in outputs


def _without(model: bytes, zipmaps: dict[str, str]) -> bytes:
    kept: list[bytes] = []
    position = 0
    for number, wire, start, stop in fields(model, 0, len(model)):
        end = stop
        if number == _GRAPH and wire == BYTES:
            kept.append(_message(_GRAPH, _graph_without(model, start, stop, zipmaps)))
        else:
            kept.append(model[position:end])
        position = end
    return b"".join(kept)


def _graph_without(model: bytes, start: int, stop: int, zipmaps: dict[str, str]) -> bytes:
    kept: list[bytes] = []
    position = start
    for number, wire, a, b in fields(model, start, stop):
        kind = number if wire == BYTES else 0
        name = _first_text(model, a, b, 1 if kind == _OUTPUT else 2) if kind in (_NODE, _OUTPUT) else ""
        if name not in zipmaps:
            kept.append(model[position:b])
        elif kind == _OUTPUT:
            kept.append(_message(_OUTPUT, _message(1, zipmaps[name].encode()) + _message(2, _FLOAT_TENSOR)))
        position = b
    return b"".join(kept)


def _first_text(model: bytes, start: int, stop: int, wanted: int) -> str:
    """A ValueInfoProto's name (1), or a NodeProto's first output (2)."""
    for number, wire, a, b in fields(model, start, stop):
        if number == wanted and wire == BYTES:
            return rough_text(model, a, b)
    return ""


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
