"""How what ONNX Runtime gives becomes the protocol's tensors: text, bfloat16, sequences, maps, optional values."""

from __future__ import annotations

import ctypes
from typing import Any

import ml_dtypes
import numpy as np

from modelport.core.datatypes import BYTES, Array, bytes_array, dtype_of
from modelport.core.errors import InvalidModelError, ModelFailedError
from modelport.core.signature import TensorSpec
from modelport.runtimes.onnx.inputs import map_specs, shapes_specs, stacked_spec, tensor_spec
from modelport.runtimes.onnx.types import MapType, OptionalType, SequenceType, TensorType, ValueType

ClassLabels = tuple[str, ...] | tuple[int, ...]


class Output:
    """One output of the graph: the tensors it becomes, and how. This one passes a tensor on as it is.

    `name` is the graph's; the names of the tensors are those of `specs`.
    """

    def __init__(self, name: str, specs: tuple[TensorSpec, ...]) -> None:
        self.name = name
        self.specs = specs
        self.key = specs[-1].name

    def give(self, value: Any, given: dict[str, Array]) -> None:
        """Put an array for each of `specs` into `given`, C-contiguous and of its dtype. Raises ModelFailedError."""
        given[self.key] = self.convert(value)

    def convert(self, value: Any) -> Array:
        """The array of the one spec."""
        array: Array = value
        return array

    @property
    def plain(self) -> bool:
        """Whether ONNX Runtime gives the protocol's array itself."""
        return type(self) is Output

    @property
    def rowwise(self) -> bool:
        """Whether its first axis may be the rows of several requests, one after another."""
        return True


class TextOutput(Output):
    """A string tensor: ONNX Runtime gives `str`, the protocol has `bytes`."""

    def convert(self, value: Any) -> Array:
        return bytes_array(value)


class BFloatOutput(Output):
    """A bfloat16 tensor, which ONNX Runtime's Python interface gives only as an OrtValue: its bytes are copied out."""

    def convert(self, value: Any) -> Array:
        if value.device_name() != "cpu":
            raise ModelFailedError(
                f"output {self.name!r} was left on {value.device_name()}: it can't be read from there"
            )
        array = np.empty(value.shape(), ml_dtypes.bfloat16)
        if array.size:
            ctypes.memmove(array.ctypes.data, value.data_ptr(), array.nbytes)
        return array


class OrtTensorOutput(Output):
    """Any other tensor of a model that gives bfloat16 too, and hence OrtValues."""

    def convert(self, value: Any) -> Array:
        array: Array = value.numpy()
        return array


class StackedOutput(Output):
    """A sequence of tensors, stacked along a new first axis.

    Where their shapes may differ they are padded to the largest with zeros or empty texts, and the output `NAME.shapes`
    says how large each one is.
    """

    def give(self, value: Any, given: dict[str, Array]) -> None:
        spec, *more = self.specs
        given[spec.name] = self.convert(value)
        for shapes in more:
            rank = given[spec.name].ndim - 1
            given[shapes.name] = np.array([item.shape for item in value], np.int64).reshape(len(value), rank)

    def convert(self, value: Any) -> Array:
        spec = self.specs[0]
        if not value:
            shape = (0,) if spec.shape is None else tuple(max(length, 0) for length in spec.shape)
            return np.empty((0, *shape[1:]), dtype_of(spec.datatype))
        shapes = {item.shape for item in value}
        stacked: Array = np.stack(value) if len(shapes) == 1 else self._padded(value, shapes)
        return bytes_array(stacked) if spec.datatype == BYTES else stacked

    def _padded(self, value: Any, shapes: set[tuple[int, ...]]) -> Array:
        if len(self.specs) == 1 or len({len(shape) for shape in shapes}) > 1:
            listed = ", ".join(str(list(shape)) for shape in sorted(shapes))
            raise ModelFailedError(
                f"output {self.name!r} is a sequence of tensors of different shapes ({listed}), "
                "which one tensor can't hold"
            )
        largest = [max(lengths) for lengths in zip(*shapes, strict=True)]
        padded: Array = np.full((len(value), *largest), "" if value[0].dtype == object else 0, value[0].dtype)
        for index, item in enumerate(value):
            place: tuple[Any, ...] = (index, *(slice(length) for length in item.shape))
            padded[place] = item
        return padded

    @property
    def rowwise(self) -> bool:
        return False


class ColumnsOutput(Output):
    """One map for each row, all with the keys that the graph names: a column for each key, in the graph's order."""

    def __init__(self, name: str, specs: tuple[TensorSpec, ...], keys: ClassLabels) -> None:
        super().__init__(name, specs)
        self.keys = keys

    def convert(self, value: Any) -> Array:
        rows = [[row[key] for key in self.keys] for row in value]
        return _array(rows, self.specs[0].datatype, (len(rows), len(self.keys)))


