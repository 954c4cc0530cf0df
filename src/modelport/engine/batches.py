"""Requests that are computed as one: joining their rows, predicting, and giving each its own rows of the outputs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any

import numpy as np

from modelport.core.batch import Batch, BatchedResponse
from modelport.core.deadline import Deadline
from modelport.core.errors import CancelledError, ModelFailedError, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.runtime import InterruptibleModel
from modelport.engine.served import ServedVersion

_log = logging.getLogger("modelport.engine")
Outcome = InferenceResponse | ModelportError


@dataclass(slots=True)
class Computed:
    """The outcomes of requests, in their order, and the predictions that gave them: (inputs as run, outcome)."""

    outcomes: list[Outcome] = field(default_factory=list)
    runs: list[tuple[InferenceRequest, Outcome]] = field(default_factory=list)


def predict(served: ServedVersion, request: InferenceRequest) -> Outcome:
    """One prediction: its response, or the error that it ended with. Raises nothing.

    A request whose deadline has passed, or that nobody waits for any more, is not begun.
    """
    request.started = perf_counter_ns()
    try:
        if request.deadline is not None:
            request.deadline.check()
        if request.cancelled:
            raise CancelledError("the caller went away before its request was begun")
        loaded = served.loaded
        if served.interruptible:
            assert isinstance(loaded, InterruptibleModel)
            outputs = loaded.predict_until(request.inputs, request.outputs, request.deadline)
        else:
            outputs = loaded.predict(request.inputs, request.outputs)
    except ModelportError as error:
        return error
    except Exception as error:
        _log.exception("%s@%d failed", served.model, served.version)
        return ModelFailedError(f"model {served.model!r} failed: {type(error).__name__}: {error}")
    finally:
        request.finished = perf_counter_ns()
    return InferenceResponse(served.model, served.version, outputs, request.id)


def compute(served: ServedVersion, requests: Sequence[InferenceRequest]) -> Computed:
    """Run requests of one kind as one prediction. Where that fails they run in halves, so that only the bad one fails.

    For any thread. Raises nothing.
    """
    computed = Computed()
    _compute(served, requests, computed)
    return computed


def kind_of(request: InferenceRequest) -> Any:
    """Requests of one kind can be joined: the same inputs and outputs, and rows of the same shape."""
    return request.outputs, [(name, array.shape[1:]) for name, array in request.inputs.items()]


def _compute(served: ServedVersion, requests: Sequence[InferenceRequest], computed: Computed) -> None:
    alive = [request for request in requests if not _is_over(request)]
    if len(requests) == 1 or len(alive) < len(requests):
        if len(alive) > 1:
            _compute_alive(served, requests, alive, computed)
            return
        for request in requests:
            _compute_one(served, request, computed)
        return
    outcomes = _together(served, requests, computed)
    if outcomes is not None:
        computed.outcomes += outcomes
        return
    half = len(requests) // 2
    _compute(served, requests[:half], computed)
    _compute(served, requests[half:], computed)


def _compute_alive(
    served: ServedVersion, requests: Sequence[InferenceRequest], alive: list[InferenceRequest], computed: Computed
) -> None:
    """Leave out those that are over: they are refused in their places."""
    rest = Computed(runs=computed.runs)
    _compute(served, alive, rest)
    answers = dict(zip(map(id, alive), rest.outcomes, strict=True))
    computed.outcomes += [answers.get(id(request)) or predict(served, request) for request in requests]


def _compute_one(served: ServedVersion, request: InferenceRequest, computed: Computed) -> None:
    outcome = predict(served, request)
    computed.outcomes.append(outcome)
    computed.runs.append((request, outcome))


def _together(
    served: ServedVersion, requests: Sequence[InferenceRequest], computed: Computed
) -> list[InferenceResponse] | None:
    """The responses of one prediction for all; None where it failed, or its outputs are not rows."""
    started = perf_counter_ns()
    first = requests[0]
    joined = {name: np.concatenate([request.inputs[name] for request in requests]) for name in first.inputs}
    together = InferenceRequest(joined, first.outputs, deadline=_latest(requests))
    outcome = predict(served, together)
    ends = np.cumsum([served.rows_of(request) for request in requests]).tolist()
    if isinstance(outcome, ModelportError) or not _has_rows(outcome, ends[-1]):
        return None
    computed.runs.append((together, outcome))
    batch, start = Batch(outcome.outputs), 0
    responses: list[InferenceResponse] = []
    for request, end in zip(requests, ends, strict=True):
        request.started, request.finished = started, together.finished
        responses.append(BatchedResponse(served.model, served.version, batch, start, end, request.id))
        start = end
    return responses


def _is_over(request: InferenceRequest) -> bool:
    return request.cancelled or (request.deadline is not None and request.deadline.remaining <= 0)


def _latest(requests: Sequence[InferenceRequest]) -> Deadline | None:
    """The last moment at which somebody still waits; None where somebody always does."""
    latest: Deadline | None = None
    for request in requests:
        if request.deadline is None:
            return None
        if latest is None or request.deadline.at > latest.at:
            latest = request.deadline
    return latest


def _has_rows(response: InferenceResponse, rows: int) -> bool:
    """Whether each output has one row for each row that went in."""
    return all(array.ndim and len(array) == rows for array in response.outputs.values())
