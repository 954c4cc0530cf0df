"""ModelStreamInfer: requests and responses on one stream, answered in the order in which they came.

A model that streams gives several responses to one request, as they come, between those to other requests.
A request that fails is answered with its text in `error_message`, as Triton does; the stream goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import aclosing
from functools import partial
from time import perf_counter_ns

from modelport.core.errors import InternalError, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.engine.engine import Engine
from modelport.engine.served import ServedVersion
from modelport.server.http2 import StreamingCall
from modelport.wire.open_inference_grpc import OpenInferenceGrpc, id_of, model_of
from modelport.wire.open_inference_grpc_reply import Message, ReplyOptions, stream_error, stream_response

_log = logging.getLogger("modelport.server")
#: Requests of one stream that may wait for their answers before reading pauses.
_OUTSTANDING = 64


class _Slot:
    """The place of one answer in the order."""

    __slots__ = ("answer",)

    def __init__(self) -> None:
        self.answer: Message | None = None


class InferStream:
    """One stream. `run` ends when every request is answered."""

    def __init__(self, engine: Engine, dialect: OpenInferenceGrpc, call: StreamingCall) -> None:
        self._engine, self._dialect, self._call = engine, dialect, call
        self._slots: deque[_Slot] = deque()
        self._answered = asyncio.Event()
        self._streams: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Read, submit, answer. What comes faster than it is answered, or taken, holds the client back."""
        try:
            await self._run()
        finally:
            for task in self._streams:
                task.cancel()

    async def _run(self) -> None:
        async for data in self._call:
            slot = _Slot()
            self._slots.append(slot)
            self._begin(slot, data)
            await self._until_fewer_than(_OUTSTANDING)
            await self._call.drain()
        await self._until_fewer_than(1)

    async def _until_fewer_than(self, count: int) -> None:
        while len(self._slots) >= count:
            self._answered.clear()
            await self._answered.wait()

    def _begin(self, slot: _Slot, data: bytes) -> None:
        received = perf_counter_ns()
        try:
            served, request, options = self._dialect.decode_in_stream(data, self._engine.find)
        except Exception as error:
            self._refuse(slot, model_of(data), id_of(data), error)
            return
        request.received = received
        request.decoded = perf_counter_ns()
        if served.streams:
            task = asyncio.ensure_future(self._follow(slot, served, request, options))
            self._streams.add(task)
            task.add_done_callback(self._streams.discard)
        else:
            self._engine.submit(served, request, partial(self._end, slot, served, request, options))

    async def _follow(
        self, slot: _Slot, served: ServedVersion, request: InferenceRequest, options: ReplyOptions
    ) -> None:
        """Pass on every response of a model that streams, at the client's pace."""
        try:
            async with aclosing(self._engine.stream(served, request)) as responses:
                async for response in responses:
                    await self._call.send_async(stream_response(options.encode(response, final=False)))
        except Exception as error:
            self._refuse(slot, served.model, request.id, error)
            return
        last = InferenceResponse(served.model, served.version, {}, request.id)
        self._fill(slot, stream_response(options.encode(last, final=True)) if options.empty_final else b"")
        served.meter(self._dialect.name).count(request, served.rows_of(request), perf_counter_ns())

    def _end(
        self,
        slot: _Slot,
        served: ServedVersion,
        request: InferenceRequest,
        options: ReplyOptions,
        outcome: InferenceResponse | ModelportError,
    ) -> None:
        if isinstance(outcome, ModelportError):
            self._refuse(slot, served.model, request.id, outcome)
            return
        try:
            answer = stream_response(options.encode(outcome, final=True))
        except Exception as error:
            self._refuse(slot, served.model, request.id, error)
            return
        self._fill(slot, answer)
        served.meter(self._dialect.name).count(request, served.rows_of(request), perf_counter_ns())

    def _refuse(self, slot: _Slot, model: str, request_id: str, problem: Exception) -> None:
        error = problem
        if not isinstance(error, ModelportError):
            _log.error("a request was answered with an internal error", exc_info=problem)
            error = InternalError(f"internal error: {type(problem).__name__}")
        self._engine.metrics.error(model if self._engine.has(model) else "", self._dialect.name, error.kind)
        self._fill(slot, stream_error(error, request_id))

    def _fill(self, slot: _Slot, answer: Message) -> None:
        """An answer is there: send it and those behind it that waited for it."""
        slot.answer = answer
        slots = self._slots
        while slots:
            first = slots[0].answer
            if first is None:
                break
            slots.popleft()
            if first:  # nothing is said of the end of a stream where nobody asked
                self._call.send(first)
        self._answered.set()
