"""Length-prefixed gRPC messages: taking them out of a body, and their compression."""

import zlib
from collections.abc import Iterable, Sequence
from struct import Struct

from modelport.server.http2.frame_run import FrameRun
from modelport.server.http2.grpc_large import BEGINNING, BELIEVED, LARGE, PROMISED, LargeMessage, Place
from modelport.server.http2.grpc_status import GrpcError, StatusCode
from modelport.server.http2.stream import Buffer, as_bytes

PREFIX = Struct(">BI")  # compressed flag, length
PREFIX_SIZE = 5
SMALL_PART = 2048
GATHERED_PART = 65_536
WINDOW_BITS = {b"gzip": 31, b"deflate": 15}  # gRPC's deflate is the zlib format
ACCEPTED = b"identity, deflate, gzip"


def decompress(encoding: bytes, message: Buffer, max_size: int) -> bytes:
    """A message as it was before compression, of at most `max_size` bytes. Raises GrpcError."""
    inflater = zlib.decompressobj(WINDOW_BITS[encoding])
    try:
        plain = inflater.decompress(message, max_size + 1)
    except zlib.error as error:
        raise GrpcError(StatusCode.INTERNAL, f"message is not {encoding.decode()}: {error}") from error
    if len(plain) > max_size:
        raise too_large(f"more than {max_size}", max_size, " after decompression")
    if not inflater.eof or inflater.unused_data:
        raise GrpcError(StatusCode.INTERNAL, f"message is not one whole {encoding.decode()} stream")
    return plain


def compress(encoding: bytes, chunks: Iterable[Buffer]) -> list[bytes]:
    """The chunks of a message as one compressed stream, in chunks."""
    deflater = zlib.compressobj(level=1, wbits=WINDOW_BITS[encoding])
    pieces = [deflater.compress(chunk) for chunk in chunks]
    pieces.append(deflater.flush())
    return [piece for piece in pieces if piece]


def too_large(size: int | str, max_size: int, when: str = "") -> GrpcError:
    """The error for a message above the limit."""
    return GrpcError(
        StatusCode.RESOURCE_EXHAUSTED, f"message of {size} bytes{when} is larger than the maximum of {max_size} bytes"
    )


def frame_message(message: Buffer | Sequence[Buffer], encoding: bytes | None) -> list[bytes | memoryview]:
    """A message with its prefix, as chunks that are not copied; compressed if an encoding is given."""
    chunks = [as_bytes(chunk) for chunk in (message if isinstance(message, list | tuple) else (message,))]
    if encoding is not None:
        chunks = [*compress(encoding, chunks)]
    return [PREFIX.pack(encoding is not None, sum(map(len, chunks))), *chunks]


class MessageReader:
    """Cuts a body into messages. Bytes of a message that is still arriving are kept as they came, and joined once.

    With `place`, a large message is put where its content is aligned as it comes (`LargeMessage`), and given as a view.
    """

    __slots__ = ("_encoding", "_large", "_max_size", "_parts", "_place", "_prefix", "_wanted", "held")

    def __init__(self, encoding: bytes | None, max_size: int, place: Place | None = None) -> None:
        self._encoding = encoding
        self._max_size = max_size
        self._place = place
        self._large: LargeMessage | None = None
        self._prefix = b""
        self._wanted = -1  # bytes missing from the current message; -1: its prefix is not complete
        self._parts: list[bytes | bytearray] = []
        self.held = 0  # bytes of the current message that have come

    @property
    def complete(self) -> bool:
        """Whether the body may end here."""
        return self._wanted < 0 and not self._prefix

    @property
    def missing(self) -> memoryview | None:
        """Where the rest of a large message goes; None where no such message is arriving."""
        return None if self._large is None else self._large.missing

    @property
    def full(self) -> bool:
        """Whether all bytes of a message are there; `feed` gives it."""
        return self._wanted == 0

    def filled(self, size: int) -> None:
        """So many bytes of it were put there."""
        assert self._large is not None
        self._large.skip(size)
        self._wanted -= size
        self.held += size

    def fill(self, run: FrameRun) -> bool:
        """Take the pieces, if they are part of a large message and not yet its end."""
        size = run.size
        if self._large is None or size >= self._wanted:
            return False
        self._large.add_run(run)
        self._wanted -= size
        self.held += size
        return True

    def continue_with(self, data: bytes, size: int) -> bool:
        """Take `size` bytes, if they are part of a large message and not yet its end."""
        if self._large is None or size >= self._wanted:
            return False
        self._large.add(data)
        self._wanted -= size
        self.held += size
        return True

    def feed(self, data: bytes) -> list[bytes | memoryview]:
        """The messages that `data` completes. Raises GrpcError."""
        messages: list[bytes | memoryview] = []
        at, size = 0, len(data)
        while at < size or self._wanted == 0:
            if self._wanted < 0:
                at = self._read_prefix(data, at)
                continue
            part = data[at : at + self._wanted] if at or self._wanted < size else data
            at += len(part)
            self._wanted -= len(part)
            self.held += len(part)
            self._keep(part)
            if not self._wanted:
                messages.append(self._finish())
        return messages

    def _read_prefix(self, data: bytes, at: int) -> int:
        missing = PREFIX_SIZE - len(self._prefix)
        self._prefix += data[at : at + missing]
        if len(self._prefix) == PREFIX_SIZE:
            flag, self._wanted = PREFIX.unpack(self._prefix)
            if self._wanted > self._max_size:
                raise too_large(self._wanted, self._max_size)
            if flag > 1 or (flag and self._encoding is None):
                raise GrpcError(StatusCode.INTERNAL, "message has the compressed flag, but no grpc-encoding was given")
        return at + missing

    def _keep(self, part: bytes) -> None:
        if self._large is not None:
            self._large.add(part)
            return
        if self._place is not None and LARGE <= self._wanted <= self._believed():
            self._start_large(self._place, part)
            return
        # Small parts are gathered: as objects of their own they would take many times their size.
        parts = self._parts
        if len(part) >= SMALL_PART or not self._wanted:
            parts.append(part)
        elif parts and type(parts[-1]) is bytearray and len(parts[-1]) < GATHERED_PART:
            parts[-1] += part
        else:
            parts.append(bytearray(part))

    def _believed(self) -> int:
        """How many bytes more of a message are believed to come."""
        return 0 if self.held < BEGINNING else max(self.held * PROMISED, BELIEVED)

    def _start_large(self, place: Place, part: bytes) -> None:
        parts = [*self._parts, part]
        self._large = LargeMessage(self.held + self._wanted, place(parts[0]))
        for piece in parts:
            self._large.add(piece)
        self._parts = []

    def _finish(self) -> bytes | memoryview:
        compressed = self._prefix[0]
        parts, large = self._parts, self._large
        message: bytes | memoryview
        if large is not None:
            message = large.view
        else:
            message = parts[0] if len(parts) == 1 and type(parts[0]) is bytes else b"".join(parts)
        self._parts = []
        self._large = None
        self._prefix = b""
        self._wanted = -1
        self.held = 0
        if compressed and self._encoding is not None:
            return decompress(self._encoding, message, self._max_size)
        return message
