"""One inference request on a connection, from its last byte to the reply that waits for its turn."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from time import perf_counter_ns
from typing import TYPE_CHECKING

from modelport.core.errors import InternalError, ModelportError
from modelport.core.messages import InferenceResponse
from modelport.server.http.routes import Route
from modelport.wire.compression import compress, decompress
from modelport.wire.http import Buffer, HttpCall, HttpReply

if TYPE_CHECKING:
    from modelport.engine.engine import Engine

_log = logging.getLogger("modelport.server")
_LINE = {status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}
_LINE[499] = b"HTTP/1.1 499 Client Closed Request\r\n"
#: Bodies up to this many bytes go out in one piece with their head.
_JOINED = 65536
_OK_JSON = _LINE[200] + b"content-type: application/json\r\ncontent-length: "


class Exchange:
    """A request and, later, its reply. `finished` is called once the reply is there."""

    __slots__ = (
        "_encode", "_finished", "_headers", "_limit", "_request", "_served",
        "body", "engine", "keep_alive", "reply", "route",
    )  # fmt: skip

    def __init__(self, engine: Engine, route: Route, headers: dict[bytes, bytes], keep_alive: bool, limit: int) -> None:
        self.engine = engine
        self.route = route
        self.keep_alive = keep_alive
        self.body: Buffer = b""
        self.reply: HttpReply | None = None
        self._headers = headers
        self._limit = limit

    def begin(self, finished: Callable[[], None]) -> None:
        """Decode `body` and submit. Calls `finished` now or later, and raises nothing."""
        self._finished = finished
        received = perf_counter_ns()
        route, headers, body = self.route, self._headers, self.body
        self.body = b""
        try:
            if route.error is not None:
                raise route.error
            if b"content-encoding" in headers:
                body = decompress(body, headers[b"content-encoding"], self._limit)
            name = route.model if route.model is not None else route.dialect.model_of(headers)
            self._served = served = self.engine.find(name, route.version)
            request, self._encode = route.dialect.decode(HttpCall(body, headers), served.signature)
        except ModelportError as error:
            self.refuse(error)
            return
        except Exception as error:
            self.refuse(_defect(error))
            return
        request.received = received
        request.decoded = perf_counter_ns()
        self._request = request
        self.engine.submit(served, request, self._answer)

    def refuse(self, error: ModelportError) -> None:
        """Reply with an error, in the dialect's form."""
        name = self.route.model
        known = name if name is not None and self.engine.has(name) else ""
        self.engine.metrics.error(known, self.route.dialect.name, error.kind)
        self._finish(self.route.dialect.refuse(error))

    def refuse_unbegun(self, error: ModelportError, status: int | None = None) -> None:
        """Reply to a request that was never wholly received; `status` overrides the dialect's."""
        self._finished = _nothing
        self.refuse(error)
        if status is not None and self.reply is not None:
            self.reply.status = status

    def _answer(self, outcome: InferenceResponse | ModelportError) -> None:
        if isinstance(outcome, ModelportError):
            self.refuse(outcome)
            return
        try:
            reply = self._encode(outcome)
            accepted = self._headers.get(b"accept-encoding")
            if accepted is not None and accepted != b"identity":
                reply = compress(reply, accepted)
        except ModelportError as error:
            self.refuse(error)
            return
        except Exception as error:
            self.refuse(_defect(error))
            return
        served, request = self._served, self._request
        self._finish(reply)
        served.meter(self.route.dialect.name).count(request, served.rows_of(request), perf_counter_ns())

    def _finish(self, reply: HttpReply) -> None:
        self.reply = reply
        self._finished()


def _nothing() -> None:
    """The connection flushes by itself."""


def _defect(error: Exception) -> InternalError:
    _log.exception("a request was answered with an internal error")
    return InternalError(f"internal error: {type(error).__name__}")


def serialized(reply: HttpReply, common: bytes, keep_alive: bool) -> bytes | list[Buffer]:
    """A reply as it goes out; `common` are header lines that every response has."""
    body = reply.body
    if type(body) is bytes and reply.status == 200 and keep_alive and not reply.headers and reply.content_type == _JSON:
        return b"%b%d\r\n%b\r\n%b" % (_OK_JSON, len(body), common, body)
    buffers: list[Buffer] = [body] if isinstance(body, bytes) else body
    lines = [
        _LINE.get(reply.status) or b"HTTP/1.1 %d\r\n" % reply.status,
        b"content-type: %b\r\ncontent-length: %d\r\n" % (reply.content_type, sum(map(len, buffers))),
        *(b"%b: %b\r\n" % header for header in reply.headers),
        common if keep_alive else common + b"connection: close\r\n",
        b"\r\n",
    ]
    if type(body) is bytes and len(body) <= _JOINED:
        return b"".join((*lines, body))
    return [b"".join(lines), *buffers]


_JSON = b"application/json"
