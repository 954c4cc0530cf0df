"""How the protocol's tensors become what ONNX Runtime takes: text, bfloat16, sequences, maps, optional values."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort

from modelport.core.datatypes import BYTES, DTYPES, Array, text_array
from modelport.core.errors import InvalidInputError, InvalidModelError
from modelport.core.meaning import Column, Meaning, Tabular
from modelport.core.nearest import did_you_mean
from modelport.core.signature import Shape, TensorSpec
from modelport.runtimes.onnx.types import DATATYPES, MapType, OptionalType, SequenceType, TensorType, ValueType

#: TensorProto.BFLOAT16.
_BFLOAT16 = 16


class Input:
    """One input of the graph: the tensors it is made from, and how. This one passes a tensor on as it is."""

    def __init__(self, name: str, specs: tuple[TensorSpec, ...]) -> None:
        self.name = name
        self.specs = specs

    def feed(self, given: dict[str, Array], feeds: dict[str, Any]) -> None:
        """Put the value for the graph into `feeds`; nothing where an optional input is left out."""
        array = given.get(self.name)
        if array is not None:
            feeds[self.name] = self.convert(array)

    def convert(self, array: Array) -> Any:
        """The value for the graph. Raises InvalidInputError."""
        return array

    @property
    def plain(self) -> bool:
        """Whether ONNX Runtime takes the protocol's array itself."""
        return type(self) is Input

    @property
    def rowwise(self) -> bool:
        """Whether rows of several requests may be joined along the first axis."""
        return True


class TextInput(Input):
    """A string tensor: ONNX Runtime takes `str`, the protocol has `bytes`."""

    def convert(self, array: Array) -> Any:
        return text_array(array, self.name)


class CategoryInput(TextInput):
    """A string tensor whose columns take some texts only: others would be computed as no category at all."""

    def __init__(self, name: str, specs: tuple[TensorSpec, ...], table: Tabular) -> None:
        super().__init__(name, specs)
        self._columns = [(place, item, frozenset(item.categories)) for place, item in enumerate(table.columns)]
        self._width = len(table.columns)

    def convert(self, array: Array) -> Any:
        texts = text_array(array, self.name)
        if texts.size and texts.size % self._width == 0:
            rows = texts.reshape(-1, self._width)
            for place, column, allowed in self._columns:
                if allowed and not allowed.issuperset(rows[:, place].tolist()):
                    raise _unknown(column, rows[:, place].tolist())
        return texts


class BFloatInput(Input):
    """A bfloat16 tensor, which ONNX Runtime's Python interface takes only as an OrtValue made from its bits."""

    def convert(self, array: Array) -> Any:
        bits = array.view(np.uint16)
        if not bits.flags.c_contiguous:
            bits = bits.copy()
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, _BFLOAT16)


class SequenceInput(Input):
    """A sequence of tensors, stacked along a first axis.

    Where their shapes differ they are padded to the largest, and the input `NAME.shapes` says how large each one is.
    """

    def feed(self, given: dict[str, Array], feeds: dict[str, Any]) -> None:
        super().feed(given, feeds)
        shapes = given.get(shapes_name(self.name))
        if shapes is None:
            return
        if self.name not in feeds:
            raise InvalidInputError(f"{shapes_name(self.name)!r} is given without {self.name!r}, whose shapes it says")
        feeds[self.name] = self._cut(feeds[self.name], given[self.name].shape, shapes)

    def convert(self, array: Array) -> Any:
        if self.specs[0].datatype == BYTES:
            array = text_array(array, self.name)
        return [array[index, ...] for index in range(len(array))]

    def _cut(self, elements: list[Any], stacked: tuple[int, ...], shapes: Array) -> list[Any]:
        """The elements without their padding."""
        name, wanted = shapes_name(self.name), (len(elements), len(stacked) - 1)
        if shapes.shape != wanted:
            raise InvalidInputError(
                f"input {name!r} must have shape {list(wanted)}: a row for each tensor of {self.name!r}, and a column "
                f"for each of its axes; it has {list(shapes.shape)}"
            )
        sizes: list[list[int]] = shapes.tolist()
        if any(not 0 <= size <= most for row in sizes for size, most in zip(row, stacked[1:], strict=True)):
            raise InvalidInputError(f"input {name!r} has sizes that are not between 0 and {list(stacked[1:])}")
        cuts = [tuple(slice(size) for size in row) for row in sizes]
        return [np.ascontiguousarray(element[cut]) for element, cut in zip(elements, cuts, strict=True)]

    @property
    def rowwise(self) -> bool:
        return False


