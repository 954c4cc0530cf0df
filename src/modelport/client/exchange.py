"""An exchange with a server, without sockets: a generator that yields requests, is sent responses, returns the result.

A client runs an exchange by sending what it yields. Where a request gets no response, the error is thrown into the
exchange, which may go another way. So every call is written once, and the clients differ in nothing but `await`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from modelport.client.failures import error_of
from modelport.core.errors import InternalError, InvalidInputError
from modelport.wire.http import Buffer
from modelport.wire.json_tensors import loads

T = TypeVar("T")


@dataclass(slots=True)
class Request:
    """One HTTP request. `path` is quoted and stands below the server's URL; `retry` False: it is sent only once.

    `body` is sent as its parts, one after the other: big tensors are never joined. They must not change meanwhile.
    """

    method: str
    path: str
    body: Sequence[Buffer] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    retry: bool = True

    @property
    def content(self) -> bytes:
        """The body in one piece."""
        return b"".join(self.body)


@dataclass(slots=True)
class Response:
    """One HTTP response: its body without Content-Encoding, and its headers by lower-case name.

    A body that is a memoryview can be written to, and belongs to this response alone.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | memoryview
    #: Whether the request had to be sent more than once, so that the time it took says nothing.
    resent: bool = False

    @property
    def ok(self) -> bool:
        """Whether the server did what was asked."""
        return 200 <= self.status < 300


@dataclass(slots=True)
class Call:
    """One unary gRPC call of `inference.GRPCInferenceService`: the method's name, and the serialised message."""

    method: str
    message: bytes
    retry: bool = True


@dataclass(slots=True)
class Reply:
    """What a call that succeeded gave: the serialised message."""

    message: bytes
    resent: bool = False


#: Yields `Request` and is sent `Response`, or yields `Call` and is sent `Reply`.
Exchange = Generator[Request | Call, Any, T]


def accepted(response: Response) -> Response:
    """The response itself. Raises the error that it stands for where the server refused."""
    if response.ok:
        return response
    raise error_of(response.status, response.headers, bytes(response.body))


def document(response: Response) -> Any:
    """The JSON in an accepted response. Raises InternalError where there is none."""
    body = bytes(accepted(response).body)
    try:
        return loads(body)
    except InvalidInputError:
        start = body[:80].decode("utf-8", "replace")
        raise InternalError(f"the server's answer is not JSON; it begins with {start!r}") from None
