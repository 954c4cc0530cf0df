"""The outline of an ONNX graph: inputs, outputs, names of weights, and the few nodes that say what outputs mean.

Weights and the attributes of nodes are stepped over, so that a model of gigabytes costs what its node list costs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from modelport.runtimes.onnx.types import (
    ELEMENT_NAMES,
    MapType,
    OptionalType,
    OtherType,
    SequenceType,
    TensorType,
    ValueType,
)
from modelport.runtimes.protobuf_wire import BYTES, VARINT, Buffer, WireError, fields, rough_text, signed, text, varint

#: Subgraphs and types may nest; protobuf's own readers stop at 100 messages.
_DEEPEST = 30

#: AttributeProto: the fields that can hold neither weights in other files nor subgraphs, so that nothing follows.
_LEAVES = frozenset({2, 3, 4, 7, 8, 9})


@dataclass(frozen=True, slots=True)
class Value:
    """A graph's input or output; `type` is None where the file leaves it to be inferred."""

    name: str
    type: ValueType | None


@dataclass(frozen=True, slots=True)
class Classifier:
    """A node of ONNX-ML that knows class labels: a ZipMap, or a classifier itself."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    labels: tuple[str, ...] | tuple[int, ...]


@dataclass(slots=True)
class Graph:
    """`external` is the files beside the model that weights lie in: location → the weight that names it.

    `parameters` are the elements of all initializers, those of branches and loops included.
    """

    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    initializers: set[str] = field(default_factory=set)
    classifiers: list[Classifier] = field(default_factory=list)
    operators: set[tuple[str, str]] = field(default_factory=set)
    external: dict[str, str] = field(default_factory=dict)
    parameters: int = 0


def read_graph(graph: Graph, buffer: Buffer, start: int, stop: int, depth: int = 0) -> None:
    """Add what the GraphProto between two positions says. Raises WireError."""
    _check_depth(depth, start)
    for number, wire, a, b in fields(buffer, start, stop):
        if wire != BYTES:
            continue
        if number == 1:
            _read_node(graph, buffer, a, b, depth)
        elif number == 5:
            graph.initializers.add(_read_weight(graph, buffer, a, b))
            graph.parameters += _elements(buffer, a, b)
        elif number == 15:
            graph.initializers.update(_read_sparse(graph, buffer, a, b))
        elif number == 11:
            graph.inputs.append(_read_value(buffer, a, b))
        elif number == 12:
            graph.outputs.append(_read_value(buffer, a, b))


def read_pair(buffer: Buffer, start: int, stop: int) -> tuple[str, str]:
    """A StringStringEntryProto: a key and a value."""
    pair = ["", ""]
    for number, wire, a, b in fields(buffer, start, stop):
        if number in (1, 2) and wire == BYTES:
            pair[number - 1] = rough_text(buffer, a, b)
    return pair[0], pair[1]


def _read_node(graph: Graph, buffer: Buffer, start: int, stop: int, depth: int) -> None:
    inputs: list[str] = []
    outputs: list[str] = []
    operator, domain, labels = "", "", None
    for number, wire, a, b in fields(buffer, start, stop):
        if wire != BYTES:
            continue
        if number == 1:
            inputs.append(rough_text(buffer, a, b))
        elif number == 2:
            outputs.append(rough_text(buffer, a, b))
        elif number == 4:
            operator = rough_text(buffer, a, b)
        elif number == 7:
            domain = rough_text(buffer, a, b)
        elif number == 5:
            labels = _read_attribute(graph, buffer, a, b, depth) or labels
    graph.operators.add((domain or "ai.onnx", operator))
    if labels is not None:
        graph.classifiers.append(Classifier(operator, tuple(inputs), tuple(outputs), labels))


def _read_attribute(
    graph: Graph, buffer: Buffer, start: int, stop: int, depth: int
) -> tuple[str, ...] | tuple[int, ...] | None:
    """Look for subgraphs and for weights in other files; give the class labels where this attribute is them."""
    for number, wire, a, b in fields(buffer, start, stop):
        if number == 1 and wire == BYTES:
            if buffer[a : min(b, a + 12)] == b"classlabels_":
                return _read_labels(buffer, start, stop)
        elif number in _LEAVES:
            return None
        elif number in (5, 10) and wire == BYTES:
            _read_weight(graph, buffer, a, b)
        elif number in (6, 11) and wire == BYTES:
            _read_subgraph(graph, buffer, a, b, depth)
    return None


def _read_subgraph(graph: Graph, buffer: Buffer, start: int, stop: int, depth: int) -> None:
    """A branch or a loop's body: its operators and other files count, its inputs and outputs are not the model's."""
    inner = Graph()
    read_graph(inner, buffer, start, stop, depth + 1)
    graph.operators |= inner.operators
    graph.external |= inner.external
    graph.parameters += inner.parameters


def _read_labels(buffer: Buffer, start: int, stop: int) -> tuple[str, ...] | tuple[int, ...] | None:
    numbers: list[int] = []
    names: list[str] = []
    for number, wire, a, b in fields(buffer, start, stop):
        if number == 8 and wire == VARINT:
            numbers.append(signed(a))
        elif number == 8 and wire == BYTES:  # packed
            while a < b:
                value, a = varint(buffer, a, b)  # noqa: PLW2901 - the position in the packed list
                numbers.append(signed(value))
        elif number == 9 and wire == BYTES:
            names.append(text(buffer, a, b))
    return tuple(numbers) or tuple(names) or None


def _read_weight(graph: Graph, buffer: Buffer, start: int, stop: int) -> str:
    """The name of a TensorProto; its data is stepped over."""
    name, location = "", ""
    for number, wire, a, b in fields(buffer, start, stop):
        if wire != BYTES:
            continue
        if number == 8:
            name = rough_text(buffer, a, b)
        elif number == 13:
            key, value = read_pair(buffer, a, b)
            location = value if key == "location" else location
    if location:
        graph.external.setdefault(location, name)
    return name


def _elements(buffer: Buffer, start: int, stop: int) -> int:
    """How many elements a TensorProto has, by its dimensions."""
    count = 1
    for number, wire, a, b in fields(buffer, start, stop):
        if number == 1 and wire == VARINT:
            count *= max(signed(a), 0)
        elif number == 1 and wire == BYTES:  # packed
            while a < b:
                value, a = varint(buffer, a, b)  # noqa: PLW2901 - the position in the packed list
                count *= max(signed(value), 0)
    return count


def _read_sparse(graph: Graph, buffer: Buffer, start: int, stop: int) -> list[str]:
    names = []
    for number, wire, a, b in fields(buffer, start, stop):
        if number in (1, 2) and wire == BYTES:
            names.append(_read_weight(graph, buffer, a, b))
            graph.parameters += _elements(buffer, a, b) if number == 1 else 0  # 2: where the values are
    return names[:1]


def _read_value(buffer: Buffer, start: int, stop: int) -> Value:
    name, kind = "", None
    for number, wire, a, b in fields(buffer, start, stop):
        if number == 1 and wire == BYTES:
            name = text(buffer, a, b)
        elif number == 2 and wire == BYTES:
            kind = _read_type(buffer, a, b, 0)
    return Value(name, kind)


def _read_type(buffer: Buffer, start: int, stop: int, depth: int) -> ValueType | None:
    _check_depth(depth, start)
    kind: ValueType | None = None
    for number, wire, a, b in fields(buffer, start, stop):
        if wire != BYTES:
            continue
        match number:
            case 1:
                kind = _read_tensor_type(buffer, a, b)
            case 4:
                kind = SequenceType(_read_element_type(buffer, a, b, depth))
            case 9:
                kind = OptionalType(_read_element_type(buffer, a, b, depth))
            case 5:
                kind = _read_map_type(buffer, a, b, depth)
            case 7:
                kind = OtherType("opaque")
            case 8:
                kind = OtherType("sparse_tensor")
    return kind


def _read_element_type(buffer: Buffer, start: int, stop: int, depth: int) -> ValueType:
    kind: ValueType | None = None
    for number, wire, a, b in fields(buffer, start, stop):
        if number == 1 and wire == BYTES:
            kind = _read_type(buffer, a, b, depth + 1)
    return kind or OtherType("undefined")


def _read_map_type(buffer: Buffer, start: int, stop: int, depth: int) -> MapType:
    key, value = "undefined", None
    for number, wire, a, b in fields(buffer, start, stop):
        if number == 1 and wire == VARINT:
            key = _element_name(a)
        elif number == 2 and wire == BYTES:
            value = _read_type(buffer, a, b, depth + 1)
    return MapType(key, value or OtherType("undefined"))


def _read_tensor_type(buffer: Buffer, start: int, stop: int) -> TensorType:
    element, shape, rows = "undefined", None, ""
    for number, wire, a, b in fields(buffer, start, stop):
        if number == 1 and wire == VARINT:
            element = _element_name(a)
        elif number == 2 and wire == BYTES:
            dims = [_read_dim(buffer, c, d) for n, w, c, d in fields(buffer, a, b) if n == 1 and w == BYTES]
            shape = tuple(length for length, _ in dims)
            rows = dims[0][1] if dims else ""
    return TensorType(element, shape, rows)


def _read_dim(buffer: Buffer, start: int, stop: int) -> tuple[int, str]:
    """An axis: its length (−1: any), and its name where it has one."""
    length, name = -1, ""
    for number, wire, a, b in fields(buffer, start, stop):
        if number == 1 and wire == VARINT:
            length, name = max(signed(a), -1), ""
        elif number == 2 and wire == BYTES:
            length, name = -1, text(buffer, a, b)
    return length, name


def _element_name(code: int) -> str:
    return ELEMENT_NAMES.get(code, f"element type {signed(code)}")


def _check_depth(depth: int, position: int) -> None:
    if depth > _DEEPEST:
        raise WireError(position, f"messages nest deeper than {_DEEPEST} levels")
