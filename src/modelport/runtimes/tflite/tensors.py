"""A TFLite model's inputs and outputs: names, datatypes, shapes, and the numbers that quantized ones stand for.

A quantized tensor holds whole numbers q that stand for (q − zero point) × scale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, NAMES, Array, bytes_array
from modelport.core.errors import InvalidInputError, InvalidModelError
from modelport.core.signature import Signature, TensorSpec

_QUANTIZED = ("INT8", "UINT8", "INT16")


@dataclass(frozen=True, slots=True)
class Quantization:
    """What whole numbers stand for."""

    scale: np.float32
    zero_point: int
    dtype: np.dtype[Any]

    def whole(self, array: Array, name: str) -> Array:
        """The nearest whole numbers that the tensor holds; what is beyond them becomes the last one."""
        numbers = np.asarray(array, np.float32)
        if np.isnan(numbers).any():
            raise InvalidInputError(f"input {name!r} has a NaN, which no quantized number stands for")
        limits = np.iinfo(self.dtype)
        with np.errstate(over="ignore"):
            steps = np.rint(numbers / self.scale) + np.float32(self.zero_point)
        whole: Array = np.clip(steps, limits.min, limits.max).astype(self.dtype)
        return whole

    def real(self, array: Array) -> Array:
        """The FP32 numbers that whole ones stand for."""
        steps: Array = (array.astype(np.float32) - np.float32(self.zero_point)) * self.scale
        return steps


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output as callers see it. `quantization` is None where they see what the model has."""

    spec: TensorSpec
    index: int
    quantization: Quantization | None

    def feed(self, array: Array) -> Any:
        """The array as LiteRT takes it."""
        if self.quantization is not None:
            return self.quantization.whole(array, self.spec.name)
        return np.ascontiguousarray(array).reshape(array.shape)

    def give(self, value: Any) -> Array:
        """What LiteRT gave, as the signature says."""
        if self.quantization is not None:
            value = self.quantization.real(value)
        if self.spec.datatype == BYTES:
            return bytes_array(np.asarray(value, np.object_))
        return np.ascontiguousarray(value, DTYPES[self.spec.datatype]).reshape(np.shape(value))


def tensors_of(details: dict[str, dict[str, Any]], floats: bool, file: str) -> tuple[Tensor, ...]:
    """Tensors from LiteRT's details by name; with `floats`, quantized ones as FP32. Raises InvalidModelError."""
    return tuple(_tensor(name, detail, floats, file) for name, detail in details.items())


def by_name(details: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The details of a model without signatures by its tensors' names, made unique."""
    named: dict[str, dict[str, Any]] = {}
    for place, detail in enumerate(details):
        name = detail["name"] or f"tensor_{place}"
        named[name if name not in named else f"{name}_{place}"] = detail
    return named


def signature_of(inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> Signature:
    """The tensors' signature."""
    return Signature(tuple(item.spec for item in inputs), tuple(item.spec for item in outputs))


def with_free_rows(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The tensors with a first axis of any length."""
    return tuple(replace(item, spec=replace(item.spec, shape=(-1, *(item.spec.shape or ())[1:]))) for item in tensors)


def quantization_text(tensors: tuple[Tensor, ...], details: dict[str, dict[str, Any]]) -> str:
    """`x INT8, scale 0.0039, zero point -128; …` of all that are quantized."""
    told = []
    for item in tensors:
        found = _quantization(details[item.spec.name])
        if found is not None:
            kind = NAMES[found.dtype]
            told.append(f"{item.spec.name} {kind}, scale {found.scale:.9g}, zero point {found.zero_point}")
    return "; ".join(told)


def _tensor(name: str, detail: dict[str, Any], floats: bool, file: str) -> Tensor:
    datatype = _datatype(detail["dtype"])
    if datatype is None:
        kind = getattr(detail["dtype"], "__name__", detail["dtype"])
        raise InvalidModelError(f"{file}: its tensor {name!r} has the dtype {kind}, which no datatype carries")
    shape = tuple(int(size) for size in detail["shape_signature"])
    if not shape:
        shape = tuple(int(size) for size in detail["shape"])
    found = _quantization(detail) if floats else None
    spec = TensorSpec(name, datatype if found is None else "FP32", shape)
    return Tensor(spec, int(detail["index"]), found)


def _datatype(kind: Any) -> str | None:
    if kind in (np.bytes_, np.str_, np.object_):
        return BYTES
    return NAMES.get(np.dtype(kind))


def _quantization(detail: dict[str, Any]) -> Quantization | None:
    """None where the tensor is not quantized, or each channel in its own way."""
    numbers = detail["quantization_parameters"]
    scales, zeros = numbers["scales"], numbers["zero_points"]
    datatype = _datatype(detail["dtype"])
    if datatype not in _QUANTIZED or len(scales) != 1 or not float(scales[0]) > 0:
        return None
    return Quantization(np.float32(scales[0]), int(zeros[0]) if len(zeros) else 0, np.dtype(detail["dtype"]))
