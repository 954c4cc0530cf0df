"""One connection of the asyncio client."""

from __future__ import annotations

import asyncio
from typing import cast

from modelport.client.broken import BrokenError, NoAnswerError, NotSentError, TooSlowError
from modelport.client.exchange import Response
from modelport.client.http1 import Reader
from modelport.wire.http import Buffer

#: Big tensors are written in pieces, so that the transport never has to keep a copy of one.
_PIECE = 1 << 18


class Connection(asyncio.BufferedProtocol):
    """A request, its response, the next request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout: float | None) -> None:
        self.idle_since = 0.0
        self.descriptor = -1
        self.ended: asyncio.Future[None] = loop.create_future()
        self._loop, self._timeout = loop, timeout
        self._reader = Reader()
        self._transport: asyncio.Transport
        self._lost = self._used = self._sending = False
        self._response: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def usable(self) -> bool:
        """Whether another request can be sent."""
        transport = self._transport
        return self._reader.keeps and not (self._lost or transport.is_closing() or transport.get_write_buffer_size())

    async def exchange(self, parts: list[Buffer]) -> Response:
        """Send and receive. Raises NoAnswerError; the connection is of no use after it."""
        reader = self._reader
        reader.reset()
        response = self._response = self._loop.create_future()
        if self._timeout is not None:
            self._heard = self._loop.time()
            if self._timer is None:
                self._timer = self._loop.call_later(self._timeout, self._check)
        try:
            if len(parts) == 1 and len(parts[0]) <= _PIECE:
                self._transport.write(parts[0])
            else:
                await self._send(parts)
            await response
        finally:
            self._response = None
            if response.done() and not response.cancelled():
                response.exception()  # a cancelled task does not ask for it
        self._used = True
        return reader.response()

    def close(self) -> None:
        """Close it, whatever state it is in."""
        self._stop_timer()
        if not self._lost:
            self._transport.abort()

    # What the event loop calls:

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.descriptor = transport.get_extra_info("socket").fileno()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        self._heard = self._loop.time()
        if self._response is None or self._response.done():
            self._reader.keeps = False  # nothing should come between two requests
            self._transport.abort()
            return
        try:
            complete = self._reader.received(nbytes)
        except NoAnswerError as error:
            self._fail(error)
            return
        if complete:
            if self._sending:
                self._reader.keeps = False  # the server has answered without reading everything
            self._done()

    def eof_received(self) -> bool | None:
        if self._response is not None and not self._response.done():
            try:
                self._reader.ended()
            except BrokenError as error:
                self._fail(error)
            else:
                self._done()
        self._reader.keeps = False
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._stop_timer()
        self._fail(BrokenError(str(exc) if exc else "the server closed it"))
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        if not self.ended.done():
            self.ended.set_result(None)

    def pause_writing(self) -> None:
        self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    async def _send(self, parts: list[Buffer]) -> None:
        self._sending = True
        for part in parts:
            view = memoryview(part)
            for start in range(0, len(view), _PIECE):
                if self._room is not None:
                    await self._room
                if self._transport.is_closing() or self._response is None or self._response.done():
                    return  # the server is gone, or has answered already
                self._heard = self._loop.time()
                self._transport.write(view[start : start + _PIECE])
        self._sending = self._transport.is_closing()

    def _done(self) -> None:
        if self._response is not None and not self._response.done():
            self._response.set_result(None)

    def _fail(self, error: NoAnswerError) -> None:
        self._reader.keeps = False
        if self._response is None or self._response.done():
            return
        if self._sending and self._used and not self._reader.started and isinstance(error, BrokenError):
            error = NotSentError(str(error))
        self._response.set_exception(error)

    def _check(self) -> None:
        """The timer: one for many requests, so it comes too early as a rule."""
        self._timer = None
        if self._response is None or self._response.done() or self._timeout is None:
            return
        left = self._heard + self._timeout - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check)
            return
        self._fail(TooSlowError())
        self._transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
