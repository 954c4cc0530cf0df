"""The HTTP/2 connection without sockets: bytes in, calls to streams, bytes out."""

import logging
import time
from collections.abc import Callable

from modelport.server.http2.frame_run import FrameRun
from modelport.server.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_HEADER,
    HEADERS,
    MAX_STREAM_ID,
    MAX_WINDOW,
    PADDED,
    PREFACE,
    SETTINGS,
    U32,
    WINDOW_UPDATE,
    ErrorCode,
    Http2ConnectionError,
    Http2StreamError,
)
from modelport.server.http2.large_body import LargeBodies
from modelport.server.http2.limits import Limits
from modelport.server.http2.receiving import Application
from modelport.server.http2.requests import Request
from modelport.server.http2.sending import Driver
from modelport.server.http2.stream import Stream

logger = logging.getLogger(__name__)

unpack_increment = U32.unpack_from

LONG_FRAME = 4096  # DATA frames from this size on are looked at for others like them behind

# Methods by frame type. Names: a tuple of bound methods would make each connection a reference cycle.
HANDLERS = (
    "_on_data",
    "_on_headers",
    "_on_priority",
    "_on_rst_stream",
    "_on_settings",
    "_on_push_promise",
    "_on_ping",
    "_on_goaway",
    "_on_window_update",
    "_on_continuation",
)


