"""The sending half of a connection: frames out, the peer's windows and settings, streams taking turns."""

import logging
from collections import deque
from collections.abc import Callable, Sized
from typing import Protocol, TypeVarTuple

from modelport.native import collect
from modelport.server.http2.frames import (
    CONTINUATION,
    DATA,
    DEFAULT_FRAME_SIZE,
    DEFAULT_TABLE_SIZE,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    FRAME_HEADER,
    HEADERS,
    LARGEST_FRAME_SIZE,
    MAX_WINDOW,
    RST_STREAM,
    U32,
    ErrorCode,
    Http2ConnectionError,
    Http2StreamError,
    Setting,
    pack_frame,
)
from modelport.server.http2.limits import Limits
from modelport.server.http2.stream import Stream

About = TypeVarTuple("About")

logger = logging.getLogger(__name__)

TURN = 65_536  # bytes that one stream may send before the next one's turn
LONE_TURN = 655_360  # the same where no other one waits
REMEMBERED_RESETS = 1000

#: `data_frames` of the extension.
CutFrames = Callable[[list[bytes | memoryview], int, int, int, bool], tuple[list[bytes | memoryview], int, int, int]]


class Driver(Protocol):
    """What a connection asks of the event loop side."""

    def wake(self) -> None:
        """There is output that no `receive` call in progress will flush; flush soon."""

    def arm(self, deadline: float) -> None:
        """Call `Connection.expire` at this monotonic time."""


