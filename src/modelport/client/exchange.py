"""An exchange with a server, without sockets: a generator that yields requests, is sent responses, returns the result.

A client runs an exchange by sending what it yields. Where a request gets no response, the error is thrown into the
exchange, which may go another way. So every call is written once, and the clients differ in nothing but `await`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from modelport.client.failures import error_of
from modelport.core.errors import InternalError, InvalidInputError
from modelport.wire.json_tensors import loads

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `path` is quoted and stands below the server's URL; `retry` False: it is sent only once."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    retry: bool = True


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response: its body without Content-Encoding, and its headers by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the server did what was asked."""
        return 200 <= self.status < 300


Exchange = Generator[Request, Response, T]


def accepted(response: Response) -> Response:
    """The response itself. Raises the error that it stands for where the server refused."""
    if response.ok:
        return response
    raise error_of(response.status, response.headers, response.body)


def document(response: Response) -> Any:
    """The JSON in an accepted response. Raises InternalError where there is none."""
    accepted(response)
    try:
        return loads(response.body)
    except InvalidInputError:
        start = response.body[:80].decode("utf-8", "replace")
        raise InternalError(f"the server's answer is not JSON; it begins with {start!r}") from None
