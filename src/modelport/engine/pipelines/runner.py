"""Runs a pipeline's requests: each step as soon as what it needs is there, each model by its own execution."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter_ns
from typing import Any

import numpy as np

from modelport.core.datatypes import Array
from modelport.core.errors import CancelledError, InvalidInputError, ModelFailedError, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.engine.pipelines.combining import mean, vote
from modelport.engine.pipelines.definition import PipelineOptions, Step, model_reference
from modelport.engine.pipelines.model import Find
from modelport.engine.served import Done, ServedVersion

Submit = Callable[[ServedVersion, InferenceRequest, Done], None]


class PipelineFront:
    """Takes a pipeline's requests. Used on the event loop's thread."""

    def __init__(self, options: PipelineOptions, find: Find, submit: Submit) -> None:
        self.options, self.find, self.submit_step = options, find, submit

    def submit(self, served: ServedVersion, request: InferenceRequest, done: Done) -> None:
        """Run the graph, and call `done` once with the outputs or with the first error."""
        request.started = perf_counter_ns()
        _Run(self, served, request, done).advance()


class _Run:
    """One request on its way through the graph."""

    def __init__(self, front: PipelineFront, served: ServedVersion, request: InferenceRequest, done: Done) -> None:
        self._front, self._served, self._request = front, served, request
        self._done: Done | None = done
        self._values: dict[str, Array] = dict(request.inputs)
        self._begun: set[str] = set()
        self._finished: set[str] = set()

    def advance(self) -> None:
        """Begin every step whose values are there; answer once all steps have ended."""
        steps, before = self._front.options.steps, -1
        while self._done is not None and before < len(self._begun):
            before = len(self._begun)
            for step in steps:
                if step.name not in self._begun and all(self._has(value) for value in step.values):
                    self._begun.add(step.name)
                    self._begin(step)
        if self._done is not None and len(self._finished) == len(steps):
            self._answer()

    def _has(self, value: str) -> bool:
        return value in self._values or value.partition(".")[0] in self._finished

    def _begin(self, step: Step) -> None:
        try:
            if self._request.cancelled:
                raise CancelledError("the caller went away")
            if step.model:
                self._ask(step, step.model, self._inputs(step), partial(self._take, step))
            elif step.switch:
                _Switch(self, step, self._values[step.switch], self._inputs(step)).begin()
            else:
                self._combine(step)
        except ModelportError as error:
            self.fail(step, error)
        except Exception as error:
            self.fail(step, ModelFailedError(f"{type(error).__name__}: {error}"))

    def _inputs(self, step: Step) -> dict[str, Array]:
        return {tensor: self._values[value] for tensor, value in step.inputs.items()}

    def _ask(self, step: Step, model: str, inputs: dict[str, Array], then: Callable[[InferenceResponse], None]) -> None:
        """Run a model on arrays. Raises ModelportError for those that it does not take."""
        served = self._front.find(*model_reference(model))
        served.signature.check_inputs(inputs)
        needed = tuple(self._front.options.outputs_of(step.name)) or None
        request = InferenceRequest(inputs, needed, deadline=self._request.deadline, priority=self._request.priority)

        def ended(outcome: InferenceResponse | ModelportError) -> None:
            if self._done is None:
                return
            if isinstance(outcome, ModelportError):
                self.fail(step, outcome)
                return
            try:
                then(outcome)
            except ModelportError as error:
                self.fail(step, error)

        self._front.submit_step(served, request, ended)

    def _combine(self, step: Step) -> None:
        arrays = [self._values[value] for value in step.mean or step.vote]
        made = mean(arrays, step.weights) if step.mean else vote(arrays)
        for output in self._front.options.outputs_of(step.name):
            self._values[f"{step.name}.{output}"] = made
        self._finished.add(step.name)

    def _take(self, step: Step, response: InferenceResponse) -> None:
        self.took(step, response.outputs)

    def took(self, step: Step, outputs: dict[str, Array]) -> None:
        """A step has ended."""
        for name, array in outputs.items():
            self._values[f"{step.name}.{name}"] = array
        self._finished.add(step.name)
        self.advance()

    def ask(self, step: Step, model: str, inputs: dict[str, Array], then: Callable[[InferenceResponse], None]) -> None:
        """As the steps do, for a switch."""
        self._ask(step, model, inputs, then)

    def _answer(self) -> None:
        request, options = self._request, self._front.options
        names = request.outputs or tuple(options.outputs)
        outputs = {name: np.ascontiguousarray(self._values[options.outputs[name]]) for name in names}
        self._end(InferenceResponse(self._served.model, self._served.version, outputs, request.id))

    def fail(self, step: Step, error: ModelportError) -> None:
        """The request ends with a step's error, which keeps its kind."""
        self._end(type(error)(f"step {step.name!r} of {self._served.model!r}: {error}"))

    def _end(self, outcome: InferenceResponse | ModelportError) -> None:
        done, self._done = self._done, None
        if done is not None:
            self._request.finished = perf_counter_ns()
            self._served.executions.count(self._served, self._request, outcome)
            done(outcome)


class _Switch:
    """A step whose model depends on a value: the rows that have the same one go together, and come back in order."""

    def __init__(self, run: _Run, step: Step, decider: Array, inputs: dict[str, Array]) -> None:
        self._run, self._step, self._inputs = run, step, inputs
        self._keys = [_text(value) for value in decider.reshape(len(decider), -1)[:, 0]] if decider.ndim else []
        if not self._keys or any(not array.ndim or len(array) != len(self._keys) for array in inputs.values()):
            raise InvalidInputError(f"{step.switch} must have one value for each row of the step's inputs")
        self._parts: list[tuple[list[int], dict[str, Array]]] = []
        self._expected = 0

    def begin(self) -> None:
        """Ask each model for its rows."""
        rows: dict[str, list[int]] = {}
        for at, key in enumerate(self._keys):
            model = self._step.cases.get(key) or self._step.default
            if not model:
                known = ", ".join(self._step.cases)
                raise InvalidInputError(
                    f"{self._step.switch} is {key!r}, for which there is no case (there are {known})"
                )
            rows.setdefault(model, []).append(at)
        self._expected = len(rows)
        for model, places in rows.items():
            some = {name: array[places] for name, array in self._inputs.items()}
            self._run.ask(self._step, model, some, partial(self._came, places))

    def _came(self, places: list[int], response: InferenceResponse) -> None:
        self._parts.append((places, response.outputs))
        if len(self._parts) < self._expected:
            return
        first = self._parts[0][1]
        outputs: dict[str, Array] = {}
        for name, array in first.items():
            whole = np.empty((len(self._keys), *array.shape[1:]), array.dtype)
            for rows, part in self._parts:
                if part[name].shape[1:] != array.shape[1:] or len(part[name]) != len(rows):
                    raise ModelFailedError(f"its models' outputs {name!r} differ in shape")
                whole[rows] = part[name]
            outputs[name] = whole
        self._run.took(self._step, outputs)


def _text(value: Any) -> str:
    """A value as the keys of `cases` are written: `1`, `true`, `fraud`."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    number = float(value)
    return str(int(number)) if number.is_integer() else str(number)