class SendingHalf:
    """State and rules of sending. `out` collects what to write next, in order; whoever writes it clears it."""

    def __init__(self, limits: Limits, driver: Driver) -> None:
        self.limits = limits
        self.driver = driver
        self.out: list[bytes | memoryview] = []
        self.receiving = False  # a receive call is in progress and its caller will flush
        self.streams: dict[int, Stream] = {}
        self.backlog: dict[int, Stream] = {}  # streams with something queued
        self.ready: deque[Stream] = deque()  # of these, the ones that may send, in turn
        self.starved: deque[Stream] = deque()  # the ones that wait for the connection's window
        self.send_window = DEFAULT_WINDOW
        self.peer_window = DEFAULT_WINDOW
        self.peer_frame_size = DEFAULT_FRAME_SIZE
        self.table_update = b""  # goes before the next header block
        self.paused = False
        self.quick = DEFAULT_FRAME_SIZE  # a body up to this size may skip the queue if send_window has room; -1: none
        self.work = 0  # grows with each DATA frame either way and each piece to send, but for requests that come whole
        self.held = 0
        self.recv_used = 0
        self.siblings: Sized = ()  # all connections of the server, this one among them, as far as that is told
        self._resets: dict[int, None] = {}

    def emit(self, kind: int, flags: int, stream_id: int, payload: bytes = b"") -> None:
        """Send a frame that flow control does not apply to."""
        self.out.append(pack_frame(kind, flags, stream_id, payload))
        if not self.receiving:
            self.driver.wake()

    def emit_headers(self, stream_id: int, block: bytes, flags: int) -> None:
        """Send a header block as HEADERS and as many CONTINUATION frames as the peer's frame size demands."""
        if self.table_update:
            block = self.table_update + block
            self.table_update = b""
            self.set_quick()
        size = self.peer_frame_size
        if len(block) <= size:
            self.emit(HEADERS, flags | END_HEADERS, stream_id, block)
            return
        self.emit(HEADERS, flags, stream_id, block[:size])
        for at in range(size, len(block), size):
            last = END_HEADERS if at + size >= len(block) else 0
            self.emit(CONTINUATION, last, stream_id, block[at : at + size])

    def finish(self, stream: Stream) -> None:
        """END_STREAM has been sent. A request that is still arriving is not needed any more."""
        self.forget(stream)
        if not stream.remote_closed:
            self.emit(RST_STREAM, 0, stream.id, U32.pack(ErrorCode.NO_ERROR))
            self.remember_reset(stream.id)

    def forget(self, stream: Stream) -> None:
        """Take a stream that is over out of all books."""
        stream.local_closed = True
        self.streams.pop(stream.id, None)
        self.backlog.pop(stream.id, None)
        if stream.is_ready:
            (self.starved if stream in self.starved else self.ready).remove(stream)
            stream.is_ready = False
        stream.queue = None
        stream.queued = 0
        self.held -= stream.held
        stream.held = 0

    def tell(self, stream: Stream, handle: Callable[[*About], None], *about: *About) -> None:
        """Call a stream's handler; if it raises, only that stream fails."""
        try:
            handle(*about)
        except Exception:
            logger.exception("error in the handler of an HTTP/2 stream")
            stream.reset(ErrorCode.INTERNAL_ERROR)

    def remember_reset(self, stream_id: int) -> None:
        """Frames that were under way when this side reset the stream are to be ignored, not punished."""
        resets = self._resets
        resets[stream_id] = None
        if len(resets) > REMEMBERED_RESETS:
            del resets[next(iter(resets))]

    def was_reset(self, stream_id: int) -> bool:
        """Whether this side reset the stream not long ago."""
        return stream_id in self._resets

    def set_quick(self) -> None:
        """Recompute `quick`; call it whenever something that it depends on changes."""
        blocked = self.paused or self.table_update
        self.quick = -1 if blocked else min(self.peer_frame_size, self.peer_window)

    def set_paused(self, paused: bool) -> None:
        """The transport's buffer is full (or has drained)."""
        self.paused = paused
        self.set_quick()

    # Queues.

    def enqueue(self, stream: Stream) -> None:
        """A stream got something to send."""
        self.work += 1
        self.backlog[stream.id] = stream
        self._make_ready(stream)
        if not self.receiving:
            self.driver.wake()

    def _make_ready(self, stream: Stream) -> None:
        if not stream.is_ready:
            stream.is_ready = True
            self.ready.append(stream)

    def pump(self, budget: int) -> int:
        """Move about `budget` queued bytes to `out`, the streams taking turns, as far as windows allow; how many."""
        ready = self.ready
        left = budget
        while ready and left > 0:
            stream = ready.popleft()
            stream.is_ready = False
            before = stream.queued
            self._send_turn(stream)
            sent = before - stream.queued
            left -= sent
            if sent:
                stream.moved = True
                low = self.limits.max_send_queue >> 1
                if before > low >= stream.queued and not stream.local_closed:
                    self.tell(stream, stream.handle_writable)
        return budget - left

    def _send_turn(self, stream: Stream) -> None:
        queue = stream.queue
        turn = TURN if self.ready else LONE_TURN
        while queue:
            window = self.peer_window + stream.window_delta
            room = min(turn, window, self.send_window)
            if room <= 0:
                if turn <= 0:
                    self._make_ready(stream)
                elif window > 0:
                    stream.is_ready = True
                    self.starved.append(stream)
                return
            if room > self.peer_frame_size < stream.queued and collect is not None:
                turn -= self._send_frames(collect.data_frames, stream, queue, room)
            else:
                turn -= self._send_frame(stream, queue, min(room, self.peer_frame_size))
        self._send_end(stream)

    def _send_frames(self, cut: CutFrames, stream: Stream, queue: "deque[bytes | memoryview]", room: int) -> int:
        """Several DATA frames of up to `room` bytes together; how many they were."""
        ends = stream.end_queued
        frames, sent, whole, cut_off = cut([*queue], self.peer_frame_size, room, stream.id, ends)
        self.out += frames
        for _ in range(whole):
            queue.popleft()
        if cut_off:
            queue[0] = memoryview(queue[0])[cut_off:]
        self._count_sent(stream, sent)
        if ends and not queue:
            self.finish(stream)
        return sent

    def _count_sent(self, stream: Stream, sent: int) -> None:
        stream.queued -= sent
        stream.window_delta -= sent
        self.send_window -= sent
        self.work += 1

    def _send_frame(self, stream: Stream, queue: "deque[bytes | memoryview]", room: int) -> int:
        """One DATA frame of up to `room` bytes; how many they were."""
        out = self.out
        head = len(out)
        out.append(b"")
        left = room
        while queue and left:
            piece = queue[0]
            size = len(piece)
            if size <= left:
                out.append(queue.popleft())
                left -= size
            else:
                view = memoryview(piece)
                out.append(view[:left])
                queue[0] = view[left:]
                left = 0
        sent = room - left
        end = END_STREAM if stream.end_queued and not queue else 0
        out[head] = FRAME_HEADER.pack(sent << 8 | DATA, end, stream.id)
        self._count_sent(stream, sent)
        if end:
            self.finish(stream)
        return sent

    def _send_end(self, stream: Stream) -> None:
        """The queue is empty: what is left to send is the end, if it is known already."""
        if stream.local_closed:
            return
        self.backlog.pop(stream.id, None)
        if stream.trailers is not None:
            self.emit_headers(stream.id, stream.trailers, END_STREAM)
            self.finish(stream)
        elif stream.end_queued:
            self.emit(DATA, END_STREAM, stream.id)
            self.finish(stream)

    # What the peer allows.

    def widen(self, increment: int) -> None:
        """A WINDOW_UPDATE for the connection."""
        if increment == 0:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0")
        self.send_window += increment
        if self.send_window > MAX_WINDOW:
            raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "connection window above 2^31-1")
        self.ready.extend(self.starved)
        self.starved.clear()

    def widen_stream(self, stream: Stream, increment: int) -> None:
        """A WINDOW_UPDATE for a stream."""
        if increment == 0:
            raise Http2StreamError(stream.id, ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0")
        stream.window_delta += increment
        if self.peer_window + stream.window_delta > MAX_WINDOW:
            raise Http2StreamError(stream.id, ErrorCode.FLOW_CONTROL_ERROR, "stream window above 2^31-1")
        if stream.queue:
            self._make_ready(stream)

    def apply_setting(self, key: int, value: int) -> None:
        """One parameter of the peer's SETTINGS. Unknown ones are ignored. Raises Http2ConnectionError."""
        if key == Setting.INITIAL_WINDOW_SIZE:
            self._set_peer_window(value)
        elif key == Setting.MAX_FRAME_SIZE:
            if not DEFAULT_FRAME_SIZE <= value <= LARGEST_FRAME_SIZE:
                raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "MAX_FRAME_SIZE out of range")
            self.peer_frame_size = value
        elif key == Setting.HEADER_TABLE_SIZE:
            # This side's encoder does not use the table, but must confirm that it shrank (RFC 7541 4.2).
            if value < DEFAULT_TABLE_SIZE:
                self.table_update = b"\x20"
        elif key == Setting.ENABLE_PUSH and value > 1:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is neither 0 nor 1")
        self.set_quick()

    def _set_peer_window(self, value: int) -> None:
        if value > MAX_WINDOW:
            raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE above 2^31-1")
        self.peer_window = value
        for stream in self.streams.values():
            if value + stream.window_delta > MAX_WINDOW:
                raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "a stream's window above 2^31-1")
            if stream.queue:
                self._make_ready(stream)
