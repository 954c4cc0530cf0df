"""Content-Type and Accept: what a body is, and what the answer should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from modelport.core.errors import UnsupportedError
from modelport.wire.http import HttpCall


def content_type(call: HttpCall) -> tuple[str, dict[str, str]]:
    """The media type of the body in lower case ("" where none is named), and its parameters."""
    kind, *rest = call.headers.get(b"content-type", b"").decode("latin-1").split(";")
    parameters = {}
    for part in rest:
        name, equals, value = part.partition("=")
        if equals:
            parameters[name.strip().lower()] = value.strip().strip('"').lower()
    return kind.strip().lower(), parameters


def check_utf8(parameters: Mapping[str, str]) -> None:
    """Raise UnsupportedError where the charset is another one."""
    charset = parameters.get("charset", "utf-8")
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedError(f"the charset {charset[:60]!r} is not understood; send UTF-8")


def accepted(accept: bytes, offers: Sequence[str], default: str) -> str:
    """The offer that an Accept header prefers; `default` where it names none or anything will do.

    Raises UnsupportedError where the header takes none of the offers.
    """
    best, best_weight = "", 0.0
    text = accept.decode("latin-1").lower()
    for part in text.split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        weight = _weight(parameters)
        found = default if kind in ("", "*/*") else _offer(kind, offers)
        if found and weight > best_weight:
            best, best_weight = found, weight
    if not best:
        raise UnsupportedError(f"no answer is made as {text[:100]!r}; accept one of {', '.join(offers)}")
    return best


def _offer(kind: str, offers: Sequence[str]) -> str:
    if kind.endswith("/*"):
        return next((offer for offer in offers if offer.startswith(kind[:-1])), "")
    return kind if kind in offers else ""


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
