"""JSON values as people write them ⇄ the tensor of one input: rows, a single row, a single value, texts, files."""

from __future__ import annotations

import base64
import binascii
from itertools import chain
from math import prod
from typing import Any

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, FLOATS, INTEGERS, Array, value_range
from modelport.core.errors import InvalidInputError
from modelport.core.meaning import Image, Tabular
from modelport.core.signature import TensorSpec, shape_text
from modelport.wire.columns import check_ranges, numbered
from modelport.wire.media import files_tensor, takes_files
from modelport.wire.quoting import quoted

_NUMBERS = {int, float, bool, type(None)}


def tensor_from_rows(spec: TensorSpec, value: Any) -> Array:
    """One tensor from rows, from a single row, or from a single value. Raises InvalidInputError."""
    if value is None:
        raise InvalidInputError(f"input {spec.name!r} is null; it takes {spec.describe()}")
    if takes_files(spec) and (is_encoded(value) or _all_encoded(value)):
        files = value if isinstance(value, list) else [value]
        return files_tensor([_decoded(spec, item) for item in files], spec)
    table = spec.meaning if isinstance(spec.meaning, Tabular) and spec.datatype != BYTES else None
    if table is not None:
        value = numbered(table, value)
    leaves, shape = _unnested(spec, value)
    if shape[:1] == [0]:
        raise InvalidInputError(f"input {spec.name!r} has no rows: the data is an empty list")
    array = _texts(spec, leaves, shape) if spec.datatype == BYTES else _numbers(spec, leaves, shape)
    made = fitted(spec, array.reshape(shape))
    if table is not None:
        check_ranges(table, made)
    return made


def is_encoded(value: Any) -> bool:
    """Whether it is bytes as JSON carries them: `{"b64": "..."}`."""
    return isinstance(value, dict) and value.keys() == {"b64"}


def _unnested(spec: TensorSpec, value: Any) -> tuple[list[Any], list[int]]:
    """The leaves of nested lists in one list, and the lists' shape. Raises InvalidInputError for ragged ones."""
    level: list[Any] = [value]
    shape: list[int] = []
    while level and isinstance(level[0], list):
        if len(shape) == 64:
            raise InvalidInputError(f"the lists of input {spec.name!r} are nested too deep; it takes {spec.describe()}")
        length = len(level[0])
        odd = next((at for at, item in enumerate(level) if type(item) is not list or len(item) != length), None)
        if odd is not None:
            raise InvalidInputError(_why_ragged(spec, level[odd], odd, length, len(shape)))
        shape.append(length)
        level = list(chain.from_iterable(level))
    return level, shape


def _why_ragged(spec: TensorSpec, item: Any, place: int, length: int, depth: int) -> str:
    other = f"has {len(item)}" if isinstance(item, list) else f"is {quoted(item)}, no list"
    if depth == 1:
        return (
            f"the rows of input {spec.name!r} are not all of one length: row 0 has {length} values, row {place} {other}"
        )
    return f"the lists of input {spec.name!r} are not all of one length: one has {length} values, another {other}"


def _numbers(spec: TensorSpec, leaves: list[Any], shape: list[int]) -> Array:
    """The leaves in the datatype, refusing what would become another number; null is NaN where there is NaN."""
    kinds = set(map(type, leaves))
    for at, leaf in enumerate(leaves if kinds - _NUMBERS else ()):
        if type(leaf) not in _NUMBERS:
            raise _wrong(spec, shape, at, leaf)
    if spec.datatype in FLOATS:
        return _floats(spec, [np.nan if leaf is None else leaf for leaf in leaves] if type(None) in kinds else leaves)
    flags = spec.datatype == "BOOL"
    for at, leaf in enumerate(leaves if flags or kinds - {int, bool} else ()):
        if leaf is None or (leaf not in (0, 1) if flags else leaf % 1 != 0):  # NaN and infinities are not whole either
            raise _wrong(spec, shape, at, leaf)
    try:
        return np.array(list(map(int, leaves)) if float in kinds else leaves, DTYPES[spec.datatype])
    except OverflowError:
        raise _outside(spec) from None


