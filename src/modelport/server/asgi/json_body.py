"""Bodies of management requests, where a framework's model of them would be stricter than the protocol."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from modelport.core.errors import InvalidInputError
from modelport.wire.json_tensors import dumps, loads
from modelport.wire.quoting import quoted


async def json_object(request: Request) -> dict[str, Any]:
    """The body's JSON object; an empty body is an empty one. Raises InvalidInputError."""
    body = await request.body()
    document = loads(body) if body.strip() else {}
    if not isinstance(document, dict):
        raise InvalidInputError(f"the body must be a JSON object, not {quoted(document)}")
    return document


def field(document: dict[str, Any], name: str, kind: type, default: Any = None) -> Any:
    """A field of that type. Raises InvalidInputError where it is of another, or missing without a default."""
    value = document.get(name, default)
    if value is None:
        raise InvalidInputError(f"{name!r} is missing in the body")
    if type(value) is not kind:
        word = {bool: "true or false", int: "a whole number", str: "a string", dict: "an object"}[kind]
        raise InvalidInputError(f"{name!r} must be {word}, not {quoted(value)}")
    return value


def json_reply(document: Any) -> Response:
    """A document as the whole answer."""
    return Response(dumps(document), media_type="application/json")
