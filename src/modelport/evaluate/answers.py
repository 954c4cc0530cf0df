"""What a model's outputs answer: a class and perhaps scores for each row, or a number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from modelport.core.datatypes import BYTES, FLOATS, INTEGERS, Array
from modelport.core.errors import ModelFailedError, UnsupportedError
from modelport.core.meaning import Labels, Probabilities, Quantity
from modelport.core.signature import Signature, TensorSpec
from modelport.evaluate.classes import class_name
from modelport.evaluate.metrics.weights import Floats

Task = Literal["classification", "regression"]


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a model's outputs. A classification has `label` or `scores`, or both; a regression `number`.

    `classes` are the names of the scores' columns, where the model says them. One score of its own is the probability
    of the second of two classes.
    """

    task: Task
    label: TensorSpec | None = None
    scores: TensorSpec | None = None
    number: TensorSpec | None = None
    classes: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that are read."""
        return tuple(spec.name for spec in (self.label, self.scores, self.number) if spec is not None)


@dataclass(frozen=True, slots=True)
class Answers:
    """A batch's answers: the name of each row's class and [rows, classes] scores, or a number for each row."""

    names: list[str]
    scores: Floats | None = None
    numbers: Floats | None = None


def reading_of(signature: Signature, task: Task | None = None, output: str | None = None) -> Reading:
    """Which outputs answer what: by their meanings, and where they say none, by datatypes and shapes.

    Raises InvalidInputError for an output that is not there, UnsupportedError where no output fits.
    """
    chosen = (signature.output(output),) if output is not None else signature.outputs
    label = next((spec for spec in chosen if isinstance(spec.meaning, Labels)), None)
    scores = next((spec for spec in chosen if isinstance(spec.meaning, Probabilities)), None)
    label = label or next((spec for spec in chosen if _is_label(spec)), None)
    scores = scores or next((spec for spec in chosen if _is_scores(spec)), None)
    number = next((spec for spec in chosen if isinstance(spec.meaning, Quantity)), None)
    number = number or next((spec for spec in chosen if _is_number(spec)), None)
    if task is None:
        task = "classification" if label is not None or scores is not None else "regression"
    if task == "regression":
        number = number or next((spec for spec in chosen if spec.datatype in INTEGERS and _is_single(spec)), None)
        return Reading(task, number=_found(number, task, chosen))
    if label is None and scores is None:
        scores = number
    return Reading(task, label, scores, classes=_classes(_found(scores or label, task, chosen), scores, label))


def read_answers(outputs: Mapping[str, Array], reading: Reading, rows: int) -> Answers:
    """The answers in what a model gave for so many rows. Raises ModelFailedError for any other count."""
    for name in reading.outputs:
        if name not in outputs or outputs[name].shape[:1] != (rows,):
            has = list(outputs[name].shape) if name in outputs else "nothing"
            raise ModelFailedError(f"the model gave {has} as output {name!r} for {rows} rows")
    if reading.number is not None:
        return Answers([], numbers=_numbers(outputs[reading.number.name], reading.number.name))
    scores = None if reading.scores is None else _scores(outputs[reading.scores.name])
    classes = reading.classes
    if scores is not None and len(classes) != scores.shape[1]:
        classes = tuple(map(str, range(scores.shape[1])))
    if reading.label is not None:
        return Answers(_labels(outputs[reading.label.name], reading.label, classes), scores)
    assert scores is not None
    return Answers([classes[place] for place in scores.argmax(axis=1)], scores)


def _labels(array: Array, spec: TensorSpec, classes: tuple[str, ...]) -> list[str]:
    """Each row's class: an index into the labels, or the class itself."""
    values = array.reshape(-1).tolist()
    if array.dtype.kind not in "iu":
        return [class_name(value) for value in values]
    labels = spec.meaning.labels if isinstance(spec.meaning, Labels) else ()
    if not labels and not all(name.lstrip("-").isdigit() for name in classes):
        labels = classes  # numbers are classes themselves, texts are counted
    names = [class_name(label) for label in labels]
    return [names[value] if 0 <= value < len(names) else str(value) for value in values]


def _scores(array: Array) -> Floats:
    """[rows, classes]; one score of its own becomes two."""
    scores = array.astype(np.float64).reshape(len(array), -1)
    return np.concatenate([1 - scores, scores], axis=1) if scores.shape[1] == 1 else scores


def _numbers(array: Array, name: str) -> Floats:
    numbers = array.astype(np.float64).reshape(len(array), -1)
    if numbers.shape[1] != 1:
        raise UnsupportedError(f"output {name!r} has {numbers.shape[1]} numbers in each row; a regression has one")
    return numbers[:, 0]


def _classes(found: TensorSpec, scores: TensorSpec | None, label: TensorSpec | None) -> tuple[str, ...]:
    for spec in (scores, label, found):
        meaning: Any = None if spec is None else spec.meaning
        if isinstance(meaning, Probabilities | Labels) and meaning.labels:
            return tuple(class_name(name) for name in meaning.labels)
    return ()


def _found(spec: TensorSpec | None, task: str, chosen: tuple[TensorSpec, ...]) -> TensorSpec:
    if spec is None:
        has = "; ".join(item.describe() for item in chosen)
        raise UnsupportedError(f"none of the model's outputs answers a {task}: it gives {has}")
    return spec


def _is_single(spec: TensorSpec) -> bool:
    """Whether each row has one value."""
    return spec.shape is not None and (len(spec.shape) == 1 or (len(spec.shape) == 2 and spec.shape[1] == 1))


def _is_label(spec: TensorSpec) -> bool:
    return spec.meaning is None and _is_single(spec) and (spec.datatype == BYTES or spec.datatype in INTEGERS)


def _is_scores(spec: TensorSpec) -> bool:
    several = spec.shape is not None and len(spec.shape) == 2 and spec.shape[1] != 1
    return spec.meaning is None and several and spec.datatype in FLOATS


def _is_number(spec: TensorSpec) -> bool:
    return spec.meaning is None and _is_single(spec) and spec.datatype in FLOATS