def _floats(spec: TensorSpec, leaves: list[Any]) -> Array:
    try:
        with np.errstate(over="raise"):
            wide = np.array(leaves, np.float64)
            array = wide.astype(DTYPES[spec.datatype])
    except (OverflowError, FloatingPointError):
        raise _outside(spec) from None
    if spec.datatype == "BF16" and not np.array_equal(np.isfinite(wide), np.isfinite(array)):
        raise _outside(spec)
    return array


def _outside(spec: TensorSpec) -> InvalidInputError:
    low, high = value_range(spec.datatype)
    return InvalidInputError(f"input {spec.name!r} has a value outside {spec.datatype}, which is {low} to {high}")


def _wrong(spec: TensorSpec, shape: list[int], at: int, leaf: Any) -> InvalidInputError:
    """Say which value is of another kind, and where it stands."""
    words = {"BOOL": "true and false", BYTES: "texts"}.get(spec.datatype, "numbers")
    if spec.datatype in INTEGERS:
        words = "whole numbers"
    index = [int(place) for place in np.unravel_index(at, shape)] if shape else []
    where = f", at {index}" if index else ""
    if index and isinstance(spec.meaning, Tabular) and index[-1] < len(spec.meaning.columns):
        where = f", in column {spec.meaning.columns[index[-1]].name!r}"
    shown = "null" if leaf is None else quoted(leaf)
    return InvalidInputError(f"input {spec.name!r} takes {words} ({spec.datatype}), not {shown}{where}")


def _texts(spec: TensorSpec, leaves: list[Any], shape: list[int]) -> Array:
    array = np.empty(len(leaves), np.object_)
    for at, leaf in enumerate(leaves):
        if is_encoded(leaf):
            array[at] = _decoded(spec, leaf)
        elif isinstance(leaf, str):
            try:
                array[at] = leaf.encode()
            except UnicodeEncodeError:
                raise InvalidInputError(f"a text of input {spec.name!r} is not valid Unicode: {quoted(leaf)}") from None
        else:
            raise _wrong(spec, shape, at, leaf)
    return array


def fitted(spec: TensorSpec, array: Array) -> Array:
    """The array in the signature's shape: a single row gets its batch dimension, single values their column."""
    wanted = spec.shape
    if wanted is None or spec.fits(array.shape):
        return array
    candidates = [array[np.newaxis]]
    if array.size == 1:
        candidates.append(array.reshape((1,) * len(wanted)))
    if wanted == (-1, 1) and array.ndim == 1:
        candidates.append(array[:, np.newaxis])
    if wanted == (-1,) and array.shape[1:] == (1,):
        candidates.append(array[:, 0])
    if isinstance(spec.meaning, Image) and _holds_pictures(spec.meaning, array.shape):
        candidates.append(array.reshape(-1, *wanted[1:]))
    for candidate in candidates:
        if spec.fits(candidate.shape):
            return candidate
    raise InvalidInputError(_why_no_fit(spec, array))


def _holds_pictures(image: Image, shape: tuple[int, ...]) -> bool:
    """Whether its last dimensions are one picture's pixels, whose order no new shape changes."""
    height, width, channels = image.height, image.width, image.channels
    forms = [(height, width, channels), (height * width * channels,)]
    if channels == 1:
        forms += [(height, width), (1, height, width)]
    elif image.layout == "CHW":
        forms = [(channels, height, width)]
    return any(shape[-len(form) :] == form for form in forms)


def _why_no_fit(spec: TensorSpec, array: Array) -> str:
    wanted, shape = spec.shape or (), array.shape
    if len(shape) == len(wanted) and shape[1:] == wanted[1:]:
        rows = "1 row" if wanted[0] == 1 else f"{wanted[0]} rows"
        return f"input {spec.name!r} takes exactly {rows} in a request, not {shape[0]}"
    if len(wanted) == 2 and wanted[1] != -1 and len(shape) in (1, 2):
        return f"each row of input {spec.name!r} takes {wanted[1]} values, not {shape[-1]}"
    if prod(shape) == 1:
        return f"input {spec.name!r} takes {shape_text(spec.shape)} values, not a single one"
    return f"input {spec.name!r} takes the shape {shape_text(spec.shape)}, not {list(shape)}"


def _all_encoded(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(is_encoded(item) for item in value)


def _decoded(spec: TensorSpec, value: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise InvalidInputError(f"the b64 value of input {spec.name!r} is not valid base64: {error}") from None
