"""The HTTP lane: inference is taken out of uvicorn's protocol before ASGI; everything else stays uvicorn's.

A request whose target is an inference route is collected here and goes straight to the engine: no ASGI scope, no task,
no middleware. Keep-alive, pipelining order, flow control, shutdown and TLS stay uvicorn's. Replies may come later, from
a thread: those of one connection leave in the order of its requests, ASGI's among them.

Depends on these parts of uvicorn's `HttpToolsProtocol`: the parser callbacks, `pipeline`, `cycle`, `_start_asgi_task`,
`_should_upgrade`, `on_response_complete`, `flow`, `server_state`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, cast

import httptools

from modelport.core.errors import InvalidInputError
from modelport.engine.engine import Engine
from modelport.server.http.answering import AnsweringProtocol
from modelport.server.http.exchange import Exchange
from modelport.server.http.express import Express
from modelport.server.http.routes import Route, Routes
from modelport.server.settings import LimitSettings
from modelport.wire.http import Buffer

if TYPE_CHECKING:
    from modelport.native._collect import Gate

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD_END = b"\r\n\r\n"
#: Heads that are remembered; one more empties the memory, so that nobody can fill it.
_REMEMBERED = 2048
_UPGRADE_HEADERS = (b"connection", b"upgrade", b"http2-settings")


#: Makes the protocol of a connection that turned out to be HTTP/2; it keeps itself in the set of live connections.
Http2Factory = Callable[[set[Any]], asyncio.Protocol]


@dataclass(frozen=True, slots=True)
class Head:
    """What a request's head, parsed once, means whenever it comes again."""

    route: Route
    headers: dict[bytes, bytes]
    keep_alive: bool
    length: int


