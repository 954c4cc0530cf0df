"""Streaming calls, by callbacks or by coroutine."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast

from modelport.server.http2.grpc_calls import GrpcCall, Message
from modelport.server.http2.grpc_messages import PREFIX_SIZE, frame_message
from modelport.server.http2.grpc_metadata import Metadata
from modelport.server.http2.grpc_status import (
    GrpcError,
    StatusCode,
)
from modelport.server.http2.header_blocks import Field


class StreamingHandler(Protocol):
    """Handles one streaming call by callbacks. An exception ends the call."""

    def on_message(self, message: bytes) -> None:
        """A message from the client."""

    def on_half_close(self) -> None:
        """The client has sent its last message."""

    def on_cancel(self) -> None:
        """The call ended before `finish`: it was cancelled, its deadline passed, or a callback raised."""


class StreamingCall(GrpcCall):
    """A call with any number of messages either way.

    Its method's handler is either a function that returns a StreamingHandler, or a coroutine function, which reads
    by `async for message in call`, sends by `await call.send_async(...)`, and is cancelled if the call is. Messages
    that the coroutine has not read yet hold the client back.
    """

    start: "Callable[[StreamingCall], StreamingHandler | Coroutine[Any, Any, object] | None]"
    handler: StreamingHandler | None = None
    half_closed = False
    _task: asyncio.Task[None] | None = None
    _reading: asyncio.Future[None] | None = None
    _writing: asyncio.Future[None] | None = None
    _messages: deque[bytes]

    def handle_open(self) -> None:
        super().handle_open()
        self._messages = deque()
        try:
            handler = self.start(self)
        except Exception as error:
            self.fail_with(error)
            return
        if asyncio.iscoroutine(handler):
            self._task = asyncio.get_running_loop().create_task(self._run(handler))
        else:
            self.handler = handler

    async def _run(self, handler: Coroutine[Any, Any, object]) -> None:
        try:
            await handler
            self.finish()
        except asyncio.CancelledError:
            self.end(StatusCode.CANCELLED, "cancelled")
            raise
        except Exception as error:
            if not self.ended:
                self.fail_with(error)

    # Receiving.

    def handle_data(self, data: bytes) -> None:
        if self.ended:
            self.consume(len(data))
            return
        try:
            for message in cast("list[bytes]", self._feed(data)):  # views come to unary methods only
                if self.handler is not None:
                    self.handler.on_message(message)
                else:
                    self._messages.append(message)
        except Exception as error:
            self._break(error)
        if not self._messages:
            self.consume(len(data))
        self._wake(self._reading)

    def _break(self, error: Exception) -> None:
        self.fail_with(error)
        self.cancelled()

    def handle_end(self, trailers: list[Field]) -> None:
        self.half_closed = True
        try:
            if not self._has_whole_messages():
                raise GrpcError(StatusCode.INTERNAL, "the request ends within a message")
            if self.handler is not None:
                self.handler.on_half_close()
        except Exception as error:
            self._break(error)
        self._wake(self._reading)

    def __aiter__(self) -> "StreamingCall":
        return self

    async def __anext__(self) -> bytes:
        while not self._messages:
            if self.half_closed:
                raise StopAsyncIteration
            if self.local_closed:
                raise GrpcError(StatusCode.CANCELLED, "the call has ended")
            self._reading = asyncio.get_running_loop().create_future()
            await self._reading
        message = self._messages.popleft()
        # While messages wait, nothing is given back but what has been read; a part of the next one must get in, too.
        self.consume(len(message) + PREFIX_SIZE if self._messages else self.held)
        return message

    # Sending.

    def send(self, message: Message) -> None:
        """Send a message. It queues without bound; see `queued`, or use `send_async`."""
        if self.ended:
            return
        if not self.started:
            self.send_initial_metadata()
        self.send_pieces(frame_message(message, self.encoding))

    async def send_async(self, message: Message) -> None:
        """Send a message and wait until the client keeps up. Raises GrpcError if the call has ended."""
        self.send(message)
        await self.drain()

    async def drain(self) -> None:
        """Wait until the client keeps up with what was sent. Raises GrpcError if the call has ended."""
        while self.queued > self.connection.limits.max_send_queue and not self.local_closed:
            self._writing = asyncio.get_running_loop().create_future()
            await self._writing
        if self.local_closed:
            raise GrpcError(StatusCode.CANCELLED, "the call has ended")

    def finish(
        self, code: int = StatusCode.OK, text: str = "", details: bytes | None = None, trailing: Metadata = ()
    ) -> None:
        """Send the status, behind all messages."""
        self.end(code, text, details, trailing)

    def handle_writable(self) -> None:
        self._wake(self._writing)

    def cancelled(self) -> None:
        self._wake(self._reading)
        self._wake(self._writing)
        if self._task is not None:
            self._task.cancel()
        elif self.handler is not None:
            self.handler.on_cancel()

    @staticmethod
    def _wake(waiter: asyncio.Future[None] | None) -> None:
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
