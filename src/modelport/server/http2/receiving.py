"""The receiving half of a connection: header blocks become requests, DATA frames become bodies."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

from modelport.server.http2.control import ControlFrames
from modelport.server.http2.frame_run import FrameRun
from modelport.server.http2.frames import (
    END_HEADERS,
    END_STREAM,
    HAS_PRIORITY,
    RST_STREAM,
    U32,
    ErrorCode,
    Http2ConnectionError,
    Http2StreamError,
    strip_padding,
)
from modelport.server.http2.header_blocks import DecodedBlock, Field, encode_fields
from modelport.server.http2.limits import Limits
from modelport.server.http2.request_blocks import NO_FIELDS, RequestBlocks
from modelport.server.http2.requests import MalformedRequestError, Request, check_fields
from modelport.server.http2.sending import Driver
from modelport.server.http2.stream import Stream

if TYPE_CHECKING:
    from modelport.server.http2.connection import Connection

logger = logging.getLogger(__name__)

TOO_LARGE = encode_fields([(b":status", b"431"), (b"content-length", b"0")])
NOT_IMPLEMENTED = encode_fields([(b":status", b"501"), (b"content-length", b"0")])


class Application(Protocol):
    """What handles the requests of a connection."""

    def prepare(self, request: Request) -> None:
        """A request with a header block not seen before: set its `route`, and `whole` if it has such a handler."""

    def open(self, connection: "Connection", stream_id: int, request: Request) -> Stream:
        """The handler of a new request."""


class ReceivingHalf(ControlFrames):
    """What the frames of requests mean. Errors leave its methods as exceptions."""

    def __init__(self, limits: Limits, application: Application, driver: Driver, clock: Callable[[], float]) -> None:
        super().__init__(limits, driver, clock)
        self.application = application
        self.assembling = 0  # bytes of unfinished gRPC messages
        self._block_id = 0  # the stream whose header block is arriving in CONTINUATION frames
        self._block_ends = False
        self._block: list[bytes] = []
        self._blocks = RequestBlocks(limits.max_header_list_size, application.prepare)

    # Bodies.

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        stream = self._account(flags, stream_id, len(payload))
        if stream is not None:
            piece = strip_padding(flags, payload)
            stream.consume(len(payload) - len(piece))
            self._deliver(stream, piece, bool(flags & END_STREAM))

    def _account(self, flags: int, stream_id: int, length: int) -> Stream | None:
        """Charge a DATA frame to the windows; the stream it is for, if that still listens."""
        self.recv_used += length
        stream = self.streams.get(stream_id)
        if stream is None or stream.remote_closed:
            self.replenish()
            self.check_absent(stream_id)
            if self.was_reset(stream_id) or stream_id > self.last_id:
                return None
            raise Http2StreamError(stream_id, ErrorCode.STREAM_CLOSED, "DATA on a closed stream")
        stream.recv_used += length
        stream.held += length
        self.held += length
        self.replenish()
        self.check_window(stream)
        if length:
            self.work += 1
        elif not flags & END_STREAM:
            self.count_control()
        return stream

    def check_window(self, stream: Stream) -> None:
        """Raise Http2StreamError where a stream has sent more than its window."""
        if stream.recv_used > self.limits.stream_window:
            raise Http2StreamError(stream.id, ErrorCode.FLOW_CONTROL_ERROR, "stream window exceeded")

    def _deliver_run(self, stream: Stream, run: FrameRun) -> None:
        """Several pieces of a body, which are not its end."""
        self._count_received(stream, run.size)
        self.tell(stream, stream.handle_run, run)

    def _count_received(self, stream: Stream, size: int) -> None:
        stream.received += size
        expected = stream.request.content_length
        if expected is not None and stream.received > expected:
            raise Http2StreamError(stream.id, ErrorCode.PROTOCOL_ERROR, "body is longer than content-length")

    def _deliver(self, stream: Stream, piece: bytes, ends: bool) -> None:
        if stream.local_closed:  # it was reset or answered while its frame was arriving
            return
        self._count_received(stream, len(piece))
        if piece:
            self.tell(stream, stream.handle_data, piece)
        if ends and not stream.local_closed:
            self._end(stream, [])

    def arrive_whole(self, stream: Stream, body: bytes) -> None:
        """Open a stream whose request is complete; for `Request.whole` handlers that find it not to be a simple one."""
        self.streams[stream.id] = stream
        self.tell(stream, stream.handle_open)
        if not stream.local_closed:
            stream.recv_used = stream.held = len(body)
            self.held += len(body)
            self._deliver(stream, body, True)

    def _end(self, stream: Stream, trailers: list[Field]) -> None:
        expected = stream.request.content_length
        if expected is not None and stream.received != expected:
            raise Http2StreamError(stream.id, ErrorCode.PROTOCOL_ERROR, "body is shorter than content-length")
        stream.remote_closed = True
        self.tell(stream, stream.handle_end, trailers)

    # Header blocks.

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not stream_id & 1:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "HEADERS on a stream that is not the client's")
        block = strip_padding(flags, payload)
        if flags & HAS_PRIORITY:
            if len(block) < 5:
                raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "HEADERS is too short for its priority")
            block = block[5:]
        self._check_block_size(len(block))
        if flags & END_HEADERS:
            self._on_block(stream_id, block, bool(flags & END_STREAM))
        else:
            self._block_id = stream_id
            self._block_ends = bool(flags & END_STREAM)
            self._block = [block]

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._block.append(payload)
        if len(self._block) - 1 > self.limits.max_continuation_frames:
            raise Http2ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "too many CONTINUATION frames")
        self._check_block_size(sum(map(len, self._block)))
        if flags & END_HEADERS:
            block = b"".join(self._block)
            self._block_id = 0
            self._block = []
            self._on_block(stream_id, block, self._block_ends)

    def _check_block_size(self, size: int) -> None:
        if size > self.limits.max_header_block_size:
            raise Http2ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "header block is too large")

    def _on_block(self, stream_id: int, block: bytes, ends: bool) -> None:
        """A whole header block: a new request, or the trailers of one."""
        stream = self.streams.get(stream_id)
        if stream is not None:
            self._on_trailers(stream, self._blocks.decode(block), ends)
        elif stream_id <= self.last_id or self.draining == 2:
            self._blocks.decode(block)
            if stream_id <= self.last_id and not self.was_reset(stream_id):
                raise Http2ConnectionError(ErrorCode.STREAM_CLOSED, "HEADERS on a closed stream")
        else:
            request = self._new_request(stream_id, block, ends)
            if request is not None:
                self._open(stream_id, request, ends)

    def _new_request(self, stream_id: int, block: bytes, ends: bool) -> Request | None:
        """The request that a stream begins with; None if it has been answered already."""
        blocks = self._blocks
        request = blocks.known().get(block)
        fields = blocks.decode(block) if request is None else NO_FIELDS  # first: a refused one changes the table, too
        self.last_id = stream_id
        if len(self.streams) >= self.limits.max_concurrent_streams:
            raise Http2StreamError(stream_id, ErrorCode.REFUSED_STREAM, "too many streams")
        if fields.oversized:
            self._turn_away(stream_id, TOO_LARGE, ends)
            return None
        if request is None:
            try:
                request = blocks.check(block, fields)
            except MalformedRequestError as error:
                raise Http2StreamError(stream_id, ErrorCode.PROTOCOL_ERROR, str(error)) from error
            except Exception as error:
                raise self._application_error(stream_id) from error
        return request

    def _try_new_request(self, stream_id: int, block: bytes) -> Request | None:
        """The same for a request whose body follows, and which may be malformed."""
        try:
            return self._new_request(stream_id, block, False)
        except Http2StreamError as error:
            self.break_off(error)
            return None

    def _open(self, stream_id: int, request: Request, ends: bool) -> None:
        if request.method == b"CONNECT":
            self._turn_away(stream_id, NOT_IMPLEMENTED, ends)
            return
        try:
            stream = self.application.open(cast("Connection", self), stream_id, request)
        except Exception:
            self.break_off(self._application_error(stream_id))
            return
        self.streams[stream_id] = stream
        self.tell(stream, stream.handle_open)
        if ends and not stream.local_closed:
            self._end(stream, [])

    def _application_error(self, stream_id: int) -> Http2StreamError:
        logger.exception("error in the application of an HTTP/2 connection")
        return Http2StreamError(stream_id, ErrorCode.INTERNAL_ERROR, "internal error")

    def _on_trailers(self, stream: Stream, fields: DecodedBlock, ends: bool) -> None:
        if stream.remote_closed:
            raise Http2StreamError(stream.id, ErrorCode.STREAM_CLOSED, "HEADERS after END_STREAM")
        try:
            check_fields(fields)
        except MalformedRequestError as error:
            raise Http2StreamError(stream.id, ErrorCode.PROTOCOL_ERROR, str(error)) from error
        if not ends or fields.oversized:
            raise Http2StreamError(stream.id, ErrorCode.PROTOCOL_ERROR, "trailers without END_STREAM, or too large")
        self._end(stream, fields)

    def _turn_away(self, stream_id: int, response: bytes, ends: bool) -> None:
        """Answer a request that no handler sees."""
        self.emit_headers(stream_id, response, END_STREAM)
        self.remember_reset(stream_id)
        if not ends:
            self.emit(RST_STREAM, 0, stream_id, U32.pack(ErrorCode.NO_ERROR))
