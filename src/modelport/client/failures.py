"""From a refusal or a broken connection to the error tree."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from modelport.client.broken import AllInUseError, NoAnswerError, NotConnectedError, TooSlowError
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
#: gRPC status code → kind, for servers that don't say the kind ("Status codes and their use in gRPC").
GRPC_KINDS: dict[int, Kind] = {
    1: Kind.CANCELLED,
    3: Kind.INVALID_INPUT,
    4: Kind.DEADLINE_EXCEEDED,
    5: Kind.NOT_FOUND,
    6: Kind.CONFLICT,
    7: Kind.FORBIDDEN,
    8: Kind.OVERLOADED,
    9: Kind.CONFLICT,
    10: Kind.CONFLICT,
    11: Kind.INVALID_INPUT,
    12: Kind.UNSUPPORTED,
    14: Kind.UNAVAILABLE,
    16: Kind.UNAUTHENTICATED,
}


class NoServerError(UnavailableError):
    """Nothing answers at the address: the request has not been sent."""


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


def grpc_error(code: int, text: str, kind: str = "") -> ModelportError:
    """The error that a gRPC status stands for: by the kind that the trailers name, otherwise by the code."""
    known = kind if kind in CLASSES else GRPC_KINDS.get(code, Kind.INTERNAL)
    return CLASSES[Kind(known)](text or f"the server answered with gRPC status {code} and no explanation")


def no_answer(error: NoAnswerError, url: str, timeout: float | None) -> ModelportError:
    """The error for a request that got no response."""
    if isinstance(error, NotConnectedError):
        return NoServerError(
            f"no server answers at {url} ({error}); start one with `modelport serve FILE`, or check the URL"
        )
    limit = "the time" if timeout is None else f"{timeout:g} s"
    if isinstance(error, AllInUseError):
        return UnavailableError(f"all connections of this client to {url} are in use; none became free in {limit}")
    if isinstance(error, TooSlowError):
        return DeadlineExceededError(f"{url} gave no answer within {limit}")
    return UnavailableError(f"the connection to {url} broke before the answer was complete ({error})")


def reason(error: Exception) -> str:
    """What a failure to connect says, in few words."""
    if isinstance(error, TimeoutError):
        return "connecting took too long"
    text = str(error)
    if isinstance(error, ConnectionRefusedError) or "Connection refused" in text or "Errno 111" in text:
        return "connection refused"
    return text or type(error).__name__


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
