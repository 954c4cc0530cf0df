"""Protobuf's text format into dictionaries of lists, without a schema.

`a: 1 a: 2 b { c: "x" }` is `{"a": [1, 2], "b": [{"c": ["x"]}]}`. Names of enums are text, like strings.
Source: Protocol Buffers "Text Format Language Specification".
"""

from __future__ import annotations

import re
from ast import literal_eval
from typing import Any

from modelport.core.errors import InvalidModelError

#: Field name → its values in their order.
Message = dict[str, list[Any]]

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|([+-]?[\w.]+(?:(?<=[eE])[+-]\d+)?|[-{}<>\[\]:,;/])|(.)""",
    re.S,
)
_DEEPEST = 32
_CLOSING = {"{": "}", "<": ">"}


def parse(text: str, name: str) -> Message:
    """The message in a text. Raises InvalidModelError naming the line."""
    return _Parser(text, name).message("", 0)


class _Parser:
    def __init__(self, text: str, name: str) -> None:
        self._text, self._name = text, name
        self._tokens: list[tuple[str, int]] = []
        for found in _TOKEN.finditer(text):
            if found[3]:
                raise self._wrong(f"{found[3]!r} can't be read", found.start())
            if found[1] or found[2]:
                self._tokens.append((found[1] or found[2], found.start()))
        self._tokens.append(("", len(text)))
        self._at = 0

    def message(self, end: str, depth: int) -> Message:
        """Fields until `end`."""
        if depth > _DEEPEST:
            raise self._wrong("messages are nested too deep")
        fields: Message = {}
        while self._peek() != end:
            key = self._next()
            if not re.fullmatch(r"[A-Za-z_]\w*", key):
                raise self._wrong(f"a field's name is expected, not {key!r}" if key else "it ends too soon", back=1)
            fields.setdefault(key, []).extend(self._values(depth))
            if self._peek() in (",", ";"):
                self._next()
        self._next()
        return fields

    def _values(self, depth: int) -> list[Any]:
        colon = self._peek() == ":"
        if colon:
            self._next()
        if self._peek() != "[":
            return [self._value(depth, colon)]
        self._next()
        values: list[Any] = []
        while self._peek() != "]":
            values.append(self._value(depth, True))
            if self._peek() == ",":
                self._next()
            elif self._peek() != "]":
                raise self._wrong(f"',' or ']' is expected, not {self._peek()!r}")
        self._next()
        return values

    def _value(self, depth: int, colon: bool) -> Any:
        token = self._next()
        if token in _CLOSING:
            return self.message(_CLOSING[token], depth + 1)
        if token[:1] in ('"', "'") and colon:
            parts = [token]
            while self._peek()[:1] in ('"', "'"):  # adjacent strings are one
                parts.append(self._next())
            return self._string(" ".join(parts))
        if not re.fullmatch(r"[+-]?[\w.+-]+", token) or not colon:
            raise self._wrong(f"a value is expected, not {token!r}" if token else "it ends too soon", back=1)
        return _scalar(token)

    def _string(self, written: str) -> str:
        try:
            value = literal_eval(f"({written})")
        except (ValueError, SyntaxError):
            raise self._wrong(f"the text {written[:40]} can't be read", back=1) from None
        return str(value)

    def _peek(self) -> str:
        return self._tokens[self._at][0]

    def _next(self) -> str:
        token = self._tokens[self._at][0]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _wrong(self, what: str, place: int | None = None, back: int = 0) -> InvalidModelError:
        if place is None:
            place = self._tokens[max(self._at - back, 0)][1]
        line = self._text.count("\n", 0, place) + 1
        return InvalidModelError(f"{self._name}, line {line}: {what}")


def _scalar(written: str) -> Any:
    if written in ("true", "True", "t"):
        return True
    if written in ("false", "False", "f"):
        return False
    for read in (lambda text: int(text, 0), float):
        try:
            return read(written)
        except ValueError:
            continue
    return written
