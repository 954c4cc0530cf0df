"""ModelStreamInfer: requests and responses on one stream, answered in the order in which they came.

A request that fails is answered with its text in `error_message`, as Triton does; the stream goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import partial
from time import perf_counter_ns

from modelport.core.errors import InternalError, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.engine.engine import Engine
from modelport.engine.served import ServedVersion
from modelport.server.http2 import StreamingCall
from modelport.wire.open_inference_grpc import Encode, OpenInferenceGrpc, id_of, model_of
from modelport.wire.open_inference_grpc_reply import Message, stream_error, stream_response

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

    async def run(self) -> None:
        """Read, submit, answer. What comes faster than it is answered, or taken, holds the client back."""
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
            served, request, encode = self._dialect.decode_in_stream(data, self._engine.find)
        except Exception as error:
            self._refuse(slot, model_of(data), id_of(data), error)
            return
        request.received = received
        request.decoded = perf_counter_ns()
        self._engine.submit(served, request, partial(self._end, slot, served, request, encode))

    def _end(
        self,
        slot: _Slot,
        served: ServedVersion,
        request: InferenceRequest,
        encode: Encode,
        outcome: InferenceResponse | ModelportError,
    ) -> None:
        if isinstance(outcome, ModelportError):
            self._refuse(slot, served.model, request.id, outcome)
            return
        try:
            answer = stream_response(encode(outcome))
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
            self._call.send(first)
        self._answered.set()
