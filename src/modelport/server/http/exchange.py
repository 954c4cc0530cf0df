"""One inference request on a connection, from its last byte to the reply that waits for its turn."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from time import perf_counter_ns
from typing import TYPE_CHECKING

from modelport.core.deadline import Deadline
from modelport.core.errors import InternalError, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.request_id import new_request_id
from modelport.server.http.about import REQUEST_ID, TIMING, About, about, timing
from modelport.server.http.asked import NOTHING, Asked, asked
from modelport.server.http.routes import Route
from modelport.server.named_signatures import with_signature
from modelport.wire.compression import compress, decompress
from modelport.wire.http import Buffer, Encode, Headers, HttpCall, HttpReply

if TYPE_CHECKING:
    from modelport.engine.engine import Engine
    from modelport.engine.rollouts.ticket import Ticket
    from modelport.engine.served import ServedVersion

_log = logging.getLogger("modelport.server")
_LINE = {status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}
_LINE[499] = b"HTTP/1.1 499 Client Closed Request\r\n"
#: Bodies up to this many bytes go out in one piece with their head.
_JOINED = 65536
OK_JSON = _LINE[200] + b"content-type: application/json\r\ncontent-length: "


class Exchange:
    """A request and, later, its reply. `finished` is called once the reply is there."""

    __slots__ = (
        "_encode", "_finished", "_headers", "_limit", "_request", "_served", "_ticket",
        "about", "body", "cache", "engine", "keep_alive", "reply", "request_id", "route", "timing",
    )  # fmt: skip

    def __init__(
        self, engine: Engine, route: Route, headers: Mapping[bytes, bytes], keep_alive: bool, limit: int
    ) -> None:
        self.engine = engine
        self.route = route
        self.keep_alive = keep_alive
        self.body: Buffer = b""
        self.reply: HttpReply | None = None
        self.about: About | None = None
        self.timing = b""
        self.cache = b""
        self.request_id = ""  # what the answer carries as x-request-id; whoever needs it first makes it
        self._headers = headers
        self._limit = limit
        self._served: ServedVersion | None = None
        self._request: InferenceRequest | None = None
        self._ticket: Ticket | None = None  # of a model with a rollout

    def begin(self, finished: Callable[[], None], alone: bool = False) -> None:
        """Decode `body` and submit. Calls `finished` now or later, and raises nothing.

        `alone`: no other request can come in this pass of the event loop.
        """
        self._finished = finished
        received = perf_counter_ns()
        route, headers, body = self.route, self._headers, self.body
        self.body = b""
        try:
            if route.error is not None:
                raise route.error
            if b"content-encoding" in headers:
                body = decompress(body, headers[b"content-encoding"], self._limit)
            name = route.model if route.model is not None else route.dialect.model_of(headers)
            served = self.engine.find(name, route.version)
            if self.engine.splits:
                served = self._choose(served, body)
            self._served = served
            signature_of = getattr(route.dialect, "signature_of", None)
            if signature_of is not None:
                served = with_signature(served, signature_of(body))
            self._served = served
            wishes = asked(headers)
            request, self._encode = route.dialect.decode(HttpCall(body, headers), served.signature)
            if wishes is not NOTHING:
                _grant(request, wishes)
        except ModelportError as error:
            self.refuse(error)
            return
        except Exception as error:
            self.refuse(_defect(error))
            return
        request.received = received
        request.decoded = perf_counter_ns()
        self._request = request
        submit = self.engine.submit_alone if alone else self.engine.submit
        submit(served, request, self.answer)

    def resume(
        self, served: ServedVersion, request: InferenceRequest, encode: Encode, ticket: Ticket | None = None
    ) -> None:
        """Take over a request that was decoded by somebody else; `answer` is then to be called, and gives the reply.

        `ticket` is that of a request whose model has a rollout.
        """
        self._finished = _nothing
        self._served, self._request, self._encode, self._ticket = served, request, encode, ticket

    def _choose(self, served: ServedVersion, body: Buffer) -> ServedVersion:
        """The version that answers where a model may have a rollout; `served` is what was found without it."""
        ticket = self._ticket = self.engine.choose(served, self.route.version, self._headers.get, body)
        if ticket is None:
            return served
        self.request_id = ticket.id
        return ticket.served

    def cancel(self) -> None:
        """Nobody waits for the answer any more: what was not begun yet need not be."""
        if self._request is not None:
            self._request.cancelled = True

    def refuse(self, error: ModelportError) -> None:
        """Reply with an error, in the dialect's form."""
        name = self.route.model
        known = name if name is not None and self.engine.has(name) else ""
        self.engine.metrics.error(known, self.route.dialect.name, error.kind)
        served = self._served
        if served is None:
            self._finish(self.route.dialect.refuse(error))
            return
        self.about = about(served)
        if served.log is not None and not self.request_id:
            self.request_id = new_request_id(served.version)
        self._finish(self.route.dialect.refuse(error))
        if served.log is not None:
            served.log.note(self.request_id, self.route.dialect.name, self._client_id, self._request, error)
        if self._ticket is not None:
            self._ticket.request = self._request
            self._ticket.failed(error)

    def refuse_unbegun(self, error: ModelportError, status: int | None = None) -> None:
        """Reply to a request that was never wholly received; `status` overrides the dialect's."""
        self._finished = _nothing
        self.refuse(error)
        if status is not None and self.reply is not None:
            self.reply.status = status

    def answer(self, outcome: InferenceResponse | ModelportError) -> None:
        """Make the reply of what the engine gave, and count it."""
        if isinstance(outcome, ModelportError):
            self.refuse(outcome)
            return
        try:
            reply = self._encode(outcome)
            accepted = self._headers.get(b"accept-encoding")
            if accepted is not None and accepted != b"identity":
                reply = compress(reply, accepted)
        except ModelportError as error:
            self.refuse(error)
            return
        except Exception as error:
            self.refuse(_defect(error))
            return
        served, request = self._served, self._request
        assert served is not None
        assert request is not None
        self.about, self.timing = about(served), timing(request)
        if outcome.cache:
            self.cache = outcome.cache.encode()
        if served.log is not None and not self.request_id:
            self.request_id = new_request_id(served.version)
        self._finish(reply)
        served.meter(self.route.dialect.name).count(request, served.rows_of(request), perf_counter_ns())
        if served.log is not None:
            served.log.note(self.request_id, self.route.dialect.name, self._client_id, request, outcome)
        if self._ticket is not None:
            self._ticket.answered(request, outcome if served is self._ticket.served else None)

    @property
    def fields(self) -> Headers:
        """The headers of the reply but for those of its body: its own, and those about the version and the time."""
        assert self.reply is not None
        if self.about is None:
            return self.reply.headers
        timed = ((TIMING, self.timing),) if self.timing else ()
        cached = ((b"x-cache", self.cache),) if self.cache else ()
        named = ((REQUEST_ID, self.request_id.encode()),) if self.request_id else ()
        return (*self.reply.headers, *self.about.fields, *timed, *cached, *named)

    @property
    def lines(self) -> bytes:
        """What is said of the version and the time, as lines of a head."""
        if self.about is None:
            return b""
        if self.timing and not self.cache and not self.request_id:
            return b"%b%b: %b\r\n" % (self.about.lines, TIMING, self.timing)
        timed = b"%b: %b\r\n" % (TIMING, self.timing) if self.timing else b""
        cached = b"x-cache: %b\r\n" % self.cache if self.cache else b""
        named = b"%b: %b\r\n" % (REQUEST_ID, self.request_id.encode()) if self.request_id else b""
        return b"".join((self.about.lines, timed, cached, named))

    @property
    def _client_id(self) -> str:
        """What the client calls its request."""
        return self._headers.get(REQUEST_ID, b"").decode("latin-1")

    def _finish(self, reply: HttpReply) -> None:
        if self.request_id and reply.headers:  # a dialect that gives ids of its own gives way
            reply.headers = tuple(field for field in reply.headers if field[0] != REQUEST_ID)
        self.reply = reply
        self._finished()


