"""Large messages on their way in: the extension takes their DATA frames out of what comes, and puts them in place.

A message is taken so from the moment on at which its memory is there (`LargeMessage`) until its end, if that is the end
of its stream as well, or until another frame. All rules are kept here and in `receiving.py`; without the extension,
its frames go the way of all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelport.native import collect
from modelport.server.http2.frames import Http2StreamError
from modelport.server.http2.receiving import ReceivingHalf

if TYPE_CHECKING:
    from modelport.native._collect import Filler
    from modelport.server.http2.stream import Stream


class LargeBodies(ReceivingHalf):
    """What a connection does with the frames of a large message. Between two reads at most one message is so far."""

    #: Whether the extension is there.
    fills = collect is not None
    #: The stream whose message fills, and what fills it.
    filling: tuple[Stream, Filler] | None = None
    _rest: bytes
    _data_left: int
    _data_stream: Stream | None

    def _begin_filling(self, stream: Stream, data: bytes, at: int) -> int:
        """Take the frames of a stream's large message, if it has one; where they end in `data`."""
        memory = stream.large_memory() if self.fills and not stream.local_closed else None
        if memory is None:
            return at
        assert collect is not None
        largest = min(self.limits.max_frame_size, self.limits.stream_window)
        filler = collect.Filler(memory, stream.id, largest)
        at = filler.take(data, at)
        self._count_filled(stream, filler)
        if at == len(data) and not filler.ended:
            self.filling = (stream, filler)
            if stream.local_closed:
                at -= len(self._stop_filling())
        return at

    @property
    def missing(self) -> int:
        """Bytes that the message which fills has still to get; 0 where none does."""
        memory = None if self.filling is None else self.filling[0].large_memory()
        return 0 if memory is None else len(memory)

    def _fill(self, data: bytes) -> bytes:
        """What of `data` is not for the message that fills; nothing as long as that goes on."""
        assert self.filling is not None
        stream, filler = self.filling
        if not stream.local_closed:
            at = filler.take(data, 0)
            self._count_filled(stream, filler)
            if at == len(data) and not stream.local_closed and not filler.ended:
                return b""
            data = data[at:]
        return self._stop_filling() + data

    def _stop_filling(self) -> bytes:
        """Leave it to the ordinary way; the beginning of a frame's header that came already."""
        assert self.filling is not None
        _, filler = self.filling
        self.filling = None
        if filler.left:  # the stream ended within a frame: the others' window has to count all of it
            self._data_left, self._data_stream = filler.left, None
            self.recv_used += filler.left
            self.replenish()
        return filler.rest

    def _count_filled(self, stream: Stream, filler: Filler) -> None:
        """Charge what was taken to the windows and the message. It takes no more memory: it is given back at once."""
        size = filler.filled
        if not size:
            return
        # As `_account` and `consume` do, but in few steps: they happen at each read.
        limits = self.limits
        self.recv_used += size
        stream.recv_used += size
        self.work += 1
        try:
            if self.recv_used >= limits.connection_window >> 1:
                self.replenish()
            if stream.recv_used >= limits.stream_window >> 1:
                self.check_window(stream)
                stream.consume(0)
            self._count_received(stream, size)
            self.tell(stream, stream.handle_filled, size)
            if filler.ended and not stream.local_closed:
                self._end(stream, [])
        except Http2StreamError as error:
            self.break_off(error)
