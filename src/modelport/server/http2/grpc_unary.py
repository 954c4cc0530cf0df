"""Unary calls: one message in, one out. This is the hot path of small requests."""

from collections.abc import Callable
from struct import Struct
from typing import Any

from modelport.server.http2.frame_run import FrameRun
from modelport.server.http2.frames import DATA, END_HEADERS, END_STREAM, HEADERS
from modelport.server.http2.grpc_calls import GrpcCall, Message
from modelport.server.http2.grpc_messages import PREFIX_SIZE, frame_message
from modelport.server.http2.grpc_metadata import Metadata
from modelport.server.http2.grpc_status import (
    OK_TRAILERS,
    RESPONSE_HEADERS,
    GrpcError,
    StatusCode,
    encode_trailers,
)
from modelport.server.http2.header_blocks import Field

# A whole small reply: HEADERS frame, head of a DATA frame, message prefix; then the message; then the trailers' frame.
HEADERS_START = (len(RESPONSE_HEADERS) << 8 | HEADERS).to_bytes(4) + bytes((END_HEADERS,))
TRAILERS_START = (len(OK_TRAILERS) << 8 | HEADERS).to_bytes(4) + bytes((END_HEADERS | END_STREAM,))
pack_reply = Struct(f">5sI{len(RESPONSE_HEADERS)}sIBIBI").pack
pack_end = Struct(f">5sI{len(OK_TRAILERS)}s").pack


class ReadyTrailers:
    """The trailers of many answers with status OK, made once. Raises ValueError for metadata that cannot be sent."""

    __slots__ = ("_start", "block", "metadata")

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata
        self.block = encode_trailers(StatusCode.OK, trailing=metadata)
        self._start = (len(self.block) << 8 | HEADERS).to_bytes(4) + bytes((END_HEADERS | END_STREAM,))

    def frame(self, stream_id: int) -> bytes:
        """The frame that ends a stream."""
        return b"%b%b%b" % (self._start, stream_id.to_bytes(4), self.block)


class UnaryCall(GrpcCall):
    """One request message, one reply. `on_cancel` may be set by the handler: it is called, without arguments, if the
    client cancels or the deadline passes before the reply. `alone`: nothing else has come, on any connection, that was
    not answered yet, so that there is nothing to wait for."""

    handler: "Callable[[UnaryCall, Any], object]"
    on_cancel: Callable[[], object] | None = None
    message: bytes | memoryview | None = None
    alone = False

    def reply(
        self,
        message: Message,
        *,
        initial: Metadata = (),
        trailing: Metadata = (),
        ready: "ReadyTrailers | None" = None,
    ) -> None:
        """End the call with its message and status OK. `ready` is in place of `trailing`."""
        # The hot path: a reply that the windows have room for becomes three buffers, without queues. The request is
        # complete, else the handler would not have been called, so END_STREAM closes the stream.
        if self.local_closed:
            return
        connection = self.connection
        if type(message) is bytes and self.compression is None and not initial and not trailing:
            size = len(message)
            length = size + PREFIX_SIZE
            if length <= connection.quick and length <= connection.send_window and not self.started:
                stream_id = self.id
                connection.send_window -= length
                connection.out += (
                    pack_reply(HEADERS_START, stream_id, RESPONSE_HEADERS, length << 8 | DATA, 0, stream_id, 0, size),
                    message,
                    pack_end(TRAILERS_START, stream_id, OK_TRAILERS) if ready is None else ready.frame(stream_id),
                )
                self.local_closed = True
                del connection.streams[stream_id]
                if not connection.receiving:
                    connection.driver.wake()
                return
        self._reply(message, initial, trailing, ready)

    def _reply(
        self, message: Message, initial: Metadata, trailing: Metadata, ready: "ReadyTrailers | None" = None
    ) -> None:
        if self.ended:
            return
        trailers = encode_trailers(StatusCode.OK, trailing=trailing) if ready is None else ready.block
        if not self.started:
            self.send_initial_metadata(initial)
        self.replied = True
        self.send_pieces(frame_message(message, self.encoding))
        self.send_trailers(trailers)

    def cancelled(self) -> None:
        if self.on_cancel is not None:
            self.on_cancel()

    def large_memory(self) -> memoryview | None:
        return None if self.reader is None else self.reader.missing

    def handle_filled(self, size: int) -> None:
        assert self.reader is not None
        self.reader.filled(size)
        self._assemble(size)
        if self.reader.full:
            self._take(b"")

    def handle_run(self, run: FrameRun) -> None:
        if self.reader is not None and self.reader.fill(run):
            self.consume(run.size)
            self._assemble(run.size)
        else:
            self.handle_data(run.joined())

    def _assemble(self, size: int) -> None:
        try:
            self._charge(size)
        except GrpcError as error:
            self.fail_with(error)

    def handle_data(self, data: bytes) -> None:
        size = len(data)
        self.consume(size)
        if self.reader is not None and self.reader.continue_with(data, size):
            self._assemble(size)
            return
        self._take(data)

    def _take(self, data: bytes) -> None:
        try:
            for message in self._feed(data):
                if self.message is not None:
                    raise GrpcError(StatusCode.UNIMPLEMENTED, "more than one message for a unary method")
                self.message = message
        except GrpcError as error:
            self.fail_with(error)

    def handle_end(self, trailers: list[Field]) -> None:
        if not self._has_whole_messages():
            self.fail(StatusCode.INTERNAL, "the request ends within a message")
        elif self.message is None:
            self.fail(StatusCode.UNIMPLEMENTED, "no message for a unary method")
        else:
            message, self.message = self.message, None
            try:
                self.handler(self, message)
            except Exception as error:
                self.fail_with(error)
