"""The gRPC server: which requests are calls, whether they are well-formed, and which method handles them."""

import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from modelport.server.http2.grpc_calls import GrpcCall
from modelport.server.http2.grpc_large import Place
from modelport.server.http2.grpc_messages import ACCEPTED, PREFIX, PREFIX_SIZE, WINDOW_BITS, MessageReader
from modelport.server.http2.grpc_status import GrpcError, StatusCode, encode_trailers_only, status_fields
from modelport.server.http2.grpc_streaming import StreamingCall, StreamingHandler
from modelport.server.http2.grpc_unary import UnaryCall
from modelport.server.http2.header_blocks import Field, encode_fields
from modelport.server.http2.requests import Request
from modelport.server.http2.stream import Stream

if TYPE_CHECKING:
    from modelport.server.http2.connection import Connection

CONTENT_TYPE = re.compile(rb"application/grpc(\+.*|;.*)?", re.DOTALL).fullmatch
TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])").fullmatch
UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


@dataclass(frozen=True, slots=True)
class Unary:
    """A method with one request and one reply. `handler(call, message)` replies at once or later.

    The handler runs on the event loop's thread, and so must `call.reply` and `call.fail`. With `place`, which tells
    from a message's beginning at which offset it should be aligned, large messages are given as memoryviews.
    """

    handler: Callable[[UnaryCall, Any], object]
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Streaming:
    """A method with streams. `handler(call)` gives a StreamingHandler, or is a coroutine function."""

    handler: Callable[[StreamingCall], StreamingHandler | Coroutine[Any, Any, object] | None]


Method = Unary | Streaming


class Methods(Protocol):
    """Where methods are looked up, by the request's path; a dict will do. It is asked anew for each call."""

    def get(self, path: bytes, /) -> Method | None:
        """The method, or None."""


class CallHead:
    """What a request's header block says about the call; it is worked out once per block."""

    __slots__ = ("accepted", "encoding", "problem", "status", "timeout")

    def __init__(self) -> None:
        self.status = 200
        self.problem: GrpcError | None = None
        self.timeout: float | None = None
        self.encoding: bytes | None = None
        self.accepted: frozenset[bytes] = frozenset()


class Refusal(Stream):
    """A request that no method sees; it is answered as soon as it begins."""

    def __init__(self, connection: "Connection", stream_id: int, request: Request, block: bytes) -> None:
        super().__init__(connection, stream_id, request)
        self._block = block

    def handle_open(self) -> None:
        self.send_headers(self._block, end=True)

    def handle_data(self, data: bytes) -> None:
        self.consume(len(data))


class GrpcServer:
    """Takes calls from connections to `methods`. One server object serves any number of connections.

    `compression` is what calls' `compression` is unless their handlers set it.
    """

    def __init__(self, methods: Methods, compression: str | None = None) -> None:
        self._methods = methods
        self._compression = compression

    def owns(self, request: Request) -> bool:
        """Whether `prepare` accepted the request."""
        return type(request.route) is CallHead

    def prepare(self, request: Request) -> bool:
        """Work out a request's CallHead; False if it is not for this layer."""
        head = CallHead()
        content_type = request.header(b"content-type") or b""
        if not CONTENT_TYPE(content_type):
            if self._methods.get(request.path) is None:
                return False
            head.status = 415
        elif request.method != b"POST":
            head.status = 405
        else:
            try:
                read_head(request, head)
            except GrpcError as error:
                head.problem = error
            else:
                request.whole = self.receive_whole
        request.route = head
        return True

    def open(self, connection: "Connection", stream_id: int, request: Request) -> Stream:
        """The call that a request asks for, or a refusal."""
        head: CallHead = request.route
        if head.status != 200:
            fields: list[Field] = [(b":status", b"%d" % head.status), (b"content-length", b"0")]
            return Refusal(connection, stream_id, request, encode_fields(fields))
        method = self._methods.get(request.path)
        problem = head.problem
        if problem is None and method is None:
            problem = GrpcError(StatusCode.UNIMPLEMENTED, f"unknown method {request.path.decode('latin-1')}")
        if problem is not None:
            return Refusal(connection, stream_id, request, refusal_block(problem))
        call: GrpcCall
        place = None
        if isinstance(method, Unary):
            call = UnaryCall(connection, stream_id, request)
            call.handler = method.handler
            place = method.place if head.encoding is None else None
        else:
            assert method is not None
            call = StreamingCall(connection, stream_id, request)
            call.start = method.handler
        call.reader = MessageReader(head.encoding, connection.limits.max_message_size, place)
        if self._compression is not None:
            call.compression = self._compression
        return call

    def receive_whole(
        self, connection: "Connection", stream_id: int, request: Request, data: bytes, start: int, stop: int
    ) -> None:
        """A request whose body is `data[start:stop]`, all of it."""
        # The hot path: a unary call with one uncompressed message needs no reader.
        method = self._methods.get(request.path)
        message_start = start + PREFIX_SIZE
        if type(method) is Unary and message_start <= stop:
            compressed, length = PREFIX.unpack_from(data, start)
            if not compressed and length == stop - message_start and length <= connection.limits.max_message_size:
                call = UnaryCall(connection, stream_id, request)
                call.remote_closed = True
                connection.streams[stream_id] = call
                if stop == len(data) and len(connection.streams) == len(connection.siblings) == 1:
                    call.alone = True
                if self._compression is not None:
                    call.compression = self._compression
                timeout = request.route.timeout
                if timeout is not None:
                    call.deadline = connection.clock() + timeout
                try:
                    method.handler(call, data[message_start:stop])
                except Exception as error:
                    call.fail_with(error)
                if timeout is not None and not call.local_closed:
                    connection.watch(call.deadline)
                return
        connection.arrive_whole(self.open(connection, stream_id, request), data[start:stop])


def refusal_block(problem: GrpcError) -> bytes:
    """The response to a call that cannot be handled."""
    fields = status_fields(problem.code, problem.text)
    if problem.code == StatusCode.UNIMPLEMENTED:
        fields.append((b"grpc-accept-encoding", ACCEPTED))
    return encode_trailers_only(fields)


def read_head(request: Request, head: CallHead) -> None:
    """Fill in a CallHead from a request's fields. Raises GrpcError."""
    has_te = False
    for name, value in request.headers:
        if name == b"te":
            has_te = True
        elif name == b"grpc-timeout":
            head.timeout = parse_timeout(value)
            if head.timeout <= 0:
                raise GrpcError(StatusCode.DEADLINE_EXCEEDED, "Deadline exceeded")
        elif name == b"grpc-encoding" and value != b"identity":
            if value not in WINDOW_BITS:
                text = f"grpc-encoding {value.decode('latin-1')} is not supported; supported are {ACCEPTED.decode()}"
                raise GrpcError(StatusCode.UNIMPLEMENTED, text)
            head.encoding = value
        elif name == b"grpc-accept-encoding":
            head.accepted = frozenset(part.strip() for part in value.split(b",")) & WINDOW_BITS.keys()
    if not has_te:
        raise GrpcError(StatusCode.UNKNOWN, "header te: trailers is missing")


def parse_timeout(value: bytes) -> float:
    """Seconds of a grpc-timeout header. Raises GrpcError."""
    found = TIMEOUT(value)
    if found is None:
        raise GrpcError(StatusCode.INTERNAL, f"bad grpc-timeout {value.decode('latin-1')!r}")
    return int(found[1]) * UNITS[found[2]]
