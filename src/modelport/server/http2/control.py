"""Control frames: settings, pings, resets, windows and GOAWAY, with the bounds that keep floods of them out."""

import asyncio
import time
from collections.abc import Callable

from modelport.server.http2.floods import Meter
from modelport.server.http2.frames import (
    ACK,
    GOAWAY,
    MAX_STREAM_ID,
    PING,
    RST_STREAM,
    SETTING,
    SETTINGS,
    U32,
    WINDOW_UPDATE,
    ErrorCode,
    Http2ConnectionError,
    Http2StreamError,
    Setting,
    pack_settings,
)
from modelport.server.http2.limits import Limits
from modelport.server.http2.sending import Driver, SendingHalf
from modelport.server.http2.stream import NEVER

DRAIN_PING = b"draining"


class ControlFrames(SendingHalf):
    """The life of a connection apart from its requests. `closed`: input is ignored, all streams have been told."""

    def __init__(self, limits: Limits, driver: Driver, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(limits, driver)
        self.clock = clock
        self.transport: asyncio.Transport | None = None  # for handlers that ask who the client is
        self.closed = False
        self.settled = False  # the client's first SETTINGS came
        self.acknowledged = False  # the client has seen this side's
        self.draining = 0  # 1: GOAWAY announced, 2: GOAWAY with the real last stream id
        self.drain_by = NEVER
        self.last_id = 0
        self.queued_control = 0  # answers to control frames since the output was last written
        self.next_deadline = NEVER
        now = clock()
        self._resets_seen = Meter(limits.max_resets, limits.flood_window, now)
        self._control_seen = Meter(limits.max_control_frames, limits.flood_window, now)
        self._pings_seen = Meter(limits.max_pings, limits.flood_window, now)
        self._updates_seen = Meter(limits.max_window_updates, limits.flood_window, now)

    @property
    def finished(self) -> bool:
        """Nothing more is to be done on this connection: it may be closed once `out` is written."""
        return self.closed or (self.draining == 2 and not self.streams)

    def start(self) -> None:
        """Send this side's settings; call it once, before anything else."""
        limits = self.limits
        settings = {
            Setting.MAX_CONCURRENT_STREAMS: limits.max_concurrent_streams,
            Setting.INITIAL_WINDOW_SIZE: limits.stream_window,
            Setting.MAX_FRAME_SIZE: limits.max_frame_size,
            Setting.MAX_HEADER_LIST_SIZE: limits.max_header_list_size,
        }
        self.out.append(pack_settings(settings))
        if limits.connection_window > 65_535:
            self.emit(WINDOW_UPDATE, 0, 0, U32.pack(limits.connection_window - 65_535))

    # The end of a connection.

    def fail(self, code: ErrorCode, text: str) -> None:
        """End the connection at once, telling the peer why."""
        if not self.closed:
            self.emit(GOAWAY, 0, 0, U32.pack(self.last_id) + U32.pack(code) + text.encode())
            self._close(code)

    def lose(self) -> None:
        """The transport is gone."""
        if not self.closed:
            self._close(ErrorCode.CANCEL)

    def _close(self, code: ErrorCode) -> None:
        self.closed = True
        for stream in list(self.streams.values()):
            self.forget(stream)
            self.tell(stream, stream.handle_reset, int(code))

    def drain(self) -> None:
        """End gracefully: announce it, and after a round trip accept no more streams; open ones run to their end."""
        if self.draining or self.closed:
            return
        if not self.settled:
            self.stop_accepting()
            return
        self.draining = 1
        self.drain_by = self.clock() + self.limits.drain_timeout
        self.emit(GOAWAY, 0, 0, U32.pack(MAX_STREAM_ID) + U32.pack(ErrorCode.NO_ERROR))
        self.emit(PING, 0, 0, DRAIN_PING)

    def stop_accepting(self) -> None:
        """Say which streams were accepted, and ignore all later ones."""
        self.draining = 2
        self.drain_by = NEVER
        self.emit(GOAWAY, 0, 0, U32.pack(self.last_id) + U32.pack(ErrorCode.NO_ERROR))

    # Streams.

    def break_off(self, error: Http2StreamError) -> None:
        """Reset a stream for what the client did to it. It counts like a reset by the client, for it costs the same."""
        self.emit(RST_STREAM, 0, error.stream_id, U32.pack(error.code))
        self.remember_reset(error.stream_id)
        stream = self.streams.get(error.stream_id)
        if stream is not None:
            self.forget(stream)
            self.tell(stream, stream.handle_reset, int(error.code))
        is_refusal = error.code == ErrorCode.REFUSED_STREAM and not self.acknowledged  # it cannot know the limit yet
        if not is_refusal and error.code != ErrorCode.INTERNAL_ERROR:
            self._count_reset()

    def check_absent(self, stream_id: int) -> None:
        """A frame for a stream that is not open: fine if it was once, or if this side stopped listening."""
        if not stream_id & 1 or (stream_id > self.last_id and self.draining != 2):
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "frame for an idle stream")

    def watch(self, deadline: float) -> None:
        """See to it that `expire` is called at a stream's deadline."""
        if deadline < self.next_deadline:
            self.next_deadline = deadline
            self.driver.arm(deadline)

    def expire(self) -> None:
        """Tell the streams whose deadline has passed, and arm the next."""
        now = self.clock()
        self.next_deadline = NEVER
        for stream in [stream for stream in self.streams.values() if stream.deadline <= now]:
            self.tell(stream, stream.handle_deadline)
        if self.streams:
            nearest = min(stream.deadline for stream in self.streams.values())
            if nearest != NEVER:
                self.watch(nearest)

    def replenish(self) -> None:
        """Give consumed bytes back to the peer's connection window, once they are worth a frame."""
        window = self.limits.connection_window
        if self.recv_used > window:
            raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "connection window exceeded")
        spent = self.recv_used - self.held
        if spent >= window >> 1:
            self.recv_used = self.held
            self.emit(WINDOW_UPDATE, 0, 0, U32.pack(spent))

    # Frames.

    def _count(self, meter: Meter, complaint: str, share: int = 1) -> None:
        """One event; `share` of them for each stream, DATA frame or piece of a body are never a flood."""
        if meter.full() and meter.flooded(self.clock(), ((self.last_id >> 1) + self.work) * share):
            raise Http2ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, complaint)

    def _count_reset(self) -> None:
        # At least half of a client's streams must come to their end for its resets to exceed the bound.
        if self._resets_seen.full() and self._resets_seen.flooded(self.clock(), self.last_id >> 2):
            raise Http2ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "too many streams were reset")

    def count_control(self) -> None:
        """One frame that does nothing useful."""
        self._count(self._control_seen, "too many control frames")

    def _answer(self, kind: int, payload: bytes) -> None:
        self.queued_control += 1
        if self.queued_control > self.limits.max_queued_control_frames:
            raise Http2ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "too many answers are waiting to be read")
        self.emit(kind, ACK, 0, payload)

    def _on_priority(self, flags: int, stream_id: int, payload: bytes) -> None:
        self.count_control()
        if stream_id == 0:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "PRIORITY without a stream")
        if len(payload) != 5:
            raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "PRIORITY is not 5 bytes")

    def _on_rst_stream(self, flags: int, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM is not 4 bytes")
        stream = self.streams.get(stream_id)
        if stream is None:
            self.check_absent(stream_id)
            self.count_control()
            return
        stream.remote_closed = True
        self.forget(stream)
        self.tell(stream, stream.handle_reset, int.from_bytes(payload))
        self._count_reset()

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream")
        if len(payload) % 6 or (flags & ACK and payload):
            raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of a wrong size")
        self.count_control()
        if flags & ACK:
            self.acknowledged = True
            return
        self.settled = True
        for key, value in SETTING.iter_unpack(payload):
            self.apply_setting(key, value)
        self._answer(SETTINGS, b"")

    def _on_push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:
        raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE from a client")

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "PING on a stream")
        if len(payload) != 8:
            raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "PING is not 8 bytes")
        if not flags & ACK:
            self._count(self._pings_seen, "too_many_pings")
            self._answer(PING, payload)
        elif payload == DRAIN_PING and self.draining == 1:
            self.stop_accepting()
        else:
            self.count_control()

    def _on_goaway(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream")
        if len(payload) < 8:
            raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY is too short")
        self.count_control()

    def _on_window_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE is not 4 bytes")
        # Clients of grpcio send two for each message, sent or received.
        self._count(self._updates_seen, "too many window updates", 4)
        increment = int.from_bytes(payload) & MAX_STREAM_ID
        if stream_id == 0:
            self.widen(increment)
            return
        stream = self.streams.get(stream_id)
        if stream is None:
            self.check_absent(stream_id)
        else:
            self.widen_stream(stream, increment)
