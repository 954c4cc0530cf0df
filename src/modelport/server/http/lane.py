"""The HTTP lane: inference is taken out of uvicorn's protocol before ASGI; everything else stays uvicorn's.

A request whose target is an inference route is collected here and goes straight to the engine: no ASGI scope, no task,
no middleware. Keep-alive, pipelining order, flow control, shutdown and TLS stay uvicorn's. Replies may come later, from
a thread: those of one connection leave in the order of its requests, ASGI's among them.

Depends on these parts of uvicorn's `HttpToolsProtocol`: the parser callbacks, `pipeline`, `cycle`, `_start_asgi_task`,
`_should_upgrade`, `on_response_complete`, `flow`, `server_state`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from modelport.core.errors import InvalidInputError, ModelportError, TooLargeError
from modelport.engine.engine import Engine
from modelport.server.http.exchange import Exchange, serialized
from modelport.server.http.routes import Route, Routes
from modelport.server.settings import LimitSettings
from modelport.wire.http import Buffer
from modelport.wire.plain import Plain

_PLAIN = Plain()
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


class Lane(HttpToolsProtocol):
    """One connection. Made by `lane_protocol`, which binds what all connections share."""

    engine: Engine
    routes: Routes
    limits: LimitSettings
    http2: Http2Factory
    heads: dict[bytes, Head]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.opening: bytes | None = b""  # what has come while it may still be HTTP/2's preface
        self.pending: deque[Exchange] = deque()  # begun, not written yet, in the order of their requests
        self.exchange: Exchange | None = None  # whose body is being received
        self.body: list[bytes] = []
        self.fresh: bytes | None = None  # the head at the beginning of what was received, for `heads`
        self.refused = False  # what still comes in is thrown away: the connection closes
        self.draining = False
        self.in_head = self.in_message = self.replaying = False
        self.chunk = self.head_bytes = self.body_bytes = 0
        self.since = perf_counter_ns()  # when the present wait began: for a head, a body, or a new request
        self._date: list[tuple[bytes, bytes]] | None = None
        self._common = b""

    @property
    def idle(self) -> bool:
        """Whether nothing is being received, computed or sent."""
        return not (self.in_message or self.pending or self.pipeline or self._asgi_active())

    # what comes in

    def data_received(self, data: bytes) -> None:
        if self.refused:
            return
        if self.opening is not None:
            opening, self.opening = self.opening + data, None
            if _PREFACE.startswith(opening[: len(_PREFACE)]):
                self._hand_over(opening)
                return
            data = opening
        if self.in_head:
            self.head_bytes += len(data)
        elif not self.in_message:
            data = self._take_known(data)
            if not data:
                return
            self.since = perf_counter_ns()
            end = data.find(_HEAD_END)
            self.fresh = data[:end] if end > 0 and data.startswith(b"POST ") else None
        self.chunk = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self.refuse(InvalidInputError(f"this is not an HTTP/1.1 request: {error}"))
        if self.in_head and max(self.head_bytes, self.chunk) > self.limits.header_bytes:
            self._refuse_head()

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
        self.head_bytes = self.body_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

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
            self.heads[fresh] = Head(route, headers, keep_alive, int(headers[b"content-length"]))

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

    # what goes out

    def _begin(self, exchange: Exchange) -> None:
        self.pending.append(exchange)
        if len(self.pending) > self.limits.pipelined:
            self.flow.pause_reading()
        exchange.begin(self._flush)

    def _flush(self) -> None:
        """Write the replies whose turn it is."""
        pending = self.pending
        while pending and pending[0].reply is not None:
            exchange = pending.popleft()
            assert exchange.reply is not None
            if not self.transport.is_closing():
                keep_alive = exchange.keep_alive and not (self.draining and self.idle)
                self._write(serialized(exchange.reply, self._common_headers(), keep_alive))
                if not keep_alive:
                    self._close()
            self.server_state.total_requests += 1
        if not pending:
            self._turn_over()
        elif len(pending) <= self.limits.pipelined:
            self._resume_reading()

    def _turn_over(self) -> None:
        """Nothing of the lane is under way: what waits behind it may start."""
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self._resume_reading()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Start what is next: a lane's exchange that waited, or an ASGI response once the lane is idle."""
        if isinstance(cycle, Exchange):
            self._begin(cycle)
        elif self.pending:
            self.flow.pause_reading()
            self.pipeline.append((cycle, app))
        else:
            super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self.since = perf_counter_ns()
        super().on_response_complete()
        self._unset_keepalive_if_required()  # the sweep looks after idle connections
        if self.draining and self.idle:
            self.transport.close()

    def _asgi_active(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _write(self, out: bytes | list[Buffer]) -> None:
        if isinstance(out, bytes):
            self.transport.write(out)
        else:
            self.transport.writelines(out)

    def _common_headers(self) -> bytes:
        """`date` and such, joined anew when uvicorn renews them (once a second)."""
        headers = self.server_state.default_headers
        if headers is not self._date:
            self._date = headers
            self._common = b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._common

    # what is refused

    def refuse(self, error: ModelportError, status: int | None = None) -> None:
        """Answer the request that is being received with an error, after those before it, and close the connection."""
        exchange, self.exchange = self.exchange, None
        receiving_asgi = exchange is None and self.in_message and not self.in_head and self.cycle is not None
        self.refused = True
        self.in_head = self.in_message = False
        self.body.clear()
        if (receiving_asgi or self._asgi_active()) and not (receiving_asgi and self._withdraw_asgi()):
            self.transport.close()  # a response is out, wholly or half: nothing can be said behind it
            return
        if exchange is None:
            exchange = Exchange(self.engine, Route(_PLAIN, None), {}, False, 0)
        exchange.keep_alive = False
        self.pending.append(exchange)
        exchange.refuse_unbegun(error, status)
        self._flush()

    def _withdraw_asgi(self) -> bool:
        """Take the answer away from an ASGI app that has not begun to give one."""
        if self.cycle.response_started:
            return False
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        return True

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse_head(self) -> None:
        limit = self.limits.header_bytes
        self.refuse(TooLargeError(f"the head of the request is larger than the limit of {limit} bytes"), 431)

    def _refuse_body(self, size: int) -> None:
        limit = self.limits.body_bytes
        self.refuse(TooLargeError(f"the body has {size} bytes or more, but the limit is {limit} bytes"))

    def _close(self) -> None:
        """Close once the client has had the chance to read what was written.

        With unread data behind it, a close would reset the connection and destroy the answer on its way: so only our
        side is closed, the rest is read and thrown away, and the sweep closes a connection that goes on for too long.
        """
        self.since = perf_counter_ns()
        if self.refused and self.transport.can_write_eof():
            self.flow.resume_reading()
            self.transport.write_eof()
        else:
            self.transport.close()
        self.refused = True

    # the connection's life

    def _resume_reading(self) -> None:
        if self.flow.read_paused and not self.flow.write_paused:
            self.flow.resume_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.flow.pause_reading()  # a client that does not read its answers may not ask for more

    def resume_writing(self) -> None:
        super().resume_writing()
        if len(self.pending) <= self.limits.pipelined and not self.pipeline:
            self._resume_reading()

    def shutdown(self) -> None:
        self.draining = True
        if self.refused or self.idle:
            self.transport.close()
        elif self._asgi_active():
            self.cycle.keep_alive = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.refused = True
        self.body.clear()
        super().connection_lost(exc)


def _expects_continue(headers: dict[bytes, bytes]) -> bool:
    return b"expect" in headers and headers[b"expect"].lower() == b"100-continue"


def lane_protocol(engine: Engine, routes: Routes, limits: LimitSettings, http2: Http2Factory) -> type[Lane]:
    """The protocol class for uvicorn, bound to what all its connections share."""
    shared = {"engine": engine, "routes": routes, "limits": limits, "http2": staticmethod(http2), "heads": {}}
    return type("Lane", (Lane,), shared)
