"""`fraud`, `fraud@3`, `fraud@production`: a model, and maybe one of its versions."""

from __future__ import annotations

import re

from modelport.core.errors import InvalidInputError
from modelport.core.references import check_model_name, parse_version

#: A version's number, or an alias; None: the newest version.
Selector = int | str | None
_ALIAS = re.compile(r"[A-Za-z](?:[A-Za-z0-9._\-]{0,98}[A-Za-z0-9])?")
_TAG = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._/:\-]{0,198}[A-Za-z0-9_])?")
_LONGEST = 100_000
#: What would be taken for something else.
_RESERVED = ("latest", "none", "all")


def parse_reference(text: str) -> tuple[str, Selector]:
    """The model's name, and which version. Raises InvalidInputError for what is no reference."""
    name, at, selector = text.partition("@")
    check_model_name(name)
    return name, parse_selector(selector) if at else None


def parse_selector(text: str) -> Selector:
    """Which version: a number, an alias, or `latest` for the newest. Raises InvalidInputError."""
    if text == "latest":
        return None
    return parse_version(text) if text.isdecimal() else check_alias(text)


def check_alias(name: str) -> str:
    """The alias itself. Raises InvalidInputError where it can't be one."""
    if _ALIAS.fullmatch(name) is None or name.lower() in _RESERVED:
        raise InvalidInputError(
            f"{name[:80]!r} can't be an alias: up to 100 letters, digits, '.', '_' and '-', beginning with a letter, "
            f"and none of {', '.join(_RESERVED)}"
        )
    return name


def check_tag(name: str) -> str:
    """The tag's name itself. Raises InvalidInputError where it can't be one."""
    if _TAG.fullmatch(name) is None:
        raise InvalidInputError(
            f"{name[:80]!r} can't be a tag's name: up to 200 letters, digits, '.', '_', '-', '/' and ':'"
        )
    return name


def check_text(text: str, what: str) -> str:
    """The text itself. Raises InvalidInputError for one that is too long, or that no database takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"{what} is no Unicode text") from None
    if len(text) > _LONGEST or "\0" in text:
        raise InvalidInputError(f"{what} is longer than {_LONGEST} characters, or has one that is zero")
    return text
