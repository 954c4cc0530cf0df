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
from modelport.engine.rollouts.ticket import Ticket
from modelport.engine.served import ServedVersion
from modelport.server.grpc.choosing import Choosing, found_by, ticket_of
from modelport.server.grpc.noting import name_response, note, request_id_of
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
        engine = self._engine
        choosing = Choosing(engine, self._call, data) if engine.splits or engine.requests.active else None
        try:
            served, request, options = self._dialect.decode_in_stream(data, choosing or engine.find)
        except Exception as error:
            self._refuse_unread(slot, data, choosing, error)
            return
        ticket = ticket_of(choosing)
        if ticket is not None:
            ticket.request = request
        request.request_id = request_id_of(served, ticket)
        request.received = received
        request.decoded = perf_counter_ns()
        if served.streams:
            task = asyncio.ensure_future(self._follow(slot, served, request, options, ticket))
            self._streams.add(task)
            task.add_done_callback(self._streams.discard)
        else:
            engine.submit(served, request, partial(self._end, slot, served, request, options, ticket))

    async def _follow(
        self,
        slot: _Slot,
        served: ServedVersion,
        request: InferenceRequest,
        options: ReplyOptions,
        ticket: Ticket | None,
    ) -> None:
        """Pass on every response of a model that streams, at the client's pace."""
        given: list[InferenceResponse] = []
        try:
            async with aclosing(self._engine.stream(served, request)) as responses:
                async for response in responses:
                    if served.log is not None:
                        given.append(response)
                    name_response(served, request.request_id, response)
                    await self._call.send_async(stream_response(options.encode(response, final=False)))
        except Exception as error:
            self._fail(slot, served, request, error, ticket)
            return
        last = InferenceResponse(served.model, served.version, {}, request.id)
        self._fill(slot, stream_response(options.encode(last, final=True)) if options.empty_final else b"")
        served.meter(self._dialect.name).count(request, served.rows_of(request), perf_counter_ns())
        note(served, request.request_id, self._dialect.name, self._call, request, given)
        if ticket is not None:
            ticket.answered(request)

    def _end(
        self,
        slot: _Slot,
        served: ServedVersion,
        request: InferenceRequest,
        options: ReplyOptions,
        ticket: Ticket | None,
        outcome: InferenceResponse | ModelportError,
    ) -> None:
        if isinstance(outcome, ModelportError):
            self._fail(slot, served, request, outcome, ticket)
            return
        name_response(served, request.request_id, outcome)
        try:
            answer = stream_response(options.encode(outcome, final=True))
        except Exception as error:
            self._fail(slot, served, request, error, ticket)
            return
        self._fill(slot, answer)
        served.meter(self._dialect.name).count(request, served.rows_of(request), perf_counter_ns())
        note(served, request.request_id, self._dialect.name, self._call, request, outcome)
        if ticket is not None:
            ticket.answered(request, outcome)

    def _fail(
        self,
        slot: _Slot,
        served: ServedVersion,
        request: InferenceRequest,
        problem: Exception,
        ticket: Ticket | None,
    ) -> None:
        self._refuse(slot, served.model, request.id, problem, ticket)
        note(served, request.request_id, self._dialect.name, self._call, request, problem)

    def _refuse_unread(self, slot: _Slot, data: bytes, choosing: Choosing | None, problem: Exception) -> None:
        served, ticket = found_by(choosing), ticket_of(choosing)
        self._refuse(slot, model_of(data), id_of(data), problem, ticket)
        note(served, request_id_of(served, ticket), self._dialect.name, self._call, None, problem)

    def _refuse(self, slot: _Slot, model: str, message_id: str, problem: Exception, ticket: Ticket | None) -> None:
        error = problem
        if not isinstance(error, ModelportError):
            _log.error("a request was answered with an internal error", exc_info=problem)
            error = InternalError(f"internal error: {type(problem).__name__}")
        self._engine.metrics.error(model if self._engine.has(model) else "", self._dialect.name, error.kind)
        self._fill(slot, stream_error(error, message_id))
        if ticket is not None:
            ticket.failed(error)

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
