"""A connection of HTTP/1.1 that sends the same bytes again and again, and spends as little as it can on the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

from modelport.client.broken import BrokenError
from modelport.client.exchange import Response
from modelport.client.http1 import Reader
from modelport.client.load.answers import Answers, refusal
from modelport.client.load.flow import Flow
from modelport.core.errors import ModelportError

_SCRATCH = 65536
_PIECE = 1 << 18


class Http1Link(asyncio.BufferedProtocol):
    """One request at a time. `closed` is done once the connection is gone."""

    def __init__(self, message: bytes, flow: Flow, answers: Answers) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._message, self._flow, self._answers = message, flow, answers
        self._scratch = bytearray(_SCRATCH)
        self._view = memoryview(self._scratch)
        self._reader = Reader()
        self._reading = False  # whether the reader is in the middle of an answer
        self._start: float | None = None
        # the head of the last whole answer that came in one piece, and that answer's size: the next is as a rule alike
        self._head, self._whole = b"\0", 0
        self._headers: Mapping[str, str] = {}
        self._transport: asyncio.Transport

    def send(self, start: float) -> None:
        """See `Link.send`."""
        self._start = start
        message = self._message
        if len(message) <= _PIECE:
            self._transport.write(message)
        else:
            view = memoryview(message)
            self._transport.writelines([view[at : at + _PIECE] for at in range(0, len(view), _PIECE)])

    def expire(self, before: float) -> None:
        """Break the connection off where its request was sent before that time."""
        if self._start is not None and self._start < before:
            self._fail("timeout", "no whole answer came in time")
            self._transport.abort()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    # What the event loop calls:

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._flow.free(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.buffer() if self._reading else self._view

    def buffer_updated(self, nbytes: int) -> None:
        start = self._start
        if start is None:
            self._transport.abort()  # nothing was asked
            return
        if not self._reading:
            if nbytes == self._whole and self._scratch.startswith(self._head):
                if self._answers.check:
                    body = bytes(self._view[len(self._head) : nbytes])
                    self._judge(Response(200, self._headers, body), len(body))
                else:
                    self._start = None
                    self._flow.answered(start, nbytes - len(self._head))
                    self._flow.free(self)
                return
            self._reader.reset()
            self._reading = True
            self._copy(nbytes)
        else:
            self._received(nbytes)

    def eof_received(self) -> bool | None:
        if self._reading and self._start is not None:
            try:
                self._reader.ended()
            except BrokenError:
                pass  # `connection_lost` counts it
            else:
                self._complete()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._flow.lost(self)
        self._fail("connection closed", str(exc) if exc else "the server closed the connection before its answer")
        if not self.closed.done():
            self.closed.set_result(None)

    def _copy(self, nbytes: int) -> None:
        """Give the reader what came into the scratch; remember an answer that is all there."""
        data = bytes(self._view[:nbytes])
        at = 0
        while at < nbytes and self._reading:
            room = self._reader.buffer()
            count = min(len(room), nbytes - at)
            room[:count] = data[at : at + count]
            at += count
            self._received(count, data if count == nbytes else b"")

    def _received(self, count: int, whole: bytes = b"") -> None:
        try:
            complete = self._reader.received(count)
        except BrokenError as error:
            self._fail("not HTTP", str(error))
            self._transport.abort()
            return
        if complete:
            self._complete(whole)

    def _remember(self, data: bytes, headers: Mapping[str, str]) -> None:
        head, gap, _ = data.partition(b"\r\n\r\n")
        plain = "content-encoding" not in headers and "transfer-encoding" not in headers
        if head.startswith(b"HTTP/1.1 200 ") and plain:
            self._head, self._whole, self._headers = head + gap, len(data), headers

    def _complete(self, whole: bytes = b"") -> None:
        self._reading = False
        try:
            response = self._reader.response()
        except ModelportError as error:
            self._fail("unreadable", str(error))
            self._transport.abort()
            return
        if not self._reader.keeps:
            self._transport.close()
        elif whole:
            self._remember(whole, response.headers)
        self._judge(response, len(response.body))

    def _judge(self, response: Response, size: int) -> None:
        start, self._start = self._start, None
        assert start is not None
        wrong: tuple[str, str] | None = None
        if not response.ok:
            wrong = refusal(response.status, dict(response.headers), bytes(response.body))
        elif self._answers.check:
            wrong = self._answers.wrong(bytes(response.body), response.headers)
        if wrong is None:
            self._flow.answered(start, size)
        else:
            self._flow.failed(*wrong, start)
        if not self._transport.is_closing():
            self._flow.free(self)

    def _fail(self, kind: str, sample: str) -> None:
        start, self._start = self._start, None
        self._reading = False
        if start is not None:
            self._flow.failed(kind, sample, start)
