"""From a refusal or a broken connection to the error tree."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import msgspec

from modelport.core import errors
from modelport.core.errors import DeadlineExceededError, InvalidInputError, Kind, ModelportError, UnavailableError

#: Kind → class: every class of the tree that has a kind of its own.
CLASSES: dict[Kind, type[ModelportError]] = {
    item.kind: item
    for item in vars(errors).values()
    if isinstance(item, type) and issubclass(item, ModelportError) and item is not ModelportError
}
#: Status code → kind, for servers that don't say the kind: RFC 9110, 499 as nginx uses it, 507 from RFC 4918.
KINDS: dict[int, Kind] = {
    400: Kind.INVALID_INPUT,
    401: Kind.UNAUTHENTICATED,
    403: Kind.FORBIDDEN,
    404: Kind.NOT_FOUND,
    405: Kind.UNSUPPORTED,
    408: Kind.TIMEOUT,
    409: Kind.CONFLICT,
    410: Kind.NOT_FOUND,
    413: Kind.TOO_LARGE,
    415: Kind.UNSUPPORTED,
    422: Kind.INVALID_INPUT,
    429: Kind.OVERLOADED,
    431: Kind.TOO_LARGE,
    499: Kind.CANCELLED,
    501: Kind.UNSUPPORTED,
    502: Kind.UNAVAILABLE,
    503: Kind.UNAVAILABLE,
    504: Kind.DEADLINE_EXCEEDED,
    507: Kind.OUT_OF_RESOURCES,
}
#: Nothing of the request has been sent when one of these is raised.
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> ModelportError:
    """The error that a refusal stands for: by the kind that the body names, otherwise by the status."""
    if 300 <= status < 400:
        target = headers.get("location", "another address")
        return InvalidInputError(
            f"the server answered {status}: it redirects to {target}; use that as the client's URL"
        )
    text, kind = _said(body)
    fallback = Kind.INVALID_INPUT if 400 <= status < 500 else Kind.INTERNAL
    known = kind if kind in CLASSES else KINDS.get(status, fallback)
    return CLASSES[Kind(known)](text or f"the server answered with status {status} and no explanation")


def no_answer(error: httpx.TransportError, url: str, timeout: float | None) -> ModelportError:
    """The error for a request that got no response."""
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return InvalidInputError(f"{url!r} can't be called: {error}")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return UnavailableError(
            f"no server answers at {url} ({_reason(error)}); start one with `modelport serve FILE`, or check the URL"
        )
    if isinstance(error, httpx.PoolTimeout):
        return UnavailableError(
            f"all connections of this client to {url} are in use; none became free in {timeout:g} s"
        )
    if isinstance(error, httpx.TimeoutException):
        return DeadlineExceededError(f"{url} gave no answer within {timeout:g} s")
    return UnavailableError(f"the connection to {url} broke before the answer was complete ({_reason(error)})")


def _reason(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "connecting took too long"
    text = str(error) or type(error).__name__
    return "connection refused" if "Errno 111" in text or "All connection attempts failed" in text else text


def _said(body: bytes) -> tuple[str, str]:
    """The text and the kind in an error's body: `error` of the protocol, or `detail` or `message` of frameworks."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body[:500].decode("utf-8", "replace").strip(), ""
    if not isinstance(document, dict):
        return str(document), ""
    text = next((document[key] for key in ("error", "detail", "message") if document.get(key)), "")
    return text if isinstance(text, str) else msgspec.json.encode(text).decode(), str(document.get("kind", ""))
