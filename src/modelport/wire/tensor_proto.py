"""TensorFlow's TensorProto → arrays: raw bytes in `tensor_content`, or typed fields in which a last value goes on.

Sources: tensorflow/core/framework/tensor.proto, and for short lists of values the rules of `Tensor::FromProto`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, Array, integer_range
from modelport.core.errors import InvalidInputError
from modelport.core.signature import TensorSpec, shape_text
from modelport.wire.http import Buffer
from modelport.wire.protobuf import load_schema
from modelport.wire.tensor_proto_varints import BrokenVarintError, Words, unpack_varints
from modelport.wire.tensors import array_from_raw, check_shape, shaped

#: A tensor whose list of values is shorter than its shape is filled up to this many bytes at most.
_MOST_FILLED = 1 << 26


@dataclass(frozen=True, slots=True)
class TensorType:
    """How TensorFlow writes a datatype: the number and name of its DataType, and the field that its values are in.

    `form`: `fixed` are the elements' own bytes, `varints` are integers, `bits` the integers that 16-bit floats are made
    of, `strings` one field for each element.
    """

    number: int
    name: str
    datatype: str
    field: str
    field_number: int
    form: Literal["fixed", "varints", "bits", "strings"]


_TYPES = (
    TensorType(1, "DT_FLOAT", "FP32", "float_val", 5, "fixed"),
    TensorType(2, "DT_DOUBLE", "FP64", "double_val", 6, "fixed"),
    TensorType(3, "DT_INT32", "INT32", "int_val", 7, "varints"),
    TensorType(4, "DT_UINT8", "UINT8", "int_val", 7, "varints"),
    TensorType(5, "DT_INT16", "INT16", "int_val", 7, "varints"),
    TensorType(6, "DT_INT8", "INT8", "int_val", 7, "varints"),
    TensorType(7, "DT_STRING", BYTES, "string_val", 8, "strings"),
    TensorType(9, "DT_INT64", "INT64", "int64_val", 10, "varints"),
    TensorType(10, "DT_BOOL", "BOOL", "bool_val", 11, "varints"),
    TensorType(14, "DT_BFLOAT16", "BF16", "half_val", 13, "bits"),
    TensorType(17, "DT_UINT16", "UINT16", "int_val", 7, "varints"),
    TensorType(19, "DT_HALF", "FP16", "half_val", 13, "bits"),
    TensorType(22, "DT_UINT32", "UINT32", "uint32_val", 16, "varints"),
    TensorType(23, "DT_UINT64", "UINT64", "uint64_val", 17, "varints"),
)
TYPES: dict[str, TensorType] = {kind.datatype: kind for kind in _TYPES}
_FIELDS = {kind.field_number: kind.field for kind in _TYPES} | {9: "scomplex_val", 12: "dcomplex_val", 18: "float8_val"}


def type_name(number: int) -> str:
    """The name of a DataType by its number; the number itself where there is none."""
    names = load_schema("tensorflow_tensor.proto").files[0].enum_type[0].value
    return next((item.name for item in names if item.number == number), str(number))


def describe(spec: TensorSpec) -> str:
    """A tensor in TensorFlow's words: `x DT_FLOAT [-1, 30]`."""
    return f"{spec.name} {TYPES[spec.datatype].name} {shape_text(spec.shape)}"


def check_declared(spec: TensorSpec, number: int, shape: list[int] | None) -> TensorType:
    """Check the declared type and shape (None: unknown rank) before any data is looked at. Raises InvalidInputError."""
    kind = TYPES[spec.datatype]
    if number != kind.number:
        raise InvalidInputError(
            f"input {spec.name!r} has dtype {type_name(number)}, but the model takes {describe(spec)}; "
            f"a client says so with tf.make_tensor_proto(..., dtype={_python_name(kind)})"
        )
    if shape is None:
        raise InvalidInputError(f"input {spec.name!r} has an unknown rank in its tensor_shape")
    check_shape(spec.name, shape)
    if not spec.fits(shape):
        raise InvalidInputError(f"input {spec.name!r} has shape {shape}, but the model takes {describe(spec)}")
    return kind