class Connection(LargeBodies):
    """The server's end of one connection. `receive` never raises; output collects in `out`. Not thread-safe."""

    def __init__(
        self,
        limits: Limits,
        application: Application,
        driver: Driver,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(limits, application, driver, clock)
        self.heard = False  # something came in since the last look
        self._greeted = False
        self._rest = b""  # the beginning of a frame
        self._data_left = 0  # bytes to come of a DATA frame whose beginning has been handled
        self._data_ends = False
        self._data_stream: Stream | None = None
        self._hot_limits = (
            limits.max_concurrent_streams,
            min(limits.max_frame_size, limits.stream_window),
            min(limits.max_frame_size, limits.max_header_block_size),
            limits.connection_window >> 1,
        )

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer, cut anywhere. It may be a view of them while a message fills: none is kept then."""
        if self.closed:
            return
        self.receiving = True
        self.heard = True
        try:
            if self.filling is not None:
                data = self._fill(data)
                if not data:
                    return
            if self._rest:
                data = self._rest + data
            if not self._greeted:
                data = self._greet(data)
            if self._greeted:
                self._receive(data)
        except Http2ConnectionError as error:
            self.fail(error.code, error.text)
        except Exception:
            logger.exception("error in an HTTP/2 connection")
            self.fail(ErrorCode.INTERNAL_ERROR, "internal error")
        finally:
            self.receiving = False

    def _receive(self, data: bytes) -> None:  # noqa: C901, PLR0912, PLR0915
        # The hot path, one function on purpose: a request whose HEADERS and only DATA frame are both in `data` (maybe
        # with those of other requests in between) takes two turns of this loop and touches little else. Such a request
        # waits for its DATA as an entry of `waiting`; if any other frame comes first, it becomes a stream after all.
        size = len(data)
        at = self._continue_data(data) if self._data_left else 0
        unpack = FRAME_HEADER.unpack_from
        streams = self.streams
        max_streams, max_whole, max_block, half_window = self._hot_limits
        waiting: dict[int, Request] = {}
        early: dict[int, int] = {}  # WINDOW_UPDATEs for streams that wait; grpcio sends one with each request
        count_update = self._updates_seen.full
        blocks = self._blocks
        known = blocks.known()
        accepting = self._accepting
        while size - at >= 9:
            head, flags, stream_id = unpack(data, at)
            start = at + 9
            length = head >> 8
            stop = start + length
            if stop <= size:
                kind = head & 0xFF
                if kind == DATA:
                    if flags == END_STREAM and length <= max_whole and stream_id in waiting:
                        request = waiting.pop(stream_id)
                        if request.whole is not None and (
                            request.content_length is None or request.content_length == length
                        ):
                            at = stop
                            self.recv_used += length
                            if self.recv_used > half_window:
                                self.replenish()
                            try:
                                request.whole(self, stream_id, request, data, start, stop)
                            except Exception:
                                self.break_off(self._application_error(stream_id))
                            if early and stream_id in early:
                                self._widen_early(stream_id, early)
                            continue
                        self._open(stream_id, request, False)
                        self._widen_early(stream_id, early)
                    elif not flags and LONG_FRAME <= length <= max_whole and accepting and not waiting:
                        stream = streams.get(stream_id)
                        if stream is not None and not stream.remote_closed:
                            filled = self._begin_filling(stream, data, at)
                            if filled == at:
                                at = self._take_run(stream, data, at, length)
                                filled = self._begin_filling(stream, data, at)
                            at = filled
                            continue
                elif (
                    kind == HEADERS
                    and flags == END_HEADERS
                    and accepting
                    and self.last_id < stream_id <= MAX_STREAM_ID
                    and stream_id & 1
                    and length <= max_block
                    and len(streams) + len(waiting) < max_streams
                ):
                    at = stop
                    block = data[start:stop]
                    new = known.get(block)
                    if new is None:
                        new = self._try_new_request(stream_id, block)
                        known = blocks.known()
                    self.last_id = stream_id
                    if new is not None:
                        waiting[stream_id] = new
                    continue
                elif kind == WINDOW_UPDATE and length == 4 and accepting and not count_update():
                    increment = unpack_increment(data, start)[0]
                    if stream_id in waiting and stream_id not in early:
                        early[stream_id] = increment
                        at = stop
                        continue
                    if stream_id == 0 and not self.starved and 0 < increment <= MAX_WINDOW - self.send_window:
                        self.send_window += increment
                        at = stop
                        continue
            if waiting:
                self._open_waiting(waiting, early)
            stream_id &= MAX_STREAM_ID
            self._admit(head & 0xFF, flags, stream_id, length)
            if stop > size:
                if head & 0xFF == DATA and not flags & PADDED:
                    self._begin_data(flags, stream_id, length, data[start:])
                    at = size
                break
            self._dispatch(head & 0xFF, flags, stream_id, data[start:stop])
            at = stop
            known = blocks.known()
            accepting = self._accepting
        if waiting:
            self._open_waiting(waiting, early)
        self._rest = data[at:] if at < size else b""

    def _take_run(self, stream: Stream, data: bytes, at: int, length: int) -> int:
        """DATA frames that follow each other with one and the same header, as those of a large body do; where they end.

        Their payloads are handled together; the first one of a body alone, where the others may then be filled in.
        """
        header, start, stride = data[at : at + 9], at, length + 9
        last = len(data) - stride if stream.received or not self.fills else 0
        at += stride
        while at <= last and data.startswith(header, at):
            at += stride
        run = FrameRun(data, start, length, (at - start) // stride)
        try:
            if self._account(0, stream.id, run.size) is not None:
                self._deliver_run(stream, run)
        except Http2StreamError as error:
            self.break_off(error)
        return at

    def _open_waiting(self, waiting: dict[int, Request], early: dict[int, int]) -> None:
        """Make streams of requests that waited for their body in vain."""
        for stream_id, request in waiting.items():
            self._open(stream_id, request, False)
            self._widen_early(stream_id, early)
        waiting.clear()

    def _widen_early(self, stream_id: int, early: dict[int, int]) -> None:
        """Apply a WINDOW_UPDATE that came before its stream was open, if that still is."""
        increment = early.pop(stream_id, None)
        stream = self.streams.get(stream_id)
        if increment is not None and stream is not None:
            try:
                self.widen_stream(stream, increment & MAX_STREAM_ID)
            except Http2StreamError as error:
                self.break_off(error)

    def _greet(self, data: bytes) -> bytes:
        """Wait for the whole preface; what came behind it."""
        if data.startswith(PREFACE):
            self._greeted = True
            return data[len(PREFACE) :]
        if not PREFACE.startswith(data):
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "not the HTTP/2 preface")
        self._rest = data
        return b""

    @property
    def _accepting(self) -> bool:
        """Whether a request may begin now."""
        return self.settled and not self._block_id and self.draining != 2

    def _admit(self, kind: int, flags: int, stream_id: int, length: int) -> None:
        """Whether such a frame may come now. Raises Http2ConnectionError."""
        if length > self.limits.max_frame_size:
            raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "frame is too long")
        if not self.settled and (kind != SETTINGS or flags & ACK):
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS")
        if (self._block_id != 0) != (kind == CONTINUATION) or (self._block_id and stream_id != self._block_id):
            raise Http2ConnectionError(
                ErrorCode.PROTOCOL_ERROR, "CONTINUATION out of place, or another frame in its place"
            )

    def _dispatch(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind > CONTINUATION:
            self.count_control()
            return
        try:
            getattr(self, HANDLERS[kind])(flags, stream_id, payload)
        except Http2StreamError as error:
            self.break_off(error)

    def _begin_data(self, flags: int, stream_id: int, length: int, beginning: bytes) -> None:
        """A DATA frame without padding that has not arrived whole: its payload is handled as it comes."""
        self._data_left = length - len(beginning)
        self._data_ends = bool(flags & END_STREAM)
        self._data_stream = None
        try:
            self._data_stream = self._account(flags, stream_id, length)
            if self._data_stream is not None and beginning:
                self._deliver(self._data_stream, beginning, False)
        except Http2StreamError as error:
            self._data_stream = None
            self.break_off(error)

    def _continue_data(self, data: bytes) -> int:
        """More of that payload; how much of `data` it is."""
        size = min(self._data_left, len(data))
        self._data_left -= size
        stream = self._data_stream
        if not self._data_left:
            self._data_stream = None  # a call that is over must not be kept until the next frame in pieces
        if stream is not None:
            try:
                piece = data[:size] if size < len(data) else data
                self._deliver(stream, piece, self._data_ends and not self._data_left)
            except Http2StreamError as error:
                self.break_off(error)
        return size
