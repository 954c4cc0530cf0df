"""What the tests of the HTTP/2 connection share: a connection without sockets, and clients to feed it."""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
from hpack import Decoder, Encoder

from modelport.server.http2 import GrpcServer, Limits, PlainStream, Request, Router
from modelport.server.http2.connection import Connection
from modelport.server.http2.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    ErrorCode,
    pack_frame,
)
from modelport.server.http2.receiving import Application

Field = tuple[bytes, bytes]
GET: list[Field] = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"here"), (b":path", b"/")]
POST: list[Field] = [(b":method", b"POST"), *GET[1:]]


def grpc_fields(path: bytes = b"/pkg.Service/Method", *more: Field) -> list[Field]:
    """Header fields of a call."""
    return [*POST[:3], (b":path", path), (b"content-type", b"application/grpc"), (b"te", b"trailers"), *more]


def message(payload: bytes, compressed: int = 0) -> bytes:
    """A length-prefixed message."""
    return struct.pack(">BI", compressed, len(payload)) + payload


@dataclass
class Frame:
    """A frame that the server sent."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes

    @property
    def code(self) -> int:
        """Of RST_STREAM and GOAWAY."""
        return int.from_bytes(self.payload[-4:] if self.kind == RST_STREAM else self.payload[4:8])


def cut_frames(data: bytes) -> list[Frame]:
    """Bytes to frames; they must be whole."""
    frames = []
    while data:
        length = int.from_bytes(data[:3])
        frames.append(Frame(data[3], data[4], int.from_bytes(data[5:9]), data[9 : 9 + length]))
        assert len(frames[-1].payload) == length
        data = data[9 + length :]
    return frames


@dataclass
class Clock:
    """Time that passes only when told."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeDriver:
    """Counts what a connection asks of the event loop."""

    wakes: int = 0
    deadlines: list[float] = field(default_factory=list)

    def wake(self) -> None:
        self.wakes += 1

    def arm(self, deadline: float) -> None:
        self.deadlines.append(deadline)


class Recorder:
    """A PlainHandler that keeps what it is told, and answers if told how."""

    def __init__(self, answer: Callable[[PlainStream], object] | None = None, consume: bool = True) -> None:
        self.requests: list[PlainStream] = []
        self.bodies: dict[int, bytes] = {}
        self.ended: list[int] = []
        self.cancelled: list[int] = []
        self.writable: list[int] = []
        self._answer = answer
        self._consume = consume

    def on_request(self, stream: PlainStream, headers: Sequence[Field]) -> None:
        self.requests.append(stream)
        self.bodies[stream.id] = b""

    def on_data(self, stream: PlainStream, data: bytes) -> None:
        self.bodies[stream.id] += data
        if self._consume:
            stream.consume(len(data))

    def on_end(self, stream: PlainStream) -> None:
        self.ended.append(stream.id)
        if self._answer is not None:
            self._answer(stream)

    def on_cancel(self, stream: PlainStream) -> None:
        self.cancelled.append(stream.id)

    def on_writable(self, stream: PlainStream) -> None:
        self.writable.append(stream.id)


