"""What a client needs of HTTP/2's framing to send the same gRPC call again and again. Sources: RFC 9113, RFC 7541."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from urllib.parse import unquote

from hpack import Decoder, Encoder, HPACKError

HEAD = Struct(">IBI")  # length and type share the first word: length << 8 | type
U32 = Struct(">I")
_SETTING = Struct(">HI")

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, PRIORITY = 0x4, 0x8, 0x20
TABLE_SIZE, MAX_STREAMS, INITIAL_WINDOW, FRAME_SIZE = 1, 3, 4, 5
DEFAULT_WINDOW, DEFAULT_FRAME, DEFAULT_TABLE, LARGEST_WINDOW = 65_535, 16_384, 4_096, 2**31 - 1


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One whole frame."""
    return HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


def opening() -> bytes:
    """A connection's first bytes: windows as wide as they can be, and no dynamic table for the answers' headers.

    Without that table a header block means the same on every connection at any time, so that it is read only once.
    """
    wanted = {TABLE_SIZE: 0, 2: 0, INITIAL_WINDOW: LARGEST_WINDOW}
    settings = b"".join(_SETTING.pack(key, value) for key, value in wanted.items())
    widen = frame(WINDOW_UPDATE, 0, 0, U32.pack(LARGEST_WINDOW - DEFAULT_WINDOW))
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, settings) + widen


def settings_of(payload: bytes) -> dict[int, int]:
    """The values in a SETTINGS frame."""
    return dict(_SETTING.iter_unpack(payload[: len(payload) // 6 * 6]))


def call_blocks(
    authority: str, path: str, scheme: str, metadata: Sequence[tuple[str, str]], table: int
) -> tuple[bytes, bytes]:
    """The header block of a connection's first call, and that of every later one, which refers to the first."""
    fields = [
        (":method", "POST"),
        (":scheme", scheme),
        (":path", path),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *metadata,
    ]
    encoder = Encoder()
    if table < DEFAULT_TABLE:
        encoder.header_table_size = table
    return bytes(encoder.encode(fields)), bytes(encoder.encode(fields))


def content(flags: int, payload: bytes) -> bytes:
    """A frame's payload without padding and priority."""
    start, end = 0, len(payload)
    if flags & PADDED and payload:
        start, end = 1, end - payload[0]
    if flags & PRIORITY:
        start += 5
    return payload[start:end]


class Blocks:
    """Header blocks as dictionaries; each is decoded once."""

    def __init__(self) -> None:
        self._known: dict[bytes, dict[str, str]] = {}

    def read(self, block: bytes) -> dict[str, str] | None:
        """The fields by name; None where the block can't be read."""
        found = self._known.get(block)
        if found is None:
            try:
                fields = Decoder().decode(block)
            except (HPACKError, UnicodeDecodeError, IndexError):
                return None
            found = {str(name): str(value) for name, value in fields}
            if len(self._known) > 256:
                self._known.clear()
            self._known[block] = found
        return found


def grpc_text(message: str) -> str:
    """A status message, which travels percent-encoded."""
    return unquote(message)
