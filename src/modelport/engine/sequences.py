"""Stateful models: what a model gives back as its state is given to it again with the next request of the sequence.

A request names its sequence by the parameters `sequence_id`, `sequence_start` and `sequence_end` (Triton "Stateful
Models"). The state stays on the server: callers neither send nor see it. Requests of one sequence run one after the
other; those of different sequences may share a batch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, Array
from modelport.core.errors import DeadlineExceededError, InvalidInputError, InvalidModelError, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.signature import Signature, TensorSpec
from modelport.engine.sequence_states import BUSY, State, States
from modelport.engine.served import Done, ServedVersion

Run = Callable[[ServedVersion, InferenceRequest, Done], None]
#: How often a sequence that another worker has under way is looked for, and for how long, in seconds.
_EVERY, _PATIENCE = 0.002, 30.0


@dataclass(frozen=True, slots=True)
class StateTensor:
    """An output that becomes an input of the next request. Elements are `initial` at first."""

    input: str
    output: str
    initial: float = 0.0
    shape: list[int] | None = None


@dataclass(frozen=True, slots=True)
class SequenceOptions:
    """The table `[sequence]` of `modelport.toml`."""

    state: list[StateTensor] = field(default_factory=list)
    idle_seconds: float = 60.0
    max_sequences: int = 10_000


def visible(signature: Signature, options: SequenceOptions) -> Signature:
    """The signature as callers see it: without the state. Raises InvalidModelError for tensors that do not fit."""
    try:
        pairs = [(signature.input(item.input), signature.output(item.output)) for item in options.state]
    except InvalidInputError as error:
        raise InvalidModelError(f"modelport.toml: [sequence]: {error}") from None
    if not pairs:
        raise InvalidModelError(
            "modelport.toml: [sequence] has no state: write [[sequence.state]] with input and output"
        )
    for given, made in pairs:
        if given.datatype != made.datatype:
            raise InvalidModelError(
                f"modelport.toml: [sequence]: the output {made.describe()} can't become the input {given.describe()}"
            )
    inputs = tuple(spec for spec in signature.inputs if spec not in [pair[0] for pair in pairs])
    outputs = tuple(spec for spec in signature.outputs if spec not in [pair[1] for pair in pairs])
    return replace(signature, inputs=inputs, outputs=outputs)


class Sequences:
    """Takes the requests of one version. Used on the event loop's thread."""

    def __init__(self, served: ServedVersion, options: SequenceOptions, states: States, run: Run) -> None:
        """`served` still has the model's own signature."""
        self._served, self._options, self._states, self._run = served, options, states, run
        self._specs = {item.input: served.loaded.signature.input(item.input) for item in options.state}
        self._made = tuple(item.output for item in options.state)
        self._seen = tuple(spec.name for spec in visible(served.loaded.signature, options).outputs)
        #: Requests that wait behind one of their sequence.
        self._behind: dict[str, deque[Callable[[], None]]] = {}

    def submit(self, served: ServedVersion, request: InferenceRequest, done: Done) -> None:
        """Run a request with its sequence's state, and keep what becomes of that."""
        try:
            key, start, end = _named(request)
        except ModelportError as error:
            done(error)
            return
        begin = partial(self._begin, key, start, end, request, done, asyncio.get_running_loop().time() + _PATIENCE)
        if key in self._behind:
            self._behind[key].append(begin)
        else:
            self._behind[key] = deque()
            begin()

    def _begin(self, key: str, start: bool, end: bool, request: InferenceRequest, done: Done, until: float) -> None:
        try:
            state = self._states.take(key, new=start)
            if state is BUSY:
                self._wait(key, start, end, request, done, until)
                return
            if state is None:
                raise InvalidInputError(
                    f"sequence {key!r} is not under way: its first request must have the parameter sequence_start, and "
                    f"it is forgotten after {self._options.idle_seconds:g} s without a request"
                )
            inner = self._with_state(request, state)
        except ModelportError as error:
            self._next(key)
            done(error)
            return
        self._run(self._served, inner, partial(self._end, key, end, state, request, inner, done))

    def _wait(self, key: str, start: bool, end: bool, request: InferenceRequest, done: Done, until: float) -> None:
        """Another worker has it under way: look again soon."""
        loop = asyncio.get_running_loop()
        if request.deadline is not None:
            until = min(until, loop.time() + request.deadline.remaining)
        if loop.time() >= until:
            self._next(key)
            done(DeadlineExceededError(f"another request of sequence {key!r} was still under way"))
        else:
            loop.call_later(_EVERY, self._begin, key, start, end, request, done, until)

    def _with_state(self, request: InferenceRequest, state: State) -> InferenceRequest:
        rows = self._served.rows_of(request)
        tensors = {
            item.input: state.get(item.input, _initial(item, self._specs[item.input], rows))
            for item in self._options.state
        }
        names = (request.outputs or self._seen) + self._made
        inner = InferenceRequest({**request.inputs, **tensors}, names, request.id, deadline=request.deadline)
        inner.priority, inner.received, inner.decoded = request.priority, request.received, request.decoded
        return inner

    def _end(
        self,
        key: str,
        end: bool,
        state: State,
        request: InferenceRequest,
        inner: InferenceRequest,
        done: Done,
        outcome: InferenceResponse | ModelportError,
    ) -> None:
        request.started, request.finished = inner.started, inner.finished
        if isinstance(outcome, ModelportError):
            self._states.give(key, state)  # as it was: the request may be sent again
            answer: InferenceResponse | ModelportError = outcome
        else:
            outputs = outcome.outputs
            if end:
                self._states.drop(key)
            else:
                self._states.give(key, {item.input: outputs[item.output].copy() for item in self._options.state})
            names = request.outputs or self._seen
            shown = {name: outputs[name] for name in names}
            answer = InferenceResponse(outcome.model, outcome.version, shown, request.id, _said(request))
        self._next(key)
        done(answer)

    def _next(self, key: str) -> None:
        waiting = self._behind[key]
        if waiting:
            asyncio.get_running_loop().call_soon(waiting.popleft())
        else:
            del self._behind[key]


def _named(request: InferenceRequest) -> tuple[str, bool, bool]:
    """The sequence, and whether the request is its first and its last. Raises InvalidInputError."""
    parameters = request.parameters or {}
    key = parameters.get("sequence_id", 0)
    if isinstance(key, bool) or not isinstance(key, int | str) or key in (0, ""):
        raise InvalidInputError(
            f"this model keeps a state: the parameter sequence_id must be a number other than 0, or a text, not {key!r}"
        )
    flags = []
    for name in ("sequence_start", "sequence_end"):
        value = parameters.get(name, False)
        if value not in (0, 1):
            raise InvalidInputError(f"the parameter {name} must be true or false, not {value!r}")
        flags.append(bool(value))
    return f"{type(key).__name__}:{key}", flags[0], flags[1]


def _said(request: InferenceRequest) -> dict[str, object]:
    """The parameters that a response repeats, as Triton does."""
    parameters = request.parameters or {}
    names = ("sequence_id", "sequence_start", "sequence_end")
    return {name: parameters[name] for name in names if name in parameters}


def _initial(item: StateTensor, spec: TensorSpec, rows: int) -> Array:
    if spec.datatype == BYTES:
        raise InvalidInputError(f"the state {spec.name!r} is text; a state is numbers")
    shape = list(item.shape or spec.shape or ())
    shape = [rows if at == 0 and size == -1 else 1 if size == -1 else size for at, size in enumerate(shape)]
    return np.full(shape, item.initial, DTYPES[spec.datatype])
