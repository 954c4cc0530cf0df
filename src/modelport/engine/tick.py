"""The batch tick: the requests for a cheap model that arrive in one pass of the event loop run as one batch.

Nobody waits for a timer: a request that comes alone runs alone, at the end of the pass in which it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import groupby
from time import perf_counter_ns
from typing import Any

import numpy as np

from modelport.core.batch import Batch, BatchedResponse
from modelport.core.datatypes import Array
from modelport.core.errors import ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.engine.execution import judge, predict, run_now
from modelport.engine.served import ServedVersion

Done = Callable[[InferenceResponse | ModelportError], None]
Waiting = tuple[InferenceRequest, Done]
#: When a prediction was begun and finished (`perf_counter_ns`), and its outputs.
Ran = tuple[int, int, dict[str, Array]]


class Tick:
    """Collects and runs. Everything happens on the event loop's thread."""

    def __init__(self, limit_ms: float, largest: int) -> None:
        """`limit_ms`: what a prediction on the event loop may take; `largest`: requests in one batch."""
        self._limit_ms = limit_ms
        self.largest = largest

    def submit(self, served: ServedVersion, request: InferenceRequest, done: Done) -> None:
        """Run the request at the end of this pass of the event loop, with all others that arrive in it."""
        waiting = served.waiting
        if not waiting:
            asyncio.get_running_loop().call_soon(self._run, served)
        waiting.append((request, done))

    def takes(self, served: ServedVersion) -> bool:
        """Whether a version's requests run here, with nothing else before: rows may be collected for `run_rows`."""
        return served.execution == "tick" and not served.special and not served.retired

    def run_rows(self, served: ServedVersion, inputs: dict[str, Array], rows: int, requests: int) -> Ran | None:
        """Run rows that were collected from several requests as one prediction.

        None where that failed, or where the outputs are not rows: each request is to run on its own then, which says
        what is wrong with it. The hot path: what `run_now` does, without a request to do it with.
        """
        started = perf_counter_ns()
        try:
            outputs = served.loaded.predict(inputs)
        except Exception:
            return None
        finished = perf_counter_ns()
        for array in outputs.values():
            if not array.ndim or len(array) != rows:
                return None
        served.executions.add(rows, finished - started)
        if requests == 1:
            judge(served, finished - started, self._limit_ms)
        return started, finished, outputs

    def run_alone(self, served: ServedVersion, request: InferenceRequest) -> InferenceResponse | ModelportError:
        """Run one request now."""
        return run_now(served, request, self._limit_ms)

    def _run(self, served: ServedVersion) -> None:
        waiting, served.waiting = served.waiting, []
        served.inflight += 1
        try:
            if len(waiting) == 1:
                self._run_singly(served, waiting)
                return
            for _, group in groupby(waiting, _kind):
                alike = list(group)
                for at in range(0, len(alike), self.largest):
                    self._run_together(served, alike[at : at + self.largest])
        finally:
            served.release()

    def _run_singly(self, served: ServedVersion, waiting: list[Waiting]) -> None:
        for request, done in waiting:
            done(run_now(served, request, self._limit_ms))

    def _run_together(self, served: ServedVersion, alike: list[Waiting]) -> None:
        """One prediction for all. Where it fails each request runs on its own, so that only the bad one fails."""
        first = alike[0][0]
        over = [_is_over(request) for request, _ in alike]
        if any(over):
            self._run_singly(
                served, [item for item, late in zip(alike, over, strict=True) if late]
            )  # which refuses them
            alike = [item for item, late in zip(alike, over, strict=True) if not late]
        if len(alike) < 2 or any(request.inputs.keys() != first.inputs.keys() for request, _ in alike):
            self._run_singly(served, alike)
            return
        started = perf_counter_ns()
        joined = {name: np.concatenate([request.inputs[name] for request, _ in alike]) for name in first.inputs}
        together = InferenceRequest(joined, first.outputs)
        outcome = predict(served, together)
        ends = _ends(alike)
        if isinstance(outcome, ModelportError) or not _has_rows(outcome, ends[-1]):
            self._run_singly(served, alike)
            return
        served.executions.count(served, together, outcome)
        batch, start, finished = Batch(outcome.outputs), 0, together.finished
        for (request, done), end in zip(alike, ends, strict=True):
            request.started, request.finished = started, finished
            done(BatchedResponse(served.model, served.version, batch, start, end, request.id))
            start = end


def _kind(item: Waiting) -> Any:
    """Requests of one kind can be joined: the same outputs, and rows of the same shape."""
    request = item[0]
    return request.outputs, [array.shape[1:] for array in request.inputs.values()]


def _is_over(request: InferenceRequest) -> bool:
    return request.cancelled or (request.deadline is not None and request.deadline.remaining <= 0)


def _ends(alike: list[Waiting]) -> list[int]:
    """Where each request's rows end among the joined rows."""
    ends, end = [], 0
    for request, _ in alike:
        for array in request.inputs.values():
            end += len(array)
            break
        ends.append(end)
    return ends


def _has_rows(response: InferenceResponse, rows: int) -> bool:
    """Whether each output has one row for each row that went in."""
    return all(array.ndim and len(array) == rows for array in response.outputs.values())
