"""What goes out on an HTTP/1.1 connection: replies in the order of the requests, refusals, and its end.

The half of the lane that does not read (`lane.py`).
"""

from __future__ import annotations

from collections import deque
from time import perf_counter_ns
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from modelport.core.errors import ModelportError, TooLargeError
from modelport.engine.engine import Engine
from modelport.server.http.exchange import Exchange, serialized
from modelport.server.http.express import Express
from modelport.server.http.routes import Route
from modelport.server.settings import LimitSettings
from modelport.wire.http import Buffer
from modelport.wire.plain import Plain

_PLAIN = Plain()


class AnsweringProtocol(HttpToolsProtocol):
    """One connection. The subclass reads, and binds what all connections share."""

    engine: Engine
    limits: LimitSettings
    express: Express

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pending: deque[Exchange] = deque()  # begun, not written yet, in the order of their requests
        self.exchange: Exchange | None = None  # whose body is being received
        self.body: list[bytes] = []
        self.refused = False  # what still comes in is thrown away: the connection closes
        self.express.state = self.server_state
        self.gate = self.express.gate(self, self._flush)
        self._draining = False
        self.in_head = self.in_message = False
        self._since = perf_counter_ns()
        self._date: list[tuple[bytes, bytes]] | None = None
        self._common = b""

    @property
    def idle(self) -> bool:
        """Whether nothing is being received, computed or sent."""
        return not (self.in_message or self.pending or self.outstanding or self.pipeline or self._asgi_active())

    @property
    def outstanding(self) -> int:
        """Requests that went the express way and are not answered yet; those in `pending` came after them."""
        return 0 if self.gate is None else self.gate.outstanding

    @property
    def since(self) -> int:
        """When the present wait began: for a head, a body, or a new request."""
        return self._since if self.gate is None else max(self._since, self.gate.since)

    @since.setter
    def since(self, now: int) -> None:
        self._since = now

    @property
    def draining(self) -> bool:
        """Whether the next answer is to be the last one."""
        return self._draining

    @draining.setter
    def draining(self, draining: bool) -> None:
        self._draining = draining
        if self.gate is not None:
            self.gate.slow = draining

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.gate is not None:
            self.gate.open(transport.write)

    # what goes out

    def _begin(self, exchange: Exchange) -> None:
        self.pending.append(exchange)
        if len(self.pending) > self.limits.pipelined:
            self.flow.pause_reading()
        exchange.begin(self._flush, len(self.connections) == 1)

    def _flush(self) -> None:
        """Write the replies whose turn it is."""
        if self._waits():
            return
        pending = self.pending
        while pending and pending[0].reply is not None:
            exchange = pending.popleft()
            assert exchange.reply is not None
            if not self.transport.is_closing():
                keep_alive = exchange.keep_alive and not (self.draining and self.idle)
                self._write(serialized(exchange.reply, self._common_headers() + exchange.lines, keep_alive))
                if not keep_alive:
                    self._close()
            self.server_state.total_requests += 1
        if not pending:
            self._turn_over()
        elif len(pending) <= self.limits.pipelined:
            self._resume_reading()

    def _waits(self) -> bool:
        """Whether requests that went the express way are to be answered first; the gate calls `_flush` after them."""
        if self.gate is None or not self.gate.outstanding:
            return False
        self.gate.waiting = True
        return True

    def reply_express(self, exchange: Exchange) -> None:
        """Write the reply to the first of the outstanding requests; it is still counted as outstanding."""
        assert exchange.reply is not None
        if self.transport.is_closing():
            return
        last = self.draining and self.outstanding == 1 and not (self.in_message or self.pending or self.pipeline)
        self._write(serialized(exchange.reply, self._common_headers() + exchange.lines, not last))
        if last:
            self._close()

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
        elif self.pending or self._waits():
            self.flow.pause_reading()
            self.pipeline.append((cycle, app))
        else:
            cycle.keep_alive = cycle.keep_alive and not self.draining
            super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self.since = perf_counter_ns()
        super().on_response_complete()
        self._unset_keepalive_if_required()  # the sweep looks after idle connections

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
        for exchange in self.pending:
            exchange.cancel()
        if self.gate is not None:
            self.gate.close()
        super().connection_lost(exc)
