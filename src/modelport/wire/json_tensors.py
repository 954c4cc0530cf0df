"""Tensors as JSON: flat or nested lists in, flat lists out. NaN and infinities are bare words, as the field has it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import orjson

from modelport.core.datatypes import BYTES, DTYPES, FLOATS, INTEGERS, Array, value_range
from modelport.core.errors import InvalidInputError
from modelport.wire.tensors import shaped

_ELEMENT: dict[str, type[Any]] = {
    **dict.fromkeys(FLOATS, float),
    **dict.fromkeys(INTEGERS, int),
    "BOOL": bool,
    BYTES: str,
}
_WORDS = {float: "numbers", int: "whole numbers", bool: "true and false", str: "strings"}
_FLAT: dict[str, Callable[[bytes], list[Any]]] = {
    name: msgspec.json.Decoder(list.__class_getitem__(element)).decode for name, element in _ELEMENT.items()
}


def loads(body: bytes) -> Any:
    """A JSON document; NaN, Infinity and -Infinity are numbers, as Python, TensorFlow Serving and RapidJSON write them.

    Raises InvalidInputError for anything that is not JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if b"NaN" not in body and b"Infinity" not in body:
            raise InvalidInputError(f"the body is not valid JSON: {error}") from None
    try:
        document = json.loads(body)
        if b"\\u" in body:
            json.dumps(document, ensure_ascii=False).encode()  # refuses lone surrogates, as the stricter parsers do
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"the body is not valid JSON: {error}") from None
    return document


def dumps(document: Any) -> bytes:
    """A document with numpy arrays in it as JSON. NaN and infinities in arrays become the bare words, not null."""
    try:
        text = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # text with lone surrogates, which only the escapes of the other writer can carry
        text = b"null"
    # orjson writes null for them; a null is rare in answers, so looking for one costs nothing on the usual path
    return text if b"null" not in text else json.dumps(document, default=np.ndarray.tolist).encode()


def array_from_json(name: str, datatype: str, shape: list[int], data: msgspec.Raw | list[Any]) -> Array:
    """The tensor in a JSON list: `data` is its text, or a list that is parsed already.

    Raises InvalidInputError, naming it, where an element is not of the datatype or the count is not the shape's.
    """
    try:
        flat = _FLAT[datatype](data) if isinstance(data, msgspec.Raw) else _converted(data, datatype, 1)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _from_nested(name, datatype, shape, data)
    return shaped(name, _array(name, datatype, flat), shape)


def json_elements(name: str, array: Array) -> Any:
    """What `dumps` takes for a tensor's flat data. Raises InvalidInputError for BYTES that are not UTF-8 text."""
    flat = array.reshape(-1)
    if flat.dtype == np.object_:
        return _texts(name, flat)
    if flat.dtype == DTYPES["BF16"]:
        return flat.astype(np.float32)
    return _texts(name, flat) if flat.dtype.kind in "SU" else flat


def _from_nested(name: str, datatype: str, shape: list[int], data: msgspec.Raw | list[Any]) -> Array:
    """The slow way, for nested lists, 0/1 as BOOL, and for errors that say what is wrong."""
    wanted = _WORDS[_ELEMENT[datatype]]
    try:
        parsed = msgspec.json.decode(data) if isinstance(data, msgspec.Raw) else data
        is_flat = not isinstance(parsed, list) or not parsed or not isinstance(parsed[0], list)
        nested = _converted(parsed, datatype, 1 if is_flat else len(shape))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"the data of input {name!r} must be a list of {wanted} for {datatype}: {error}"
        ) from None
    array = _array(name, datatype, nested)
    if not is_flat and list(array.shape) != shape and not (array.size == 0 and 0 in shape):
        raise InvalidInputError(
            f"the data of input {name!r} is nested as {list(array.shape)}, but its shape is {shape}"
        )
    return shaped(name, array.reshape(-1), shape)


def _converted(value: Any, datatype: str, depth: int) -> list[Any]:
    if datatype == "BOOL":
        value = _flags(value)
    result: list[Any] = msgspec.convert(value, _list_type(datatype, max(depth, 1)))
    return result


@lru_cache(maxsize=256)
def _list_type(datatype: str, depth: int) -> Any:
    nested: Any = _ELEMENT[datatype]
    for _ in range(min(depth, 64)):
        nested = list[nested]
    return nested


def _flags(value: Any) -> Any:
    """0 and 1 for false and true, as some clients write BOOL."""
    if isinstance(value, list):
        return [_flags(item) for item in value]
    return bool(value) if value in (0, 1) and isinstance(value, int) else value


def _array(name: str, datatype: str, values: list[Any]) -> Array:
    if datatype == BYTES:
        return _byte_strings(name, values)
    try:
        with np.errstate(over="raise"):
            if datatype == "BF16":
                return _rounded(np.array(values, np.float32))
            return np.array(values, DTYPES[datatype])
    except (OverflowError, FloatingPointError):
        low, high = value_range(datatype)
        raise InvalidInputError(f"input {name!r} has a value outside {datatype}, which is {low} to {high}") from None
    except ValueError:
        raise InvalidInputError(f"the lists in the data of input {name!r} are not all of one length") from None


def _rounded(wide: Array) -> Array:
    narrow = wide.astype(DTYPES["BF16"])
    if not np.array_equal(np.isfinite(narrow), np.isfinite(wide)):
        raise OverflowError
    return narrow


def _byte_strings(name: str, values: list[Any]) -> Array:
    array = np.array(values, np.object_)
    flat = array.reshape(-1)
    for index, item in enumerate(flat.tolist()):
        if not isinstance(item, str):
            raise InvalidInputError(f"the lists in the data of input {name!r} are not all of one length")
        try:
            flat[index] = item.encode()
        except UnicodeEncodeError:
            raise InvalidInputError(f"element {index} of input {name!r} is not valid Unicode text") from None
    return array


def _texts(name: str, flat: Array) -> list[str]:
    try:
        return [item.decode() if isinstance(item, bytes) else str(item) for item in flat.tolist()]
    except UnicodeDecodeError:
        raise InvalidInputError(
            f"output {name!r} holds bytes that are not UTF-8 text, which JSON can't carry; ask for it as binary_data"
        ) from None
