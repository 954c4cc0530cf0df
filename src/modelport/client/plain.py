"""Plain prediction: what people have at hand (records, tables, arrays, pictures, texts) as a request's body."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from modelport.client.exchange import Response, document
from modelport.core.errors import InternalError, InvalidInputError

#: Names under which the instances may stand in a request (the server knows the same).
ENVELOPES = frozenset({"instances", "data", "X", "inputs"})
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def plain_body(data: Any) -> tuple[bytes, str]:
    """The body and its content type.

    - a dict: one record, a dict of columns, tensors by input name (arrays of two or more dimensions), or a whole
      request (`{"instances": …}`), which goes as it is
    - a list of records, rows, texts or pictures; a row; a numpy array; a pandas or polars DataFrame
    - a picture: a path (`pathlib.Path`) to a PNG, JPEG or WebP file, its bytes, or a PIL image
    - a recording: a path to a WAV file, or its bytes
    - a str is text, never a path: a text from a stranger must not name a file of this machine

    Raises InvalidInputError for anything else.
    """
    if isinstance(data, str):
        return data.encode(), "text/plain; charset=utf-8"
    if _is_picture(data):
        picture = _picture(data)
        content_type = image_type(picture)
        if content_type is None:
            raise InvalidInputError(
                "the bytes are not a PNG, JPEG or WebP image, nor a WAV recording; send text as str, "
                "numbers as lists or arrays"
            )
        return picture, content_type
    if _is_frame(data):
        data = _columns(data)
    if isinstance(data, Mapping):
        return _json(_wrapped(data)), "application/json"
    if isinstance(data, list | tuple):
        data = [_element(item) for item in data]
    return _json({"instances": data}), "application/json"


def plain_answer(response: Response) -> list[dict[str, Any]] | dict[str, Any]:
    """The predictions, one dict per row; for a model without rows, its outputs by name."""
    answer = document(response)
    for key in ("predictions", "outputs"):
        if isinstance(answer, dict) and key in answer:
            result: list[dict[str, Any]] | dict[str, Any] = answer[key]
            return result
    raise InternalError("the server's answer has neither 'predictions' nor 'outputs': is it a Modelport server?")


def _wrapped(data: Mapping[str, Any]) -> Mapping[str, Any]:
    if len(data) == 1 and ENVELOPES.issuperset(data) and not isinstance(next(iter(data.values())), np.ndarray):
        return data
    if any(isinstance(value, np.ndarray) and value.ndim > 1 for value in data.values()):
        return {"inputs": data}
    return {"instances": data}


def _element(item: Any) -> Any:
    return {"b64": base64.b64encode(_picture(item)).decode()} if _is_picture(item) else item


def _is_picture(data: Any) -> bool:
    return isinstance(data, bytes | bytearray | memoryview | os.PathLike) or _is_pil(data)


def _is_pil(data: Any) -> bool:
    return hasattr(data, "mode") and hasattr(data, "getbbox") and hasattr(data, "save")


def _is_frame(data: Any) -> bool:
    return hasattr(data, "columns") and hasattr(data, "to_dict")


def _picture(data: Any) -> bytes:
    if isinstance(data, os.PathLike):
        try:
            data = Path(data).read_bytes()
        except OSError as error:
            raise InvalidInputError(f"{os.fspath(data)!r} can't be read: {error.strerror}") from None
    if not _is_pil(data):
        return bytes(data)
    buffer = io.BytesIO()
    kept = data if data.mode in ("1", "L", "LA", "P", "RGB", "RGBA") else data.convert("RGB")
    kept.save(buffer, "PNG")
    return buffer.getvalue()


def image_type(content: bytes) -> str | None:
    """The content type of a picture or a recording, from the first bytes that its format gives; None for others."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(content[8:12]) if content[:4] == b"RIFF" else None


def _columns(frame: Any) -> dict[str, list[Any]]:
    """A DataFrame by columns, by what pandas and polars have in common."""
    names = [str(name) for name in frame.columns]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInputError(f"the table has two columns named {twice!r}")
    columns = (frame[name] for name in frame.columns)
    return {
        name: column.tolist() if hasattr(column, "tolist") else column.to_list()
        for name, column in zip(names, columns, strict=True)
    }


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=_plain, option=_OPTIONS)
    except TypeError as error:
        raise InvalidInputError(f"the data can't be written as JSON: {error.__cause__ or error}") from None


def _plain(value: Any) -> Any:
    """What JSON does not know: arrays that are not contiguous or of rare types, numpy scalars, pandas' NA, bytes."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist() if value.dtype.kind != "V" else value.astype(np.float32).tolist()
    if isinstance(value, bytes):
        return value.decode()
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not a number, text, list, dict, array or picture")