def check_field(name: str, kind: TensorType, number: int) -> None:
    """Refuse values in the field of another type, which TensorFlow would pass over and read zeros instead."""
    if number in _FIELDS and number != kind.field_number:
        raise InvalidInputError(
            f"input {name!r} is {kind.name}, whose values belong into {kind.field}, not into {_FIELDS[number]}"
        )


def array_from_content(name: str, kind: TensorType, shape: list[int], content: memoryview) -> Array:
    """The tensor in `tensor_content`. Raises InvalidInputError unless the bytes are what the shape needs."""
    if kind.form == "strings":
        return shaped(name, _strings(name, prod(shape), content), shape)
    return array_from_raw(name, kind.datatype, shape, content)


def array_from_packed(name: str, kind: TensorType, shape: list[int], packed: Buffer) -> Array:
    """The tensor whose values are in the packed typed field."""
    if kind.form == "fixed":
        if len(packed) % DTYPES[kind.datatype].itemsize:
            raise InvalidInputError(f"input {name!r}: {kind.field} ends within a value")
        flat = np.frombuffer(packed, DTYPES[kind.datatype])
        return array_from_values(name, kind, shape, flat if flat.flags.aligned else flat.copy())
    try:
        words = unpack_varints(packed)
    except BrokenVarintError as error:
        raise InvalidInputError(f"input {name!r}: {kind.field} is broken: {error}") from None
    return array_from_values(name, kind, shape, _from_words(name, kind, words))


def array_from_values(name: str, kind: TensorType, shape: list[int], flat: Array) -> Array:
    """The tensor of a list of values: where it is shorter than the shape, its last value goes on; none are zeros."""
    count = prod(shape)
    if flat.size < count:
        if count * DTYPES[kind.datatype].itemsize > _MOST_FILLED:
            raise InvalidInputError(
                f"input {name!r} has {flat.size} values in {kind.field}, but its shape {shape} needs {count}; "
                f"a tensor is filled up with its last value to {_MOST_FILLED} bytes at most"
            )
        last = flat[-1] if flat.size else b"" if kind.form == "strings" else DTYPES[kind.datatype].type(0)
        full = np.empty(count, flat.dtype)
        full[: flat.size] = flat
        full[flat.size :] = last
        flat = full
    return shaped(name, flat, shape)


def _from_words(name: str, kind: TensorType, words: Words) -> Array:
    """64-bit words as protobuf's field and then TensorFlow's type have them."""
    dtype = DTYPES[kind.datatype]
    if kind.datatype == "BOOL":
        flags: Array = words != 0
        return flags
    if kind.field_number in (7, 13):  # int32 fields keep the low half of a word
        return from_numbers(name, kind, words.astype(np.uint32).view(np.int32))
    return words.astype(dtype)


def from_numbers(name: str, kind: TensorType, numbers: Array) -> Array:
    """The values of an integer field in the tensor's dtype. Raises InvalidInputError for one that it can't hold."""
    dtype = DTYPES[kind.datatype]
    low, high = (-(2**15), 2**16 - 1) if kind.form == "bits" else integer_range(kind.datatype)
    if numbers.dtype.itemsize > dtype.itemsize and numbers.size and not low <= numbers.min() <= numbers.max() <= high:
        raise InvalidInputError(f"input {name!r} has a value in {kind.field} outside {kind.name}: {low} to {high}")
    return numbers.astype(np.uint16).view(dtype) if kind.form == "bits" else numbers.astype(dtype)


def _strings(name: str, count: int, content: memoryview) -> Array:
    """Strings in `tensor_content`: their lengths as varints, then their bytes one after the other."""
    lengths: list[int] = []
    at, total = 0, len(content)
    while len(lengths) < count and at < total:
        length, shift = 0, 0
        while at < total and shift < 35:
            byte = content[at]
            at, length, shift = at + 1, length | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                break
        lengths.append(length)
    if len(lengths) < count or at + sum(lengths) != total:
        raise InvalidInputError(f"input {name!r}: its tensor_content is not the lengths and bytes of {count} strings")
    flat = np.empty(count, np.object_)
    for index, length in enumerate(lengths):
        flat[index] = bytes(content[at : at + length])
        at += length
    return flat


def _python_name(kind: TensorType) -> str:
    words = {"DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_HALF": "float16"}
    return "tf." + words.get(kind.name, kind.name.removeprefix("DT_").lower())