class Rig:
    """A connection without sockets. `encode` and `decode` keep the HPACK state of the client's side."""

    def __init__(self, application: Application, limits: Limits, greet: bool = True) -> None:
        self.clock = Clock()
        self.driver = FakeDriver()
        self.connection = Connection(limits, application, self.driver, self.clock)
        self.connection.start()
        self._encoder = Encoder()
        self._decoder = Decoder()
        if greet:
            self.feed(PREFACE + pack_frame(SETTINGS, 0, 0))

    def feed(self, *parts: bytes) -> None:
        """Hand bytes to the connection, each part on its own."""
        for part in parts:
            self.connection.receive(part)

    def output(self) -> bytes:
        """What the connection has to send, as a protocol would take it."""
        connection = self.connection
        while connection.ready and not connection.paused:
            connection.pump(1 << 20)
        data = b"".join(connection.out)
        connection.out.clear()
        if not connection.paused:
            connection.queued_control = 0
        return data

    def frames(self) -> list[Frame]:
        """The same, cut into frames."""
        return cut_frames(self.output())

    def encode(self, fields: Iterable[Field]) -> bytes:
        return self._encoder.encode(list(fields))

    def decode(self, block: bytes) -> list[Field]:
        return [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]

    def headers(self, stream_id: int, fields: Iterable[Field], end: bool = False) -> bytes:
        """A HEADERS frame."""
        flags = END_HEADERS | (END_STREAM if end else 0)
        return pack_frame(HEADERS, flags, stream_id, self.encode(fields))

    def call(self, stream_id: int, body: bytes, *more: Field, path: bytes = b"/pkg.Service/Method") -> bytes:
        """The frames of a gRPC call whose request is `body`."""
        head = self.headers(stream_id, grpc_fields(path, *more))
        return head + pack_frame(DATA, END_STREAM, stream_id, body)

    def response(self, frames: Iterable[Frame], stream_id: int) -> "Response":
        """One stream's response among the frames. Frames of other streams are decoded for their HPACK state only."""
        found = Response()
        for frame in frames:
            fields = dict(self.decode(frame.payload)) if frame.kind == HEADERS else {}
            if frame.stream_id != stream_id:
                continue
            if frame.kind == HEADERS and not found.headers:
                found.headers = fields
            elif frame.kind == HEADERS:
                assert not found.trailers
                assert frame.flags & END_STREAM
                found.trailers = fields
            elif frame.kind == DATA:
                found.body += frame.payload
            elif frame.kind == RST_STREAM:
                found.reset = frame.code
                continue
            found.ended = bool(frame.flags & END_STREAM)
        return found


@dataclass
class Response:
    """A response put together."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    trailers: dict[bytes, bytes] = field(default_factory=dict)
    reset: int | None = None
    ended: bool = False

    @property
    def status(self) -> int:
        """The gRPC status, wherever it stands."""
        return int((self.trailers or self.headers)[b"grpc-status"])

    @property
    def text(self) -> str:
        """The gRPC message, as sent."""
        return (self.trailers or self.headers).get(b"grpc-message", b"").decode()


def goaway(frames: Iterable[Frame]) -> tuple[ErrorCode, str]:
    """Code and text of the only GOAWAY among the frames."""
    (frame,) = [frame for frame in frames if frame.kind == GOAWAY]
    return ErrorCode(frame.code), frame.payload[8:].decode()


def reset_codes(frames: Iterable[Frame]) -> dict[int, ErrorCode]:
    """Codes of RST_STREAM frames by stream."""
    return {frame.stream_id: ErrorCode(frame.code) for frame in frames if frame.kind == RST_STREAM}


def application(methods: Any = None, handler: Any = None) -> Router:
    """A router over a dict of methods and one plain handler."""
    plain = Recorder() if handler is None else handler

    def select(request: Request) -> Any:
        return plain

    return Router(GrpcServer(methods or {}), select)


class H2Client:
    """The `h2` package as the client of a rig."""

    def __init__(self) -> None:
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        self.h2.initiate_connection()
        self.bodies: dict[int, bytes] = {}
        self.headers: dict[int, dict[bytes, bytes]] = {}
        self.trailers: dict[int, dict[bytes, bytes]] = {}
        self.ended: set[int] = set()
        self.resets: dict[int, int] = {}
        self.terminated: int | None = None
        self.acknowledge = True

    def receive(self, data: bytes) -> None:
        """Take the server's bytes; h2 raises if they break the protocol."""
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                self.headers[event.stream_id] = dict(event.headers)
            elif isinstance(event, h2.events.TrailersReceived):
                self.trailers[event.stream_id] = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
                if self.acknowledge:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.add(event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self.resets[event.stream_id] = event.error_code
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.terminated = event.error_code
