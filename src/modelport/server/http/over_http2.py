"""Inference that comes as a plain HTTP/2 request: the same exchanges as on the HTTP/1.1 lane, and no ASGI either."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from modelport.core.errors import TooLargeError
from modelport.engine.engine import Engine
from modelport.server.http.exchange import Exchange
from modelport.server.http.routes import Route, Routes
from modelport.server.http2 import AsgiHandler, PlainHandler, PlainStream, Request
from modelport.server.settings import LimitSettings
from modelport.wire.http import Buffer, HttpReply

#: Request → who answers it.
Select = Callable[[Request], PlainHandler]


class Http2Inference:
    """Answers the inference requests of one route.

    `stream.state` is the body so far, then the exchange, or None once it is refused.
    """

    def __init__(self, engine: Engine, route: Route, limits: LimitSettings) -> None:
        self._engine, self._route, self._limit = engine, route, limits.body_bytes

    def on_request(self, stream: PlainStream, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """A head came. A body that announces itself as too large is refused before it comes."""
        stream.state = bytearray()
        length = stream.request.content_length
        if length is not None and length > self._limit:
            self._refuse(stream, length)

    def on_data(self, stream: PlainStream, data: bytes) -> None:
        """Keep a piece of the body."""
        stream.consume(len(data))
        if stream.state is None:
            return
        stream.state += data
        if len(stream.state) > self._limit:
            self._refuse(stream, len(stream.state))

    def on_end(self, stream: PlainStream) -> None:
        """The body is whole: run the request."""
        if stream.state is None:
            return
        exchange = self._exchange(stream)
        exchange.body = bytes(stream.state)
        stream.state = exchange
        exchange.begin(lambda: _respond(stream, exchange))

    def on_cancel(self, stream: PlainStream) -> None:
        """The client is gone; an answer that still comes is dropped by the stream."""
        if isinstance(stream.state, Exchange):
            stream.state.cancel()
        stream.state = None

    def on_writable(self, stream: PlainStream) -> None:
        """Answers are given whole: there is nothing to go on with."""

    def _exchange(self, stream: PlainStream) -> Exchange:
        return Exchange(self._engine, self._route, dict(stream.request.headers), True, self._limit)

    def _refuse(self, stream: PlainStream, size: int) -> None:
        stream.state = None
        exchange = self._exchange(stream)
        limit = self._limit
        exchange.refuse_unbegun(TooLargeError(f"the body has {size} bytes or more, but the limit is {limit} bytes"))
        _respond(stream, exchange)


def plain_handlers(engine: Engine, routes: Routes, limits: LimitSettings, app: AsgiHandler) -> Select:
    """Chooses who answers a request that is not gRPC: a lane's exchange for inference, the ASGI app for all else."""

    def select(request: Request) -> PlainHandler:
        route = routes.match(request.path) if request.method == b"POST" else None
        return app if route is None else Http2Inference(engine, route, limits)

    return select


def _respond(stream: PlainStream, exchange: Exchange) -> None:
    reply = exchange.reply
    assert isinstance(reply, HttpReply)
    body: list[Buffer] = [reply.body] if isinstance(reply.body, bytes) else reply.body
    length = b"%d" % sum(map(len, body))
    headers = [(b"content-type", reply.content_type), (b"content-length", length), *exchange.fields]
    stream.respond(reply.status, headers, body)
