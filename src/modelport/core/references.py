"""Names of models and versions, as callers write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from modelport.core.errors import InvalidInputError

#: Letters, digits, `.`, `_`, `-` and spaces in between: what every dialect can carry in a path and a label.
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._\- ]{0,198}[A-Za-z0-9_\-])?")


class UnknownAliasError(InvalidInputError):
    """A version is asked for by a name that nobody gave it."""

    def __init__(self, alias: str, known: str = "") -> None:
        """`known` are the names that there are, for people."""
        called = f" or called {known}" if known else ""
        super().__init__(f"{alias[:200]!r} is not a version: versions are numbered 1, 2, 3 …{called}")
        self.alias = alias


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model, and one of its versions (None: the one that the server chooses)."""

    name: str
    version: int | None = None

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"


def check_model_name(name: str) -> str:
    """The name itself. Raises InvalidInputError where it can't be a model's name."""
    if _NAME.fullmatch(name) is None:
        raise InvalidInputError(
            f"{name!r} can't be a model's name: 1 to 200 letters, digits, '.', '_', '-' or spaces, "
            "beginning and ending with a letter, digit or '_'"
        )
    return name


def parse_version_or_alias(text: str) -> int | str:
    """A version's number, or a name that it may have. Raises InvalidInputError for what is neither."""
    return text if not text.isdecimal() and _NAME.fullmatch(text) else parse_version(text)


def parse_version(text: str) -> int:
    """A version's number, 1 or more. Raises InvalidInputError for anything else."""
    if not text.isascii() or not text.isdigit() or len(text) > 18 or int(text) < 1:
        raise InvalidInputError(f"{text!r} is not a version: versions are numbered 1, 2, 3 …")
    return int(text)
