"""How many numbers an ONNX model learned: the elements of its initializers, and what ONNX-ML keeps in attributes.

The operators of ONNX-ML hold trees, coefficients and support vectors in attributes of their nodes. Counting the numbers
of a large forest takes a moment, so that it is done when it is asked for and not at every load.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from modelport.runtimes.onnx.file import OnnxFile, mapped
from modelport.runtimes.outlines import trees_text
from modelport.runtimes.protobuf_wire import BYTES, FIXED32, VARINT, Buffer, fields, varint

#: Attributes that hold one number each for a parameter of a linear model or a support vector machine.
_LEARNED = frozenset({b"coefficients", b"intercepts", b"support_vectors", b"rho", b"prob_a", b"prob_b"})
#: One element for each node, or for each tree; a later operator has leaves apart from the nodes.
_NODES, _ROOTS = frozenset({b"nodes_featureids", b"leaf_targetids"}), b"tree_roots"
_TREE_OF_NODE = b"nodes_treeids"


def parameters_text(path: Path, file: OnnxFile) -> str:
    """The count in words: `4810`, or `100 trees, 6358 nodes`, or both. Raises WireError for a damaged file."""
    counts: Counter[str] = Counter()
    if any(domain == "ai.onnx.ml" for domain, _ in file.graph.operators):
        with mapped(path) as buffer:
            for number, wire, start, stop in fields(buffer, 0, len(buffer)):
                if number == 7 and wire == BYTES:
                    _count_graph(buffer, start, stop, counts)
    elements = file.graph.parameters + counts["learned"]
    trees = trees_text(counts["trees"], counts["nodes"])
    return " and ".join(text for text in (trees, str(elements) if elements else "") if text)


def _count_graph(buffer: Buffer, start: int, stop: int, counts: Counter[str]) -> None:
    """Add what the nodes of the graph itself hold; ONNX-ML's operators do not stand in branches and loops."""
    for number, wire, a, b in fields(buffer, start, stop):
        if number == 1 and wire == BYTES:
            for inner, kind, c, d in fields(buffer, a, b):
                if inner == 5 and kind == BYTES:
                    _count_attribute(buffer, c, d, counts)


def _count_attribute(buffer: Buffer, start: int, stop: int, counts: Counter[str]) -> None:
    name = next(
        (buffer[a:b] for number, wire, a, b in fields(buffer, start, stop) if number == 1 and wire == BYTES), b""
    )
    if name in _LEARNED:
        counts["learned"] += _floats(buffer, start, stop)
    elif name in _NODES:
        counts["nodes"] += len(_integers(buffer, start, stop))
    elif name == _ROOTS:
        counts["trees"] += len(_integers(buffer, start, stop))
    elif name == _TREE_OF_NODE:
        counts["trees"] += len(set(_integers(buffer, start, stop)))


def _floats(buffer: Buffer, start: int, stop: int) -> int:
    found = 0
    for number, wire, a, b in fields(buffer, start, stop):
        if number == 7:
            found += 1 if wire == FIXED32 else (b - a) // 4
    return found


def _integers(buffer: Buffer, start: int, stop: int) -> list[int]:
    found = []
    for number, wire, a, b in fields(buffer, start, stop):
        if number == 8 and wire == VARINT:
            found.append(a)
        elif number == 8 and wire == BYTES:  # packed
            while a < b:
                value, a = varint(buffer, a, b)  # noqa: PLW2901 - the position in the packed list
                found.append(value)
    return found
