"""What a TensorFlow Lite file says of itself, read without LiteRT. Source: TensorFlow's `schema.fbs`."""

from __future__ import annotations

import math
from pathlib import Path

from modelport.core.signature import Signature, TensorSpec
from modelport.runtimes.flatbuffer_wire import Table, root
from modelport.runtimes.outlines import Outline
from modelport.runtimes.tflite.file import read_tflite

_TYPES = {
    0: "FP32", 1: "FP16", 2: "INT32", 3: "UINT8", 4: "INT64", 5: "BYTES", 6: "BOOL", 7: "INT16", 9: "INT8",
    10: "FP64", 12: "UINT64", 15: "UINT32", 16: "UINT16",
}  # fmt: skip
#: Metadata with the version of the runtime that has all of the file's operations.
_RUNTIME = "min_runtime_version"


def outline(path: Path, _format: str) -> Outline:
    """The outline of the file; its signature has the names and types of the first graph's tensors, as they are."""
    data = read_tflite(path)
    model = root(data)
    graphs, buffers = model.tables(2), model.tables(4)
    signature = None
    if graphs:
        tensors = graphs[0].tables(0)
        inputs, outputs = (tuple(_spec(tensors[at]) for at in graphs[0].numbers(side, "i")) for side in (1, 2))
        signature = Signature(inputs, outputs)
    properties = {"description": model.text(3), "runtime": _runtime(model, buffers)}
    return Outline(
        writer="TensorFlow Lite",
        parameters=str(_parameters(graphs, buffers)),
        signature=signature,
        properties={key: text for key, text in properties.items() if text},
    )


def parameters_in(content: bytes) -> str:
    """The elements of all tensors that the file has values for; empty where it can't be read."""
    try:
        model = root(content)
        return str(_parameters(model.tables(2), model.tables(4)))
    except (ValueError, IndexError):
        return ""


def _parameters(graphs: list[Table], buffers: list[Table]) -> int:
    """Tensors that share their values count once. Values may lie behind the tables: then a buffer has their place."""
    filled = {at for at, buffer in enumerate(buffers) if buffer.length(0) or buffer.number(2, "Q")}
    counted: dict[int, int] = {}
    for graph in graphs:
        for tensor in graph.tables(0):
            place = tensor.number(2, "I")
            if place in filled:
                counted[place] = math.prod(tensor.numbers(0, "i"))
    return sum(counted.values())


def _spec(tensor: Table) -> TensorSpec:
    shape = tensor.numbers(7, "i") or tensor.numbers(0, "i")  # with −1 for what is free, where that is said
    return TensorSpec(tensor.text(3), _TYPES.get(tensor.number(1, "b"), "FP32"), tuple(shape))


def _runtime(model: Table, buffers: list[Table]) -> str:
    for item in model.tables(6):
        if item.text(0) == _RUNTIME:
            buffer = buffers[item.number(1, "I")]
            content = bytes(number & 0xFF for number in buffer.numbers(0, "B")).split(b"\0")[0].decode(errors="replace")
            return f"TensorFlow Lite {content} or later" if content else ""
    return ""
