"""The quick way through `:predict`: bodies with nothing but numbers for a model's only input.

The reader takes what is right in every respect and gives None for everything else, which then goes the careful way.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from modelport.core.datatypes import DTYPES, FLOATS, INTEGERS, Array
from modelport.core.meaning import Image
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.columns import is_checked
from modelport.wire.http import Buffer
from modelport.wire.tensorflow_serving_signatures import NAMES

#: The inputs, and whether they came as rows.
Reader = Callable[[Buffer], tuple[dict[str, Array], bool] | None]
_MOST_DIMENSIONS = 8
#: Datatypes that `struct` packs exactly as numpy would convert them, with their format characters.
_FORMATS = {
    "FP32": "f", "FP64": "d", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q",
    "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q",
}  # fmt: skip
_PACKED = 512


def quick_reader(signature: Signature) -> Reader:
    """The quick reader of a signature; one that always gives None where it has not just one input of numbers."""
    spec = signature.inputs[0] if len(signature.inputs) == 1 else None
    if spec is None or spec.datatype not in (FLOATS | INTEGERS) - {"BF16"} or isinstance(spec.meaning, Image):
        return lambda body: None
    if not spec.shape or len(spec.shape) > _MOST_DIMENSIONS or is_checked(spec.meaning):
        return lambda body: None
    return _reader(spec, len(spec.shape))


def _reader(spec: TensorSpec, rank: int) -> Reader:
    kind: Any = float if spec.datatype in FLOATS else int
    for _ in range(rank):
        kind = list[kind]
    fields = [("instances", kind | None, None), ("inputs", kind | None, None), ("signature_name", str, "")]
    decode = msgspec.json.Decoder(msgspec.defstruct("Body", fields)).decode
    build = _short_rows(spec) if rank == 2 and spec.datatype in _FORMATS else partial(_array, spec)
    name, names = spec.name, ("", *NAMES["predict"])

    def read(body: Buffer) -> tuple[dict[str, Array], bool] | None:
        try:
            parsed: Any = decode(body)
            value = parsed.instances
            rows = value is not None
            if rows is (parsed.inputs is not None) or parsed.signature_name not in names:
                return None
            array = build(value if rows else parsed.inputs)
        except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError, struct.error):
            return None
        if array.size and spec.fits(array.shape):
            return {name: array}, rows
        return None

    return read


def _array(spec: TensorSpec, value: list[Any]) -> Array:
    with np.errstate(over="raise"):
        return np.array(value, DTYPES[spec.datatype])


def _short_rows(spec: TensorSpec) -> Callable[[list[list[Any]]], Array]:
    """What makes an array of rows; up to some hundred values packing beats numpy's own conversion."""
    dtype, code = DTYPES[spec.datatype], _FORMATS[spec.datatype]
    packers: dict[int, Callable[..., bytes]] = {}

    def build(rows: list[list[Any]]) -> Array:
        count, width = len(rows), len(rows[0]) if rows else 0
        if not 0 < count * width <= _PACKED:
            return _array(spec, rows)
        for row in rows:
            if len(row) != width:
                raise ValueError("the rows are not all of one length")
        flat = rows[0] if count == 1 else chain.from_iterable(rows)
        pack = packers.get(count * width)
        if pack is None:
            pack = packers[count * width] = struct.Struct(f"<{count * width}{code}").pack
        return np.ndarray((count, width), dtype, pack(*flat))

    return build