def _grant(request: InferenceRequest, wishes: Asked) -> None:
    """Headers and the dialect's own parameters may both ask: the shorter deadline and the lower priority are meant."""
    if wishes.seconds is not None:
        deadline = Deadline.after(wishes.seconds)
        if request.deadline is None or deadline.at < request.deadline.at:
            request.deadline = deadline
    request.priority = max(request.priority, wishes.priority)


def _nothing() -> None:
    """The connection flushes by itself."""


def _defect(error: Exception) -> InternalError:
    _log.exception("a request was answered with an internal error")
    return InternalError(f"internal error: {type(error).__name__}")


def serialized(reply: HttpReply, common: bytes, keep_alive: bool) -> bytes | list[Buffer]:
    """A reply as it goes out; `common` are header lines that it has beside its own."""
    body = reply.body
    if type(body) is bytes and reply.status == 200 and keep_alive and not reply.headers and reply.content_type == _JSON:
        return b"%b%d\r\n%b\r\n%b" % (OK_JSON, len(body), common, body)
    buffers: list[Buffer] = [body] if isinstance(body, bytes) else body
    lines = [
        _LINE.get(reply.status) or b"HTTP/1.1 %d\r\n" % reply.status,
        b"content-type: %b\r\ncontent-length: %d\r\n" % (reply.content_type, sum(map(len, buffers))),
        *(b"%b: %b\r\n" % header for header in reply.headers),
        common if keep_alive else common + b"connection: close\r\n",
        b"\r\n",
    ]
    if type(body) is bytes and len(body) <= _JOINED:
        return b"".join((*lines, body))
    return [b"".join(lines), *buffers]


_JSON = b"application/json"