class Lane(AnsweringProtocol):
    """One connection, as far as it reads. Made by `lane_protocol`, which binds what all connections share."""

    routes: Routes
    http2: Http2Factory
    heads: dict[bytes, Head]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.opening: bytes | None = b""  # what has come while it may still be HTTP/2's preface
        self.fresh: bytes | None = None  # the head at the beginning of what was received, for `heads`
        self.replaying = False
        self.chunk = self.head_bytes = self.line_bytes = self.body_bytes = 0

    def data_received(self, data: bytes) -> None:
        if self.gate is not None and not self._occupied():
            data = self._take_express(self.gate, data)
            if not data:
                return
        if self.refused:
            return
        if self.opening is not None:
            data = self._opened(data)
        if self.in_head:
            self.head_bytes += len(data)
        elif not self.in_message:
            data = self._take_known(data)
            self.since = perf_counter_ns()
            end = data.find(_HEAD_END)
            self.fresh = data[:end] if end > 0 and data.startswith(b"POST ") else None
        if data:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        self.chunk = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self.refuse(InvalidInputError(f"this is not an HTTP/1.1 request: {error}"))
        # A head that began in these bytes is what they end with: how much of them it is, its finished lines tell.
        if self.in_head and max(self.head_bytes, self._head_size()) > self.limits.header_bytes:
            self._refuse_head()

    def _head_size(self) -> int:
        """Bytes of the present head's finished lines."""
        return len(self.url) + self.line_bytes

    def _take_express(self, gate: Gate, data: bytes) -> bytes:
        """What is left once the requests at the beginning that may go the express way have gone."""
        express = self.express
        express.alone = len(self.connections) == 1
        taken = gate.take(data)
        if taken and express.alone:
            express.run_begun()
        return data[taken:] if taken else data

    def _occupied(self) -> bool:
        """Whether what comes now is not a request that may be answered before all others that are under way."""
        if self.refused or self.opening is not None or self.in_message or self.pending or self.pipeline:
            return True
        return self.cycle is not None and not self.cycle.response_complete

    def _opened(self, data: bytes) -> bytes:
        """The first bytes, once they are surely not HTTP/2's preface; until then nothing, and nothing if they are."""
        assert self.opening is not None
        opening, self.opening = self.opening + data, None
        if _PREFACE.startswith(opening[: len(_PREFACE)]):
            self._hand_over(opening)
            return b""
        return opening

    def _hand_over(self, opening: bytes) -> None:
        """What began as HTTP/2's preface goes on as an HTTP/2 connection, once the preface is here as a whole."""
        if len(opening) < len(_PREFACE):
            self.opening = opening
            return
        self.connections.discard(self)
        self.refused = True
        protocol = self.http2(self.connections)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        protocol.data_received(opening)

    def _take_known(self, data: bytes) -> bytes:
        """Begin the requests at the beginning of `data` whose head was parsed before; what is left for the parser.

        Most clients send one head again and again. Between two messages, the same bytes always mean the same head: so
        one that the parser found in order once is looked up instead of parsed. Only heads of inference with a
        Content-Length are remembered, and only requests that are here with their whole body are taken.
        """
        at = 0
        while (end := data.find(_HEAD_END, at)) > 0:
            known = self.heads.get(data[at:end])
            if known is None:
                break
            start, stop = end + 4, end + 4 + known.length
            if stop > len(data):
                break
            self._received(
                Exchange(self.engine, known.route, known.headers, known.keep_alive, self.limits.body_bytes),
                data[start:stop],
            )
            at = stop
            if self.refused or at == len(data):
                return b""
        return data[at:] if at else data

    def on_message_begin(self) -> None:
        # no ASGI scope yet: most requests never need one
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self.in_head = self.in_message = True
        self.head_bytes = self.line_bytes = self.body_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))
        self.line_bytes += len(name) + len(value) + 4

    def on_headers_complete(self) -> None:
        if self.refused:
            return
        self.in_head = False
        if self.chunk > self.limits.header_bytes and self._head_size() > self.limits.header_bytes:
            self._refuse_head()
            return
        fresh, self.fresh = self.fresh, None
        headers = dict(self.headers)
        if b"upgrade" in headers and self.parser.should_upgrade() and not self._should_upgrade():
            self.replaying = True  # the parser ends such a message here, without its body
            return
        length = headers.get(b"content-length")
        if length is not None and len(length) > 6 and int(length) > self.limits.body_bytes:
            self._refuse_body(int(length))
            return
        route = self.routes.match(self.url) if self.parser.get_method() == b"POST" else None
        if route is None:
            self._to_asgi(headers)
        else:
            self._to_lane(route, headers, fresh)

    def on_body(self, body: bytes) -> None:
        if self.refused:
            return
        self.body_bytes += len(body)
        if self.body_bytes > self.limits.body_bytes:
            self._refuse_body(self.body_bytes)
        elif self.exchange is None:
            super().on_body(body)
        else:
            self.body.append(body)

    def on_message_complete(self) -> None:
        if self.refused or self.replaying:
            return
        self.in_message = False
        exchange = self.exchange
        if exchange is None:
            super().on_message_complete()
            return
        self.exchange = None
        body = self.body
        self._received(exchange, body[0] if len(body) == 1 else b"".join(body))
        body.clear()

    def _received(self, exchange: Exchange, body: Buffer) -> None:
        """A request is here as a whole: begin it, or let it wait for an ASGI response before it."""
        exchange.body = body
        if self.pipeline or self._asgi_active():
            self.flow.pause_reading()
            self.pipeline.appendleft(cast("Any", (exchange, None)))
        else:
            self._begin(exchange)

    def _to_asgi(self, headers: dict[bytes, bytes]) -> None:
        """Hand the request to uvicorn, which expects the scope that was not made when it began."""
        url, received = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers.extend(received)
        self.expect_100_continue = _expects_continue(headers)
        super().on_headers_complete()

    def _to_lane(self, route: Route, headers: dict[bytes, bytes], fresh: bytes | None) -> None:
        keep_alive = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
        self.exchange = Exchange(self.engine, route, headers, keep_alive, self.limits.body_bytes)
        if _expects_continue(headers):
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif fresh is not None and b"content-length" in headers and fresh.count(b"\n") == fresh.count(b"\r\n"):
            if len(self.heads) >= _REMEMBERED:
                self.heads.clear()
            length = int(headers[b"content-length"])
            self.heads[fresh] = Head(route, headers, keep_alive, length)
            if keep_alive:
                self.express.know(fresh, route, headers, length)

    def _upgrade(self, rest: bytes) -> None:
        """An upgrade that is not served is ignored (RFC 9110, 7.8): the request is parsed again without it."""
        if self._should_upgrade():
            self.handle_websocket_upgrade()
            return
        method = self.parser.get_method()
        kept = [header for header in self.headers if header[0] not in _UPGRADE_HEADERS]
        lines = [b"%b %b HTTP/1.1\r\n" % (method, self.url), *(b"%b: %b\r\n" % header for header in kept), b"\r\n"]
        self.replaying = False
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"".join(lines) + rest)


def _expects_continue(headers: dict[bytes, bytes]) -> bool:
    return b"expect" in headers and headers[b"expect"].lower() == b"100-continue"


def lane_protocol(engine: Engine, routes: Routes, limits: LimitSettings, http2: Http2Factory) -> type[Lane]:
    """The protocol class for uvicorn, bound to what all its connections share."""
    express = Express(engine, limits.pipelined, limits.body_bytes)
    shared = {"engine": engine, "routes": routes, "limits": limits, "heads": {}, "express": express}
    return type("Lane", (Lane,), {**shared, "http2": staticmethod(http2)})
