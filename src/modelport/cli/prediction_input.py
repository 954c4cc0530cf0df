"""What a person gives `modelport predict`: a file, stdin, JSON, or name=value words, read into plain data."""

from __future__ import annotations

import csv
import io
import re
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from modelport.client.plain import image_type
from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError
from modelport.wire.json_tensors import loads


class UnreadableError(click.ClickException):
    """What the command line names can't be read: one line, and the exit status of wrong usage."""

    exit_code = 2


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SEPARATORS = {".tsv": "\t", ".csv": ","}


def read_input(words: Sequence[str], inline: str | None) -> Any:
    """The data that INPUT and --data stand for, as `Client.predict` takes it. Raises UnreadableError.

    One word is a file or `-`; words with `=` are one record. A file's content decides how it is read, except that a
    .txt is text and a .csv or .tsv a table.
    """
    if inline is not None:
        if words:
            raise UnreadableError("give either INPUT or --data, not both")
        return _json(inline.encode(), "--data")
    if not words:
        raise UnreadableError("there is nothing to predict: give a file, `-`, name=value words, or --data JSON")
    if words == ("-",):
        return read_content(sys.stdin.buffer.read(), "stdin", "")
    if len(words) == 1 and (Path(words[0]).is_file() or "=" not in words[0]):
        path = Path(words[0])
        try:
            content = path.read_bytes()
        except OSError as error:
            hint = "" if path.exists() else "; a value is given as name=value, a text or a list by --data"
            raise UnreadableError(f"can't read {words[0]!r}: {error.strerror}{hint}") from None
        return read_content(content, words[0], path.suffix.lower())
    return _record(words)


def read_content(content: bytes, name: str, suffix: str) -> Any:
    """A file's content as data: picture, numpy file, table, text or JSON. `name` is for error messages."""
    if image_type(content) is not None:
        return content
    if content.startswith((b"\x93NUMPY", b"PK\x03\x04")):
        return _numpy(content, name)
    text = _text(content, name)
    if suffix == ".txt":
        return text
    separator = _separator(text, suffix)
    return _json(content, name) if separator is None else table(text, name, separator)


def _separator(text: str, suffix: str) -> str | None:
    """What separates the cells of a table; None where the text is JSON."""
    if suffix in _SEPARATORS or suffix == ".json" or text.lstrip()[:1] in ("{", "[", '"'):
        return _SEPARATORS.get(suffix)
    first = text.partition("\n")[0]
    return next((separator for separator in ",\t" if separator in first), None)


def table(text: str, name: str, separator: str = ",") -> list[Any]:
    """The rows of a CSV: records where the first line holds names, otherwise lists of numbers.

    An empty cell is null. A first column without a name is an index, as pandas writes it, and is left out.
    """
    rows = [(line, row) for line, row in enumerate(csv.reader(io.StringIO(text), delimiter=separator), 1) if row]
    if not rows:
        raise UnreadableError(f"{name} is empty")
    width = len(rows[0][1])
    for line, row in rows:
        if len(row) != width:
            raise UnreadableError(f"row {line} of {name} has {len(row)} cells, but the first has {width}")
    head = [cell.strip() for cell in rows[0][1]]
    if all(_NUMBER.fullmatch(cell) for cell in head):
        return [[_cell(cell) for cell in row] for _, row in rows]
    start = 1 if head[0] == "" else 0
    return [dict(zip(head[start:], [_cell(cell) for cell in row[start:]], strict=True)) for _, row in rows[1:]]


def _record(words: Sequence[str]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not name:
            raise UnreadableError(f"{word!r} is not of the form name=value")
        if name in record:
            raise UnreadableError(f"{name!r} is given twice")
        record[name] = _cell(value)
    return record


def _cell(text: str) -> Any:
    """A number where it is written as one, null where it is empty or `nan`, otherwise the text."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else float(text)
    return None if text == "" or text.lower() == "nan" else text


def _json(content: bytes, name: str) -> Any:
    try:
        return loads(content)
    except InvalidInputError as error:
        said = str(error).removeprefix("the body is ")
        hint = "; a text is written in quotes" if name == "--data" else ""
        raise UnreadableError(f"{name} is {said}{hint}") from None


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableError(
            f"{name} is none of what can be read: JSON, CSV, UTF-8 text, .npy, .npz, or a PNG, JPEG or WebP image"
        ) from None


def _numpy(content: bytes, name: str) -> Array | dict[str, Any]:
    try:
        loaded = np.load(io.BytesIO(content), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        return {"inputs": {key: loaded[key] for key in loaded.files}}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UnreadableError(f"{name} can't be read as a numpy file: {error}") from None
