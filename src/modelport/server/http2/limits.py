"""What one connection may cost the server. Every field can be set by the owner; its help text is its documentation."""

from dataclasses import dataclass, field
from typing import Any


def limit(default: Any, help_text: str) -> Any:
    """A dataclass field with its documentation beside it, so that settings pages can show it."""
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one HTTP/2 connection. Sizes are bytes, times are seconds; a time of 0 switches that timer off.

    The flood bounds count events within `flood_window`. Events that honest traffic causes in proportion to its
    work (resets, pings, window updates) may exceed their bound as long as the connection's useful work keeps up.
    """

    max_concurrent_streams: int = limit(1000, "Streams that a client may have open at once; more are refused.")
    max_frame_size: int = limit(65_536, "Largest frame payload accepted (16384 to 16777215).")
    stream_window: int = limit(1 << 21, "Bytes of one request that may be under way or wait to be consumed.")
    connection_window: int = limit(16 << 20, "The same for all requests of the connection together.")
    max_header_list_size: int = limit(32_768, "Decoded size of a request's headers (names, values, 32 for each).")
    max_header_block_size: int = limit(32_768, "Encoded size of a header block, all its CONTINUATION frames together.")
    max_continuation_frames: int = limit(16, "CONTINUATION frames that one header block may take.")
    max_message_size: int = limit(128 << 20, "Largest gRPC message received, after decompression.")
    max_assembly_size: int = limit(512 << 20, "Bytes of unfinished gRPC messages held for the connection's calls.")
    max_send_queue: int = limit(256 << 10, "Bytes queued for a stream above which asynchronous senders wait.")
    flood_window: float = limit(10.0, "Time over which the flood bounds below count.")
    max_resets: int = limit(500, "Streams reset by, or because of, the client in a flood window.")
    max_control_frames: int = limit(1000, "SETTINGS, PRIORITY, empty DATA and unknown frames in a flood window.")
    max_pings: int = limit(200, "PING frames from the client in a flood window.")
    max_window_updates: int = limit(5000, "WINDOW_UPDATE frames from the client in a flood window.")
    max_queued_control_frames: int = limit(1000, "Answers to control frames that may wait for the client to read.")
    handshake_timeout: float = limit(10.0, "Time for the client's preface and first SETTINGS.")
    idle_timeout: float = limit(1800.0, "Time without any open stream after which the connection is closed.")
    stall_timeout: float = limit(60.0, "Time in which a client that is being sent data must accept some of it.")
    keepalive_interval: float = limit(120.0, "Silence after which the server sends a PING.")
    keepalive_timeout: float = limit(20.0, "Time in which a client must answer that PING.")
    drain_timeout: float = limit(2.0, "Time that a draining connection waits for the round trip of its PING.")
    close_timeout: float = limit(2.0, "Time in which a closing connection may still deliver its last bytes.")

    def __post_init__(self) -> None:
        if not 16_384 <= self.max_frame_size < 1 << 24:
            raise ValueError("max_frame_size must be from 16384 to 16777215")
        if not 65_535 <= self.connection_window < 1 << 31:
            raise ValueError("connection_window must be from 65535 to 2147483647")
        if not 0 < self.stream_window < 1 << 31:
            raise ValueError("stream_window must be from 1 to 2147483647")
