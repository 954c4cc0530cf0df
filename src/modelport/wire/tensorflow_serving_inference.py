"""Classify, Regress and MultiInference: lists of tf.Example in, results of each example out.

Sources: tensorflow_serving/apis/{classification,regression,inference}.proto.
"""

from __future__ import annotations

from typing import Any

from modelport.core.errors import InvalidInputError, UnsupportedError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.signature import Signature
from modelport.wire.protobuf import parsed
from modelport.wire.quoting import quoted
from modelport.wire.tensorflow_serving_examples import (
    classifications,
    examples_from_input,
    inputs_from_examples,
    regressions,
)
from modelport.wire.tensorflow_serving_messages import ModelSpec, message, set_spec, spec_from
from modelport.wire.tensorflow_serving_signatures import (
    METHODS,
    Task,
    check_signature_name,
    classes_of,
    regression_of,
)


class Classify:
    """A ClassificationRequest."""

    _request, _response = "ClassificationRequest", "ClassificationResponse"
    _task: Task = "classify"

    def __init__(self, data: bytes) -> None:
        self._message = parsed(message(self._request), data)
        self.spec = spec_from(self._message)
        self.spec.check()

    def request(self, data: bytes, signature: Signature) -> InferenceRequest:
        """The arrays that the examples mean. Raises InvalidInputError."""
        outputs = outputs_for(self._task, self.spec, signature)
        return InferenceRequest(inputs_from_examples(examples_from_input(self._message.input), signature), outputs)

    def encode(self, response: InferenceResponse, signature: Signature) -> bytes:
        """The response message."""
        made = message(self._response)()
        set_spec(
            made.model_spec, response.model, response.version, check_signature_name(self.spec.signature, self._task)
        )
        _fill(made.result, self._task, response, signature)
        encoded: bytes = made.SerializeToString()
        return encoded


class Regress(Classify):
    """A RegressionRequest."""

    _request, _response = "RegressionRequest", "RegressionResponse"
    _task: Task = "regress"


class MultiInference:
    """A MultiInferenceRequest: several tasks on the same examples, which the model computes once."""

    def __init__(self, data: bytes) -> None:
        self._message = parsed(message("MultiInferenceRequest"), data)
        if not self._message.tasks:
            raise InvalidInputError("Inference request must contain at least one task: tasks is empty")
        self._tasks = [(_task(item.method_name), spec_from(item)) for item in self._message.tasks]
        self.spec = self._tasks[0][1]
        for _, spec in self._tasks:
            spec.check()
        if len({spec.name for _, spec in self._tasks}) != 1:
            raise InvalidInputError("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        seen = set()
        for task, spec in self._tasks:
            if (task, spec.signature) in seen:
                raise InvalidInputError(f"Duplicate evaluation of signature: {quoted(spec.signature)}")
            seen.add((task, spec.signature))

    def request(self, data: bytes, signature: Signature) -> InferenceRequest:
        """The arrays that the examples mean, and all outputs that some task needs. Raises InvalidInputError."""
        outputs: dict[str, None] = {}
        for task, spec in self._tasks:
            outputs.update(dict.fromkeys(outputs_for(task, spec, signature)))
        inputs = inputs_from_examples(examples_from_input(self._message.input), signature)
        return InferenceRequest(inputs, tuple(outputs))

    def encode(self, response: InferenceResponse, signature: Signature) -> bytes:
        """The MultiInferenceResponse, a result for each task."""
        made = message("MultiInferenceResponse")()
        for task, spec in self._tasks:
            item = made.results.add()
            set_spec(item.model_spec, response.model, response.version, check_signature_name(spec.signature, task))
            result = item.classification_result if task == "classify" else item.regression_result
            result.SetInParent()
            _fill(result, task, response, signature)
        encoded: bytes = made.SerializeToString()
        return encoded


def outputs_for(task: Task, spec: ModelSpec, signature: Signature) -> tuple[str, ...]:
    """The outputs that a task needs. Raises InvalidInputError where the model can't do it."""
    check_signature_name(spec.signature, task)
    return classes_of(signature).outputs if task == "classify" else (regression_of(signature),)


def _task(method_name: str) -> Task:
    task = METHODS.get(method_name)
    if task is None or task == "predict":
        raise UnsupportedError(f"Unsupported signature method_name: {method_name[:200]}")
    return task


def _fill(result: Any, task: Task, response: InferenceResponse, signature: Signature) -> None:
    if task == "regress":
        for value in regressions(response, signature):
            result.regressions.add(value=value)
        return
    for row in classifications(response, signature):
        classes = result.classifications.add().classes
        for label, score in row:
            classes.add(label=label, score=score)
