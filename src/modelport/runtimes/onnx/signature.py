"""The signature of an ONNX model, from its file and from what ONNX Runtime inferred."""

from __future__ import annotations

from collections import Counter
from typing import Any

from modelport.core.errors import InvalidModelError
from modelport.core.signature import Signature
from modelport.runtimes.onnx.file import OnnxFile
from modelport.runtimes.onnx.graph import Value
from modelport.runtimes.onnx.inputs import Input, input_for
from modelport.runtimes.onnx.meaning import with_meanings, zipmap_labels
from modelport.runtimes.onnx.outputs import Output, cut_output_for, output_for
from modelport.runtimes.onnx.types import OptionalType, TensorType, ValueType, parse_type
from modelport.runtimes.onnx.zipmap import measured_shape


def check_types(file: OnnxFile) -> None:
    """Raise InvalidModelError for an input or output that can't be served, before the model is loaded for nothing."""
    for value in file.graph.inputs:
        if value.type is not None and value.name not in file.graph.initializers:
            input_for(value.name, value.type)
    for value in file.graph.outputs:
        if value.type is not None:
            output_for(value.name, value.type)


def graph_inputs(session: Any, file: OnnxFile) -> list[Input]:
    """The ways into the graph, in its order; inputs that have a default value are optional and come last."""
    known = {value.name: value for value in file.graph.inputs}
    required = [input_for(node.name, _type_of(node, known)) for node in session.get_inputs()]
    defaults = session.get_overridable_initializers()
    return required + [input_for(node.name, _type_of(node, known), optional=True) for node in defaults]


def graph_outputs(session: Any, file: OnnxFile, stands_for: dict[str, str]) -> list[Output]:
    """The ways out of the graph, in its order; `stands_for` are the outputs that ZipMaps were cut from."""
    known = {value.name: value for value in file.graph.outputs}
    labels = zipmap_labels(file)
    outputs = []
    for node in session.get_outputs():
        cut = stands_for.get(node.name)
        if cut is None:
            outputs.append(output_for(node.name, _type_of(node, known), labels.get(node.name)))
        else:
            shape = _shape_of(node)
            if len(shape) != 2 or shape[1] < 0:
                shape = measured_shape(session, node.name)
            outputs.append(cut_output_for(node.name, cut, shape, labels[cut]))
    return outputs


def build_signature(inputs: list[Input], outputs: list[Output], file: OnnxFile, name: str) -> Signature:
    """The tensors of all inputs and outputs, with what they mean."""
    specs_in = tuple(spec for item in inputs for spec in item.specs)
    specs_out = tuple(spec for item in outputs for spec in item.specs)
    _check_unique([spec.name for spec in specs_in], f"{name}: inputs")
    _check_unique([spec.name for spec in specs_out], f"{name}: outputs")
    rowwise = all(item.rowwise for item in inputs) and all(item.rowwise for item in outputs)
    rowwise = rowwise and len(_row_names(file)) < 2
    return Signature(*with_meanings(specs_in, specs_out, file, name), rowwise=rowwise)


def _type_of(node: Any, known: dict[str, Value]) -> ValueType:
    """The type in the file, or the one that ONNX Runtime inferred where that says more."""
    inferred = parse_type(node.type, _shape_of(node) or None)  # [] may be a scalar or any rank
    written = known[node.name].type if node.name in known else None
    if written is None or (isinstance(written, TensorType) and written.shape is None):
        return inferred
    return written


def _shape_of(node: Any) -> tuple[int, ...]:
    return tuple(length if isinstance(length, int) else -1 for length in node.shape)


def _row_names(file: OnnxFile) -> set[str]:
    """The names of the inputs' first axes: two names mean two lengths, which joining rows would mix up."""
    kinds = [value.type for value in file.graph.inputs if value.name not in file.graph.initializers]
    kinds = [kind.element if isinstance(kind, OptionalType) else kind for kind in kinds]
    return {kind.rows for kind in kinds if isinstance(kind, TensorType) and kind.rows}


def _check_unique(names: list[str], what: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InvalidModelError(f"{what} have the name {twice[0]!r} twice; each must have its own")
