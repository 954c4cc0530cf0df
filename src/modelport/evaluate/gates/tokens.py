"""A gate's text as tokens, each with its place: errors can point at it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from modelport.core.errors import InvalidInputError

Kind = Literal["number", "name", "text", "sign", "slice", "end"]

#: What a gate may hold at most: it is a line that somebody typed.
LONGEST = 500
_TYPED = str.maketrans({"≥": "\x01", "≤": "\x02", "−": "-", "×": "*", "÷": "/", "·": "*"})
_SIGNS = ("\x01", "\x02", ">=", "<=", "==", "!=", ">", "<", "+", "-", "*", "/", "(", ")", ".", "%")
_MEANT = {"\x01": ">=", "\x02": "<="}
_NUMBER = re.compile(r"\d+(\.\d+)?([eE][+-]?\d+)?")
_NAME = re.compile(r"[^\W\d]\w*")
_PART = re.compile(r"\w+")
_TEXT = re.compile(r'"([^"]*)"|\'([^\']*)\'')
_SLICE = re.compile(r"\[((?:\"[^\"]*\"|'[^']*'|[^\]\"'])*)\]")


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a gate; `at` is where it begins, counted from 0."""

    kind: Kind
    text: str
    at: int


class GateError(InvalidInputError):
    """A gate that can't be read: the text points at the place."""

    def __init__(self, gate: str, at: int, why: str) -> None:
        shown = gate.replace("\n", " ").replace("\t", " ")
        super().__init__(f"gate, character {at + 1}: {why}\n  {shown}\n  {' ' * at}^")


def tokens_of(gate: str) -> list[Token]:
    """All tokens, and one for the end. Raises GateError for what is none."""
    if len(gate) > LONGEST:
        raise InvalidInputError(f"a gate has at most {LONGEST} characters, not {len(gate)}")
    text = gate.translate(_TYPED)
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        token, at = _next(gate, text, at, after_dot=bool(tokens) and tokens[-1].text == "." and tokens[-1].at == at - 1)
        tokens.append(token)
    return [*tokens, Token("end", "", len(text))]


def _next(gate: str, text: str, at: int, after_dot: bool) -> tuple[Token, int]:
    part = _PART.match(text, at) if after_dot else None  # a class may be called 0
    if part:
        return Token("name", part[0], at), part.end()
    for kind, pattern in _PATTERNS:
        found = pattern.match(text, at)
        if found:
            inner = next((group for group in found.groups() if group is not None), "")
            return Token(kind, inner if kind in ("text", "slice") else found[0], at), found.end()
    sign = next((sign for sign in _SIGNS if text.startswith(sign, at)), None)
    if sign is None:
        hint = {"=": "; two of them compare: ==", "&": "; give several gates instead"}.get(text[at], "")
        raise GateError(gate, at, f"{gate[at]!r} means nothing here{hint}")
    return Token("sign", _MEANT.get(sign, sign), at), at + len(sign)


_PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("number", _NUMBER),
    ("name", _NAME),
    ("text", _TEXT),
    ("slice", _SLICE),
)