class CutColumnsOutput(Output):
    """What a ZipMap was made from, once that is taken out: the columns themselves, of a width that is not known."""

    def __init__(self, name: str, specs: tuple[TensorSpec, ...], keys: ClassLabels) -> None:
        super().__init__(name, specs)
        self.width = len(keys)

    def convert(self, value: Any) -> Array:
        array: Array = value
        if array.ndim == 1:
            array = array.reshape(1, -1)
        if array.shape[1:] != (self.width,):
            raise ModelFailedError(
                f"output {self.key!r} has shape {list(array.shape)}, but the model names {self.width} classes"
            )
        return array


class MapRowsOutput(Output):
    """One map for each row, with keys that only the answer tells: a row of keys and a row of values for each."""

    def give(self, value: Any, given: dict[str, Array]) -> None:
        lengths = sorted({len(row) for row in value})
        if len(lengths) > 1:
            raise ModelFailedError(
                f"output {self.name!r} has maps of {lengths[0]} to {lengths[-1]} entries, which one tensor can't hold"
            )
        shape = (len(value), lengths[0] if lengths else 0)
        keys, values = self.specs
        given[keys.name] = _array([list(row.keys()) for row in value], keys.datatype, shape)
        given[values.name] = _array([list(row.values()) for row in value], values.datatype, shape)


class MapOutput(MapRowsOutput):
    """A single map, as one row of keys and one row of values."""

    def give(self, value: Any, given: dict[str, Array]) -> None:
        super().give([value], given)

    @property
    def rowwise(self) -> bool:
        return False


class OptionalOutput(Output):
    """A value that may be absent."""

    def __init__(self, inner: Output) -> None:
        super().__init__(inner.name, inner.specs)
        self.inner = inner

    def give(self, value: Any, given: dict[str, Array]) -> None:
        if value is None:
            raise ModelFailedError(f"output {self.name!r} is optional and has no value for these inputs")
        self.inner.give(value, given)

    @property
    def rowwise(self) -> bool:
        return self.inner.rowwise


def output_for(name: str, kind: ValueType, keys: ClassLabels | None = None) -> Output:
    """The way out of one graph output; `keys` are those of its maps where the graph names them.

    Raises InvalidModelError where its type can't be made into tensors.
    """
    what = f"output {name!r}"
    if isinstance(kind, OptionalType):
        return OptionalOutput(output_for(name, kind.element, keys))
    if isinstance(kind, TensorType):
        return _tensor_output(name, kind, what)
    what = f"{what} ({kind})"
    if isinstance(kind, SequenceType) and isinstance(kind.element, TensorType):
        return StackedOutput(name, (stacked_spec(name, kind.element, what), *shapes_specs(name, kind.element)))
    if isinstance(kind, SequenceType):
        inner = kind.element
        if isinstance(inner, MapType) and isinstance(inner.value, TensorType):
            specs = map_specs(name, inner, inner.value, (-1, -1), what)
            return MapRowsOutput(name, specs) if keys is None else _columns(name, specs[1], keys)
    if isinstance(kind, MapType) and isinstance(kind.value, TensorType):
        return MapOutput(name, map_specs(name, kind, kind.value, (1, -1), what))
    raise InvalidModelError(f"output {name!r} is {kind}, which can't be made into tensors")


def cut_output_for(node_name: str, name: str, shape: tuple[int, ...], keys: ClassLabels) -> Output:
    """The way out of a tensor that a ZipMap was made from: as it is, where its width is known to be right."""
    specs = (TensorSpec(name, "FP32", (-1, len(keys))),)
    if len(shape) == 2 and shape[1] == len(keys):
        return Output(node_name, specs)
    return CutColumnsOutput(node_name, specs, keys)


def _tensor_output(name: str, kind: TensorType, what: str) -> Output:
    spec = tensor_spec(name, kind, what)
    if spec.shape is not None:  # a length of 0 is how some exporters write "unknown"; ONNX Runtime does not hold to it
        spec = TensorSpec(name, spec.datatype, tuple(length or -1 for length in spec.shape))
    return {BYTES: TextOutput, "BF16": BFloatOutput}.get(spec.datatype, Output)(name, (spec,))


def _columns(name: str, values: TensorSpec, keys: ClassLabels) -> Output:
    return ColumnsOutput(name, (TensorSpec(name, values.datatype, (-1, len(keys))),), keys)


def _array(rows: list[list[Any]], datatype: str, shape: tuple[int, int]) -> Array:
    if datatype != BYTES:
        return np.array(rows, dtype_of(datatype)).reshape(shape)
    texts = np.empty(shape, np.object_)
    texts[...] = np.array(rows, np.object_).reshape(shape)
    return bytes_array(texts)