class MapInput(Input):
    """A map, as one row of keys and one row of values."""

    def feed(self, given: dict[str, Array], feeds: dict[str, Any]) -> None:
        keys, values = (_listed(given[spec.name], spec) for spec in self.specs)
        if len(keys) != len(values):
            names = " and ".join(repr(spec.name) for spec in self.specs)
            raise InvalidInputError(f"{names} must have as many elements, but they have {len(keys)} and {len(values)}")
        feeds[self.name] = dict(zip(keys, values, strict=True))

    @property
    def rowwise(self) -> bool:
        return False


def with_categories(item: Input, meaning: Meaning | None) -> Input:
    """The same input, held to the categories that its columns have."""
    categorical = isinstance(meaning, Tabular) and any(column.categories for column in meaning.columns)
    if type(item) is TextInput and categorical and isinstance(meaning, Tabular):
        return CategoryInput(item.name, item.specs, meaning)
    return item


def input_for(name: str, kind: ValueType, optional: bool = False) -> Input:
    """The way into one graph input. Raises InvalidModelError where no tensor can be made into its type."""
    if isinstance(kind, OptionalType):
        return input_for(name, kind.element, optional=True)
    if isinstance(kind, TensorType):
        spec = tensor_spec(name, kind, f"input {name!r}", optional)
        return {BYTES: TextInput, "BF16": BFloatInput}.get(spec.datatype, Input)(name, (spec,))
    if isinstance(kind, SequenceType) and isinstance(kind.element, TensorType):
        spec = stacked_spec(name, kind.element, f"input {name!r} ({kind})", optional)
        return SequenceInput(name, (spec, *shapes_specs(name, kind.element, optional=True)))
    if isinstance(kind, MapType) and isinstance(kind.value, TensorType) and not optional:
        return MapInput(name, map_specs(name, kind, kind.value, (1, -1), f"input {name!r} ({kind})"))
    raise InvalidModelError(f"input {name!r} is {kind}, which can't be made from tensors")


def tensor_spec(name: str, kind: TensorType, what: str, optional: bool = False) -> TensorSpec:
    """The spec of a tensor. Raises InvalidModelError where the protocol has no datatype for its elements."""
    return TensorSpec(name, datatype_for(kind.element, what), kind.shape, optional=optional)


def stacked_spec(name: str, element: TensorType, what: str, optional: bool = False) -> TensorSpec:
    """The spec of a sequence of tensors, stacked along a new first axis."""
    datatype = datatype_for(element.element, what)
    if datatype == "BF16":
        raise InvalidModelError(f"{what} is a sequence of bfloat16, which ONNX Runtime can't exchange with Python")
    shape: Shape = None if element.shape is None else (-1, *element.shape)
    return TensorSpec(name, datatype, shape, optional=optional)


def shapes_name(name: str) -> str:
    """The tensor that says how large each tensor of a sequence is."""
    return f"{name}.shapes"


def shapes_specs(name: str, element: TensorType, optional: bool = False) -> tuple[TensorSpec, ...]:
    """The spec of that tensor; none where all have one shape anyway."""
    if element.shape is not None and -1 not in element.shape:
        return ()
    rank = -1 if element.shape is None else len(element.shape)
    return (TensorSpec(shapes_name(name), "INT64", (-1, rank), optional=optional),)


def map_specs(name: str, kind: MapType, value: TensorType, shape: Shape, what: str) -> tuple[TensorSpec, ...]:
    """The specs of a map's keys and values, which have the same shape."""
    keys, values = datatype_for(kind.key, what), datatype_for(value.element, what)
    if "BF16" in (keys, values):
        raise InvalidModelError(f"{what} holds bfloat16, which ONNX Runtime can't exchange with Python")
    return TensorSpec(f"{name}_keys", keys, shape), TensorSpec(name, values, shape)


def datatype_for(element: str, what: str) -> str:
    """The protocol's datatype for an element type; `what` is how an error calls the tensor."""
    try:
        return DATATYPES[element]
    except KeyError:
        known = ", ".join(DTYPES)
        raise InvalidModelError(
            f"{what} has elements of type {element}, which no datatype of the protocol carries ({known}); "
            "cast it inside the model"
        ) from None


def _unknown(column: Column, values: list[str]) -> InvalidInputError:
    row, value = next((row, value) for row, value in enumerate(values) if value not in column.categories)
    near, where = did_you_mean(value, column.categories), f", in row {row}" if len(values) > 1 else ""
    listed = ", ".join(column.categories[:40])
    return InvalidInputError(f"column {column.name!r} has no category {value[:60]!r}{where}{near}; it takes: {listed}")


def _listed(array: Array, spec: TensorSpec) -> list[Any]:
    flat = array.ravel()
    items: list[Any] = (text_array(flat, spec.name) if spec.datatype == BYTES else flat).tolist()
    return items
