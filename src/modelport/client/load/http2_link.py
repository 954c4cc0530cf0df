"""A connection of HTTP/2 on which the same gRPC call is made again and again, several at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from struct import pack
from typing import cast

from modelport.client.load import http2_frames as h2
from modelport.client.load.answers import Answers, grpc_refusal, refusal
from modelport.client.load.flow import Flow
from modelport.wire.grpc import KIND

_LAST_STREAM = 2**31 - 3
#: The window of the connection is widened again when this much of it is used up.
_USED = 1 << 29


@dataclass(slots=True)
class _Call:
    """A call in flight. `window` is what may still be sent on its stream, `at` what has been."""

    start: float
    window: int
    at: int = 0
    size: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)


class Http2Link(asyncio.Protocol):
    """Up to `streams` calls at a time. `closed` is done once the connection is gone."""

    def __init__(
        self, message: bytes, flow: Flow, answers: Answers, streams: int, blocks: Callable[[int], tuple[bytes, bytes]]
    ) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._body = pack(">BI", 0, len(message)) + message
        self._flow, self._answers, self._streams, self._blocks = flow, answers, streams, blocks
        self._block, self._later = b"", b""
        self._calls: dict[int, _Call] = {}
        self._blocked: deque[int] = deque()  # streams whose body could not be sent whole yet
        self._next = 1
        self._window = self._initial = h2.DEFAULT_WINDOW
        self._frame_size = h2.DEFAULT_FRAME
        self._left = b""
        self._consumed = 0
        self._continued: tuple[int, int, bytes] | None = None
        self._reader = h2.Blocks()
        self._usable = False
        self._transport: asyncio.Transport

    def send(self, start: float) -> None:
        """See `Link.send`."""
        stream, self._next = self._next, self._next + 2
        block, self._block = self._block, self._later
        size = len(self._body)
        call = self._calls[stream] = _Call(start, self._initial)
        head = h2.HEAD.pack(len(block) << 8 | h2.HEADERS, h2.END_HEADERS, stream) + block
        if size <= min(self._window, self._initial, self._frame_size) and not self._blocked:
            self._window -= size
            call.at = size
            self._transport.write(head + h2.HEAD.pack(size << 8 | h2.DATA, h2.END_STREAM, stream) + self._body)
            return
        self._transport.write(head)
        self._blocked.append(stream)
        self._pump()

    def expire(self, before: float) -> None:
        """Break the connection off where one of its calls was sent before that time."""
        if any(call.start < before for call in self._calls.values()):
            self._fail_all("timeout", "no whole answer came in time")
            self._transport.abort()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    # What the event loop calls:

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(h2.opening())

    def connection_lost(self, exc: Exception | None) -> None:
        self._usable = False
        self._flow.lost(self)
        self._fail_all("connection closed", str(exc) if exc else "the server closed the connection before its answer")
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        data = self._left + data if self._left else data
        at, size = 0, len(data)
        while size - at >= 9:
            word, flags, stream = h2.HEAD.unpack_from(data, at)
            end = at + 9 + (word >> 8)
            if end > size:
                break
            self._take(word & 0xFF, flags, stream, data[at + 9 : end])
            at = end
        self._left = data[at:]

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == h2.DATA:
            self._take_data(flags, stream, payload)
        elif kind in (h2.HEADERS, h2.CONTINUATION):
            self._take_headers(kind, flags, stream, payload)
        elif kind == h2.SETTINGS:
            if not flags & h2.ACK:
                self._take_settings(h2.settings_of(payload))
        elif kind == h2.WINDOW_UPDATE:
            self._widen(stream, h2.U32.unpack(payload)[0] & h2.LARGEST_WINDOW)
        elif kind == h2.PING and not flags & h2.ACK:
            self._transport.write(h2.frame(h2.PING, h2.ACK, 0, payload))
        elif kind == h2.RST_STREAM:
            self._finish(stream, ("stream reset", f"HTTP/2 error code {h2.U32.unpack(payload)[0]}"))
        elif kind == h2.GOAWAY:
            self._usable = False
            self._flow.lost(self)
            if not self._calls:
                self._transport.close()

    def _take_data(self, flags: int, stream: int, payload: bytes) -> None:
        self._consumed += len(payload)
        if self._consumed >= _USED:
            self._transport.write(h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.U32.pack(self._consumed)))
            self._consumed = 0
        call = self._calls.get(stream)
        if call is None:
            return
        call.size += len(payload)
        if self._answers.check:
            call.pieces.append(h2.content(flags & h2.PADDED, payload))
        if flags & h2.END_STREAM:
            self._finish(stream, ("not gRPC", "the answer ended without trailers"))

    def _take_headers(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == h2.HEADERS:
            self._continued = (stream, flags, h2.content(flags, payload) if flags & 0x28 else payload)
        elif self._continued is not None:
            stream, first, block = self._continued
            self._continued = (stream, first, block + payload)
        if not flags & h2.END_HEADERS or self._continued is None:
            return
        stream, first, block = self._continued
        self._continued = None
        fields, call = self._reader.read(block), self._calls.get(stream)
        if call is None:
            return
        if fields is None:
            self._finish(stream, ("unreadable", "the answer's header block is not HPACK without a dynamic table"))
        elif first & h2.END_STREAM:
            self._finish(stream, self._judge(call, {**call.headers, **fields}))
        else:
            call.headers = fields

    def _judge(self, call: _Call, fields: dict[str, str]) -> tuple[str, str] | None:
        if fields.get(":status") != "200":
            return refusal(int(fields.get(":status", "0")), fields, b"".join(call.pieces))
        code = fields.get("grpc-status", "2")
        if code != "0":
            text = h2.grpc_text(fields.get("grpc-message", ""))
            return grpc_refusal(int(code), text, fields.get(KIND, ""))
        if call.size < 5:
            return "not gRPC", "the status is OK, but there is no message"
        return self._answers.wrong(b"".join(call.pieces)[5:], fields) if self._answers.check else None

    def _finish(self, stream: int, wrong: tuple[str, str] | None) -> None:
        call = self._calls.pop(stream, None)
        if call is None:
            return
        if wrong is None:
            self._flow.answered(call.start, call.size)
        else:
            self._flow.failed(*wrong, call.start)
        if self._next > _LAST_STREAM or not self._usable:
            self._usable = False
            if not self._calls:
                self._transport.close()
        else:
            self._flow.free(self)

    def _take_settings(self, values: dict[int, int]) -> None:
        initial = values.get(h2.INITIAL_WINDOW, self._initial)
        for call in self._calls.values():
            call.window += initial - self._initial
        self._initial = initial
        self._frame_size = values.get(h2.FRAME_SIZE, self._frame_size)
        self._transport.write(h2.frame(h2.SETTINGS, h2.ACK, 0))
        if not self._block:  # the first settings: now it may begin
            self._block, self._later = self._blocks(values.get(h2.TABLE_SIZE, h2.DEFAULT_TABLE))
            self._usable = True
            for _ in range(min(self._streams, values.get(h2.MAX_STREAMS, self._streams))):
                self._flow.free(self)
        self._pump()

    def _widen(self, stream: int, size: int) -> None:
        if stream == 0:
            self._window += size
        elif stream in self._calls:
            self._calls[stream].window += size
        if self._blocked:
            self._pump()

    def _pump(self) -> None:
        """Send of the bodies that wait what the windows let through."""
        for _ in range(len(self._blocked)):
            stream = self._blocked.popleft()
            call = self._calls.get(stream)
            if call is not None and not self._send_body(stream, call):
                self._blocked.append(stream)

    def _send_body(self, stream: int, call: _Call) -> bool:
        """Whether the whole body is sent."""
        body = memoryview(self._body)
        while call.at < len(body):
            size = min(self._frame_size, self._window, call.window, len(body) - call.at)
            if size <= 0:
                return False
            end = call.at + size
            flags = h2.END_STREAM if end == len(body) else 0
            self._transport.writelines([h2.HEAD.pack(size << 8 | h2.DATA, flags, stream), body[call.at : end]])
            self._window -= size
            call.window -= size
            call.at = end
        return True

    def _fail_all(self, kind: str, sample: str) -> None:
        calls, self._calls = self._calls, {}
        for call in calls.values():
            self._flow.failed(kind, sample, call.start)
