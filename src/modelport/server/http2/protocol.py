"""The event loop's side of a connection: transports, timers, when to write."""

import asyncio
import time
from collections.abc import Callable, Sized
from typing import cast

from modelport.server.http2.connection import Connection
from modelport.server.http2.frames import ErrorCode
from modelport.server.http2.limits import Limits
from modelport.server.http2.liveness import Liveness
from modelport.server.http2.pouring import LEAN, POURED, Pouring
from modelport.server.http2.receiving import Application

BATCH = 655_360  # bytes taken from queues for one write
BATCHES = 2  # writes in a row before other connections have their turn
HIGH_WATER = 131_072
GATHERED = 65_536  # bytes from which on it pays to give a transport that can gather them the chunks as they are
TICK_SLACK = 0.001  # timers of some loops have whole milliseconds and may be early

DEFAULT_LIMITS = Limits()


class Http2Protocol(asyncio.Protocol):
    """One HTTP/2 connection of an asyncio or uvloop server.

    It may take over a transport that has received bytes already: after `transport.set_protocol(protocol)`, call
    `connection_made(transport)` and `data_received(first_bytes)`, the preface included. `on_open` and `on_close` are
    called once each, at `connection_made` and `connection_lost`. `connections` are all of the server: where there is no
    other, calls can be told that they come alone.
    """

    def __init__(
        self,
        application: Application,
        limits: Limits = DEFAULT_LIMITS,
        *,
        on_open: "Callable[[Http2Protocol], object] | None" = None,
        on_close: "Callable[[Http2Protocol], object] | None" = None,
        connections: Sized = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = Connection(limits, application, self, clock)
        self.connection.siblings = connections
        self._on_open = on_open
        self._on_close = on_close
        self._clock = clock
        self._liveness = Liveness(self.connection)
        self._flush_scheduled = False
        self._closing = False
        self._pours = False
        self.lean = 0  # reads in a row, of those that are poured, which no message filled from
        self._tick_timer: asyncio.TimerHandle | None = None
        self._deadline_timer: asyncio.TimerHandle | None = None

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        self._gathers = type(transport).__module__.startswith("uvloop")
        self.loop = asyncio.get_running_loop()
        self.connection.transport = self.transport
        self.connection.start()
        self.wake()
        self._tick_timer = self.loop.call_later(self._liveness.interval, self._tick)
        if self._on_open is not None:
            self._on_open(self)

    def data_received(self, data: bytes) -> None:
        connection = self.connection
        connection.receive(data)
        if (connection.filling is None) is self._pours:
            self._turn()
        if connection.ready or connection.closed or connection.draining or connection.paused:
            self.flush()
        elif connection.out:  # the usual case of `flush`, without its calls
            self.transport.write(b"".join(connection.out))
            connection.out.clear()
            connection.queued_control = 0
        elif connection.streams and connection.filling is None:
            # Answers that come within this pass of the event loop are sent in it, behind whatever makes them.
            self.wake()

    def _turn(self) -> None:
        """What is read next goes elsewhere than what was read last; but where a large message came, more may come."""
        if self._pours and self.lean < LEAN:
            self.lean += 1
            return
        if not self._gathers or self._closing or self.connection.paused or self.transport.is_closing():
            return
        if not self._pours and self.connection.missing < POURED:
            return
        self._pours = not self._pours
        self.lean = 0
        self.transport.pause_reading()  # how uvloop reads is decided when it begins to
        self.transport.set_protocol(Pouring(self) if self._pours else self)
        self.transport.resume_reading()

    def pause_writing(self) -> None:
        # Reading stops as well: a client that does not read must not make this side queue ever more answers.
        self.connection.set_paused(True)
        if not self._closing:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.connection.set_paused(False)
        if not self._closing and not self.transport.is_closing():
            self.transport.resume_reading()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._tick_timer, self._deadline_timer):
            if timer is not None:
                timer.cancel()
        self._closing = True
        self.connection.lose()
        if self._on_close is not None:
            self._on_close(self)

    # Called by the owner.

    def shutdown(self) -> None:
        """Drain: no new streams after a round trip, the open ones run to their end, then the connection closes."""
        self.connection.drain()
        self.flush()

    def abort(self) -> None:
        """End the connection at once; open streams are cancelled."""
        self.connection.fail(ErrorCode.NO_ERROR, "server is shutting down")
        self.flush()

    # Called by the connection.

    def wake(self) -> None:
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self.loop.call_soon(self.flush)

    def arm(self, deadline: float) -> None:
        if self._deadline_timer is not None:
            self._deadline_timer.cancel()
        delay = max(deadline - self._clock(), 0.0) + TICK_SLACK
        self._deadline_timer = self.loop.call_later(delay, self._expire)

    def _expire(self) -> None:
        self._deadline_timer = None
        self.connection.expire()
        self.flush()

    def _tick(self) -> None:
        self._tick_timer = self.loop.call_later(self._liveness.interval, self._tick)
        self._liveness.look(self.transport.get_write_buffer_size())
        self.flush()

    def flush(self) -> None:
        """Write what there is, as far as windows and the transport allow; close the transport if all is done."""
        self._flush_scheduled = False
        connection = self.connection
        if self._closing:
            return
        if self.transport.is_closing():
            connection.lose()
            connection.out.clear()
            return
        for _ in range(BATCHES):
            moved = connection.pump(BATCH) if connection.ready and not connection.paused else 0
            self._write(moved)
            if not connection.ready or connection.paused:
                break
        else:
            self.wake()
        if connection.finished:
            self._close()

    def _write(self, moved: int) -> None:
        """Write what stands in `out`, of which so many bytes came out of queues."""
        connection = self.connection
        out = connection.out
        if out:
            # A new list: the transport may resume_writing, and so come back here, while it writes. Small chunks are
            # best joined; and asyncio's own writelines joins all as well or, in some versions, forgets to pause.
            connection.out = []
            if self._gathers and moved > GATHERED:
                self.transport.writelines(out)
            else:
                self.transport.write(b"".join(out))
            if not connection.paused:
                connection.queued_control = 0

    def _close(self) -> None:
        """Close so that the last bytes arrive: closing with unread input would make the kernel discard them."""
        self._closing = True
        transport = self.transport
        self._linger(transport.get_write_buffer_size() + 1)
        if transport.is_closing():
            return
        if transport.can_write_eof():
            if self.connection.paused:
                transport.resume_reading()
            transport.write_eof()
        else:  # TLS
            transport.close()

    def _linger(self, unsent: int) -> None:
        """Give up on a closing transport when nothing of `unsent` bytes has left for a while."""
        left = self.transport.get_write_buffer_size()
        if self._tick_timer is not None:
            self._tick_timer.cancel()
        if left < unsent:
            self._tick_timer = self.loop.call_later(self.connection.limits.close_timeout, self._linger, left)
        else:
            self.transport.abort()
