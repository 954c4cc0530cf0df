"""Requests that are not gRPC: the interface of their handlers, and the stream that these answer on."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from modelport.server.http2.frames import ErrorCode
from modelport.server.http2.header_blocks import Field, encode_fields
from modelport.server.http2.requests import CONNECTION_SPECIFIC, Request
from modelport.server.http2.stream import Buffer, Stream

if TYPE_CHECKING:
    from modelport.server.http2.connection import Connection


class PlainHandler(Protocol):
    """Handles requests; one object may serve any number of streams. All methods run on the event loop's thread."""

    def on_request(self, stream: "PlainStream", headers: Sequence[Field]) -> None:
        """A request has begun; method, path and so on are in `stream.request`. The answer may be given at once."""

    def on_data(self, stream: "PlainStream", data: bytes) -> None:
        """A piece of the body. Call `stream.consume(len(data))` once it no longer takes memory."""

    def on_end(self, stream: "PlainStream") -> None:
        """The body is complete."""

    def on_cancel(self, stream: "PlainStream") -> None:
        """The client is gone, or broke a rule; what is sent from now on is dropped."""

    def on_writable(self, stream: "PlainStream") -> None:
        """The stream's `queued` bytes have fallen to a low level; a streaming handler may send on."""


class PlainStream(Stream):
    """One plain request. `state` is its handler's to use."""

    handler: PlainHandler
    state: Any = None
    responded = False  # the response's headers have been sent

    def __init__(self, connection: "Connection", stream_id: int, request: Request, handler: PlainHandler) -> None:
        super().__init__(connection, stream_id, request)
        self.handler = handler

    def handle_open(self) -> None:
        self.handler.on_request(self, self.request.headers)

    def handle_data(self, data: bytes) -> None:
        self.handler.on_data(self, data)

    def handle_end(self, trailers: list[Field]) -> None:
        self.handler.on_end(self)

    def handle_reset(self, code: int) -> None:
        self.handler.on_cancel(self)

    def handle_writable(self) -> None:
        self.handler.on_writable(self)

    def respond(self, status: int, headers: Iterable[Field], body: Iterable[Buffer] | None = ()) -> None:
        """Send the response: all of it if `body` is given, only its headers if it is None (then `write`, `end`).

        Informational responses (1xx) have no body; the real response is yet to be sent after them.
        Header names are sent in lowercase, and those that HTTP/2 forbids are left out.
        """
        if self.responded:
            raise RuntimeError("the response has begun already")
        block = encode_response(status, headers)
        self.responded = status >= 200
        if status < 200:
            self.send_headers(block)
            return
        chunks = [] if body is None else [chunk for chunk in body if len(chunk)]
        if body is not None and (not chunks or self.request.method == b"HEAD"):
            self.send_headers(block, end=True)
            return
        self.send_headers(block)
        if body is not None:
            self.send_data(chunks, end=True)

    def write(self, chunk: Buffer) -> None:
        """Queue a piece of the body. When `queued` is above `limits.max_send_queue`, wait for on_writable."""
        if self.request.method != b"HEAD":
            self.send_data((chunk,))

    def end(self) -> None:
        """The body is complete."""
        self.send_data((), end=True)

    def abort(self) -> None:
        """Break off a response that cannot be completed."""
        self.reset(ErrorCode.INTERNAL_ERROR)


def encode_response(status: int, headers: Iterable[Field]) -> bytes:
    """The header block of a response. Raises ValueError for a header that could split it."""
    fields: list[Field] = [(b":status", b"%d" % status)]
    for raw_name, value in headers:
        name = raw_name.lower()
        if name in CONNECTION_SPECIFIC:
            continue
        if name[:1] in (b":", b"") or b"\n" in name + value or b"\r" in name + value or b"\0" in name + value:
            raise ValueError(f"response header {name!r} is not allowed")
        fields.append((name, value.strip(b" \t")))
    return encode_fields(fields)
