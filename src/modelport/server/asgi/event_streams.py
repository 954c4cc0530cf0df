"""Answers as server-sent events, one for each response of a model that streams; one event from any other model.

Sources: Triton "Generate Extension" (`generate_stream`); WHATWG HTML, "Server-sent events".
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from time import perf_counter_ns

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from modelport.core.errors import InternalError, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.references import parse_version
from modelport.engine.engine import Engine
from modelport.engine.served import ServedVersion
from modelport.server.asgi.replies import body_of, response_of
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
        try:
            body: Buffer = await body_of(http, self._limit)
            received = perf_counter_ns()
            headers = dict(http.headers.raw)
            if b"content-encoding" in headers:
                body = decompress(body, headers[b"content-encoding"], self._limit)
            served = self._engine.find(model, parse_version(number) if number else None)
            request, encode = self._dialect.decode(HttpCall(body, headers), served.signature)
            request.received, request.decoded = received, perf_counter_ns()
            stream = self._engine.stream(served, request)
            first = await anext(stream, None)
        except Exception as error:
            return response_of(self._refusal(model, error))
        events = self._events(served, request, encode, first, stream)
        return StreamingResponse(events, media_type="text/event-stream", headers={"cache-control": "no-cache"})

    async def _events(
        self,
        served: ServedVersion,
        request: InferenceRequest,
        encode: Encode,
        first: InferenceResponse | None,
        stream: AsyncGenerator[InferenceResponse, None],
    ) -> AsyncIterator[bytes]:
        async with aclosing(stream):
            try:
                if first is not None:
                    yield _event(encode(first))
                async for response in stream:
                    yield _event(encode(response))
            except Exception as error:
                yield _event(self._refusal(served.model, error))
                return
        request.finished = request.finished or perf_counter_ns()
        served.meter(self._name).count(request, served.rows_of(request), perf_counter_ns())

    def _refusal(self, model: str, problem: Exception) -> HttpReply:
        error = problem
        if not isinstance(error, ModelportError):
            _log.error("a stream ended with an internal error", exc_info=problem)
            error = InternalError(f"internal error: {type(problem).__name__}")
        self._engine.metrics.error(model if self._engine.has(model) else "", self._name, error.kind)
        return self._dialect.refuse(error)


def _event(reply: HttpReply) -> bytes:
    body = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
    return b"data: " + body + b"\n\n"  # JSON on one line
