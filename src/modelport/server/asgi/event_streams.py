"""Answers as server-sent events, one for each response of a model that streams; one event from any other model.

Sources: Triton "Generate Extension" (`generate_stream`); WHATWG HTML, "Server-sent events".
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from time import perf_counter_ns

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from modelport.core.errors import InternalError, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.references import parse_version
from modelport.core.request_id import new_request_id
from modelport.engine.engine import Engine
from modelport.engine.rollouts.ticket import Ticket
from modelport.engine.served import ServedVersion
from modelport.server.asgi.replies import body_of, response_of
from modelport.server.http.about import REQUEST_ID, about
from modelport.wire.compression import decompress
from modelport.wire.http import Buffer, Encode, HttpCall, HttpDialect, HttpReply
from modelport.wire.open_inference_generate import Generate
from modelport.wire.plain import Plain

_log = logging.getLogger("modelport.server")


def event_stream_router(engine: Engine, limit: int) -> APIRouter:
    """`…/generate_stream` and `…/predict_stream`; `limit` is the largest body in bytes."""
    router = APIRouter()
    for prefix, dialect, name in (("/v2", Generate(), "generate_stream"), ("", Plain(), "predict_stream")):
        answer = _Answer(engine, dialect, name, limit)
        for version in ("", "/versions/{version}"):
            path = f"{prefix}/models/{{model}}{version}/{name}"
            router.add_api_route(path, answer.respond, methods=["POST"], include_in_schema=False)
    return router


class _Answer:
    """Requests of one dialect, answered as events. `name` is the dialect's in metrics."""

    def __init__(self, engine: Engine, dialect: HttpDialect, name: str, limit: int) -> None:
        self._engine, self._dialect, self._name, self._limit = engine, dialect, name, limit

    async def respond(self, http: Request) -> Response:
        """The stream, or an error with its status where not even the first response came."""
        model, number = http.path_params["model"], http.path_params.get("version")
        case = _Case(http.headers.get(REQUEST_ID.decode(), ""))
        try:
            body: Buffer = await body_of(http, self._limit)
            received = perf_counter_ns()
            headers = dict(http.headers.raw)
            if b"content-encoding" in headers:
                body = decompress(body, headers[b"content-encoding"], self._limit)
            asked = parse_version(number) if number else None
            served = self._engine.find(model, asked)
            if self._engine.splits:
                case.ticket = self._engine.choose(served, asked, headers.get, body)
                served = served if case.ticket is None else case.ticket.served
            case.found(served)
            request, encode = self._dialect.decode(HttpCall(body, headers), served.signature)
            request.received, request.decoded = received, perf_counter_ns()
            case.request = request
            stream = self._engine.stream(served, request)
            first = await anext(stream, None)
        except Exception as error:
            return response_of(self._refusal(model, error, case))
        events = self._events(served, request, encode, first, stream, case)
        headers_out = {"cache-control": "no-cache", **case.headers}
        return StreamingResponse(events, media_type="text/event-stream", headers=headers_out)

    async def _events(
        self,
        served: ServedVersion,
        request: InferenceRequest,
        encode: Encode,
        first: InferenceResponse | None,
        stream: AsyncGenerator[InferenceResponse, None],
        case: _Case,
    ) -> AsyncIterator[bytes]:
        given = [] if first is None else [first]
        async with aclosing(stream):
            try:
                if first is not None:
                    yield _event(encode(first))
                async for response in stream:
                    if served.log is not None:
                        given.append(response)
                    yield _event(encode(response))
            except Exception as error:
                yield _event(self._refusal(served.model, error, case))
                return
        request.finished = request.finished or perf_counter_ns()
        served.meter(self._name).count(request, served.rows_of(request), perf_counter_ns())
        case.note(self._name, given)
        if case.ticket is not None:
            case.ticket.answered(request)

    def _refusal(self, model: str, problem: Exception, case: _Case) -> HttpReply:
        error = problem
        if not isinstance(error, ModelportError):
            _log.error("a stream ended with an internal error", exc_info=problem)
            error = InternalError(f"internal error: {type(problem).__name__}")
        self._engine.metrics.error(model if self._engine.has(model) else "", self._name, error.kind)
        reply = self._dialect.refuse(error)
        reply.headers = (*reply.headers, *((name.encode(), value.encode()) for name, value in case.headers.items()))
        case.note(self._name, error)
        if case.ticket is not None:
            case.ticket.request = case.request
            case.ticket.failed(error)
        return reply


@dataclass(slots=True)
class _Case:
    """One request: what its caller calls it, which version was found for it, and what its answer is called."""

    client_id: str
    served: ServedVersion | None = None
    request: InferenceRequest | None = None
    ticket: Ticket | None = None
    request_id: str = ""

    def found(self, served: ServedVersion) -> None:
        """The version is known."""
        self.served = served
        if self.ticket is not None:
            self.request_id = self.ticket.id
        elif served.log is not None:
            self.request_id = new_request_id(served.version)

    @property
    def headers(self) -> dict[str, str]:
        """What the head says of the version that answers."""
        if self.served is None:
            return {}
        fields = {name.decode(): value.decode() for name, value in about(self.served).fields}
        return {**fields, REQUEST_ID.decode(): self.request_id} if self.request_id else fields

    def note(self, dialect: str, outcome: list[InferenceResponse] | ModelportError) -> None:
        """Tell the log of the version, where it has one."""
        if self.served is not None and self.served.log is not None:
            self.served.log.note(self.request_id, dialect, self.client_id, self.request, outcome)


def _event(reply: HttpReply) -> bytes:
    body = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
    return b"data: " + body + b"\n\n"  # JSON on one line
