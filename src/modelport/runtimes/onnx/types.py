"""The types that a value in an ONNX graph can have, and their names as ONNX Runtime writes them."""

from __future__ import annotations

from dataclasses import dataclass

#: TensorProto.DataType → ONNX Runtime's name of the element type.
ELEMENT_NAMES: dict[int, str] = {
    1: "float",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "double",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
    17: "float8e4m3fn",
    18: "float8e4m3fnuz",
    19: "float8e5m2",
    20: "float8e5m2fnuz",
    21: "uint4",
    22: "int4",
    23: "float4e2m1",
    24: "float8e8m0",
    25: "uint2",
    26: "int2",
    27: "float6e2m3",
    28: "float6e3m2",
}

#: Element type → datatype of the protocol, for those that it has.
DATATYPES: dict[str, str] = {
    "float": "FP32",
    "uint8": "UINT8",
    "int8": "INT8",
    "uint16": "UINT16",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "string": "BYTES",
    "bool": "BOOL",
    "float16": "FP16",
    "double": "FP64",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "bfloat16": "BF16",
}


@dataclass(frozen=True, slots=True)
class TensorType:
    """A tensor: element type, shape (None: any rank, −1: any length), and the name of its first axis if it has one."""

    element: str
    shape: tuple[int, ...] | None = None
    rows: str = ""

    def __str__(self) -> str:
        return f"tensor({self.element})"


@dataclass(frozen=True, slots=True)
class SequenceType:
    """A list of values of one type."""

    element: ValueType

    def __str__(self) -> str:
        return f"seq({self.element})"


@dataclass(frozen=True, slots=True)
class MapType:
    """A dictionary from one element type to values of one type."""

    key: str
    value: ValueType

    def __str__(self) -> str:
        return f"map({self.key},{self.value})"


@dataclass(frozen=True, slots=True)
class OptionalType:
    """A value that may be absent."""

    element: ValueType

    def __str__(self) -> str:
        return f"optional({self.element})"


@dataclass(frozen=True, slots=True)
class OtherType:
    """A type that is only named: sparse tensors, opaque types, and what a later ONNX may add."""

    name: str

    def __str__(self) -> str:
        return self.name


ValueType = TensorType | SequenceType | MapType | OptionalType | OtherType


def parse_type(text: str, shape: tuple[int, ...] | None = None) -> ValueType:
    """The type that ONNX Runtime names, such as `seq(map(int64,tensor(float)))`; a tensor gets the shape given."""
    name, _, rest = text.partition("(")
    inner = rest[:-1]
    if name == "tensor":
        return TensorType(inner, shape)
    if name == "seq":
        return SequenceType(parse_type(inner))
    if name == "optional":
        return OptionalType(parse_type(inner, shape))
    if name == "map":
        key, _, value = inner.partition(",")
        return MapType(key, parse_type(value))
    return OtherType(text)
