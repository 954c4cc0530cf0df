"""A model that OpenVINO compiled, in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import openvino as ov

from modelport.core.datatypes import DTYPES, Array, dtype_of
from modelport.core.errors import (
    InvalidInputError,
    InvalidModelError,
    ModelFailedError,
    ModelportError,
    UnavailableError,
)
from modelport.core.runtime import ModelInfo
from modelport.core.signature import Shape, Signature, TensorSpec
from modelport.runtimes.openvino.device import clean

#: OpenVINO's element type → datatype of the protocol, for those that it has.
DATATYPES: dict[str, str] = {
    "boolean": "BOOL",
    "u8": "UINT8",
    "u16": "UINT16",
    "u32": "UINT32",
    "u64": "UINT64",
    "i8": "INT8",
    "i16": "INT16",
    "i32": "INT32",
    "i64": "INT64",
    "f16": "FP16",
    "bf16": "BF16",
    "f32": "FP32",
    "f64": "FP64",
}
_BFLOAT16 = DTYPES["BF16"]


class OpenVinoModel:
    """Runs each prediction on an inference request of its own: they are kept and used again."""

    def __init__(self, compiled: Any, signature: Signature, info: ModelInfo) -> None:
        self.signature = signature
        self.info = info
        self._compiled = compiled
        self._idle: deque[Any] = deque()
        self._ports = {spec.name: index for index, spec in enumerate(signature.inputs)}
        self._results = {spec.name: (index, dtype_of(spec.datatype)) for index, spec in enumerate(signature.outputs)}

    def predict(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None) -> dict[str, Array]:
        """Run the model. Thread-safe; see `LoadedModel.predict`."""
        if len(inputs) != len(self.signature.inputs):
            self.signature.check_inputs(inputs)
        names = tuple(self._results) if outputs is None else outputs
        if not all(name in self._results for name in names):
            self.signature.check_outputs(names)
        if not names:
            return {}
        try:
            with self._request() as request:
                held = {name: _native(array) for name, array in inputs.items()}  # a tensor does not keep its array
                for name, array in held.items():
                    request.set_input_tensor(self._ports[name], _tensor(array))
                request.infer()
                return {name: self._array(request, name) for name in names}
        except Exception as error:
            raise _prediction_error(error) from error

    def close(self) -> None:
        """Free the model's memory."""
        self._compiled = None
        self._idle.clear()

    @contextmanager
    def _request(self) -> Iterator[Any]:
        if self._compiled is None:
            raise UnavailableError("the model is closed")
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        yield request
        self._idle.append(request)  # not one that failed: its state is not known

    def _array(self, request: Any, name: str) -> Array:
        """A copy: the request writes its next answer into the same memory."""
        index, dtype = self._results[name]
        data: Array = request.get_output_tensor(index).data
        return np.array(data.view(dtype) if data.dtype != dtype else data, order="C")


def signature_of(compiled: Any, name: str, names: dict[str, list[str]] | None = None) -> Signature:
    """The inputs and outputs; `names` are those of the file, where OpenVINO may have lost them.

    Raises InvalidModelError for element types that the protocol has not.
    """
    said = names or {}
    inputs = _specs(compiled.inputs, "input", name, said.get("inputs"))
    outputs = _specs(compiled.outputs, "output", name, said.get("outputs"))
    return Signature(inputs, outputs)


def _specs(ports: list[Any], what: str, model: str, names: list[str] | None) -> tuple[TensorSpec, ...]:
    specs = []
    for index, port in enumerate(ports):
        name = names[index] if names is not None and len(names) == len(ports) else _name(port, what, index)
        element = port.get_element_type().get_type_name()
        if element not in DATATYPES:
            raise InvalidModelError(
                f"{model}: {what} {name!r} has elements of type {element}, which OpenVINO can't exchange here; "
                f"it can be one of {', '.join(DATATYPES)}"
            )
        specs.append(TensorSpec(name, DATATYPES[element], _shape(port)))
    twice = {spec.name for spec in specs if sum(other.name == spec.name for other in specs) > 1}
    return tuple(
        TensorSpec(f"{spec.name}_{index}", spec.datatype, spec.shape) if spec.name in twice else spec
        for index, spec in enumerate(specs)
    )


def _name(port: Any, what: str, index: int) -> str:
    """The tensor's name, as its framework had it; else that of the node, for an input; else its number."""
    names = sorted(port.get_names())
    if names:
        return str(names[0])
    return str(port.get_node().get_friendly_name()) if what == "input" else f"{what}_{index}"


def _shape(port: Any) -> Shape:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return None
    return tuple(-1 if size.is_dynamic else size.get_length() for size in shape)


def _native(array: Array) -> Array:
    """An array whose memory OpenVINO takes: contiguous, and such that it could be written to (it is not)."""
    return array if array.flags.c_contiguous and array.flags.writeable else array.copy(order="C")


def _tensor(array: Array) -> Any:
    """A tensor in the array's memory, which must live as long as it is used."""
    if array.dtype == _BFLOAT16:
        return ov.Tensor(array.view(np.uint16), ov.Shape(list(array.shape)), ov.Type.bf16)
    return ov.Tensor(array, shared_memory=True)


def _prediction_error(error: Exception) -> ModelportError:
    if isinstance(error, ModelportError):
        return error
    text = clean(error)
    if "is not compatible with" in text or "shape" in text.lower():
        return InvalidInputError(f"the model refused the input: {text}")
    return ModelFailedError(f"the model failed: {text}")
