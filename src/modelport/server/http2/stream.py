"""One request and its response, as the connection sees them."""

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from modelport.server.http2.frame_run import FrameRun
from modelport.server.http2.frames import END_STREAM, RST_STREAM, U32, WINDOW_UPDATE, ErrorCode
from modelport.server.http2.header_blocks import Field

if TYPE_CHECKING:
    from modelport.server.http2.connection import Connection
    from modelport.server.http2.requests import Request

Buffer = bytes | bytearray | memoryview
NEVER = float("inf")


def as_bytes(chunk: Buffer) -> bytes | memoryview:
    """A view whose length is its size in bytes; `bytes` as they are."""
    if type(chunk) is bytes:
        return chunk
    return memoryview(chunk).cast("B")


class Stream:
    """Base of everything that handles a request; subclasses override the `handle_` methods.

    The first block of attributes is set for each stream, the others stay class defaults until they are needed: most
    requests are answered without touching them. Buffers given to `send_data` must not change until they are sent.
    """

    connection: "Connection"
    id: int
    request: "Request"

    remote_closed = False  # END_STREAM received
    local_closed = False  # END_STREAM sent, or reset by either side
    deadline = NEVER  # monotonic seconds; when it passes, handle_deadline is called

    received = 0  # bytes of body, for content-length
    recv_used = 0  # bytes of the receive window that the peer has used and not got back
    held = 0  # of these, bytes that are not consumed yet

    window_delta = 0  # the peer's window for this stream, less its initial window setting
    queue: "deque[bytes | memoryview] | None" = None
    queued = 0
    end_queued = False
    trailers: bytes | None = None
    is_ready = False  # stands in the connection's line of streams that may send
    moved = False  # sent something since the last look for stalls
    stalled_since = 0.0

    def __init__(self, connection: "Connection", stream_id: int, request: "Request") -> None:
        self.connection = connection
        self.id = stream_id
        self.request = request

    # What the connection tells.

    def handle_open(self) -> None:
        """The stream has been opened; its request's headers are in `request`."""

    def handle_data(self, data: bytes) -> None:
        """A piece of the body. Call `consume` for it once it no longer takes memory."""

    def handle_run(self, run: FrameRun) -> None:
        """Several pieces of the body that follow each other."""
        self.handle_data(run.joined())

    def large_memory(self) -> memoryview | None:
        """Where the rest of the body's large message goes, if one is arriving and may be put there by others."""
        return None

    def handle_filled(self, size: int) -> None:
        """So many bytes were put there, and are consumed already."""

    def handle_end(self, trailers: list[Field]) -> None:
        """The request is complete."""

    def handle_reset(self, code: int) -> None:
        """The stream is gone before its response was complete. Nothing can be sent any more."""

    def handle_writable(self) -> None:
        """What was queued has been sent, down to a low level."""

    def handle_deadline(self) -> None:
        """`deadline` has passed."""

    # What the handler does.

    def consume(self, size: int) -> None:
        """Give `size` received bytes back to the peer's windows."""
        if self.local_closed:  # all was given back already
            return
        size = min(size, self.held)
        self.held -= size
        connection = self.connection
        connection.held -= size
        spent = self.recv_used - self.held
        if not self.remote_closed and spent >= connection.limits.stream_window >> 1:
            self.recv_used = self.held
            connection.emit(WINDOW_UPDATE, 0, self.id, U32.pack(spent))
        connection.replenish()

    def send_headers(self, block: bytes, end: bool = False) -> None:
        """Send a header block now: the response's headers, or (with `end`) all of a response without a body."""
        if self.local_closed:
            return
        self.connection.emit_headers(self.id, block, END_STREAM if end else 0)
        if end:
            self.connection.finish(self)

    def send_data(self, chunks: Iterable[Buffer], end: bool = False) -> None:
        """Queue body bytes; they leave as the peer's windows and the transport allow."""
        self.send_pieces(map(as_bytes, chunks), end)

    def send_pieces(self, pieces: Iterable[bytes | memoryview], end: bool = False) -> None:
        """The same for pieces that `as_bytes` gave."""
        if self.local_closed:
            return
        queue = self.queue
        if queue is None:
            queue = self.queue = deque()
        for piece in pieces:
            if piece:
                queue.append(piece)
                self.queued += len(piece)
        self.end_queued = end
        self.connection.enqueue(self)

    def send_trailers(self, block: bytes) -> None:
        """End the stream with trailers once all that is queued has been sent."""
        if self.local_closed:
            return
        if not self.queue:
            self.connection.emit_headers(self.id, block, END_STREAM)
            self.connection.finish(self)
        else:
            self.trailers = block
            self.connection.enqueue(self)

    def reset(self, code: ErrorCode) -> None:
        """Break the stream off."""
        if not self.local_closed:
            self.connection.emit(RST_STREAM, 0, self.id, U32.pack(code))
            self.connection.forget(self)
            self.connection.remember_reset(self.id)
