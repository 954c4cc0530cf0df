"""The named signatures that a model has for TensorFlow Serving's clients, derived from what its tensors mean.

A model file without SavedModel signatures has `serving_default` and `predict`, which take and give its tensors;
`classification` where it gives labels or scores of classes, and `regression` where it gives one float for each row:
these take tf.Example. The names are those that TensorFlow's estimators export.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from modelport.core.datatypes import FLOATS
from modelport.core.errors import InvalidInputError
from modelport.core.meaning import Labels, Probabilities
from modelport.core.nearest import did_you_mean
from modelport.core.signature import Signature, TensorSpec

DEFAULT = "serving_default"
Task = Literal["predict", "classify", "regress"]
METHODS: dict[str, Task] = {
    "tensorflow/serving/predict": "predict",
    "tensorflow/serving/classify": "classify",
    "tensorflow/serving/regress": "regress",
}
METHOD_NAMES: dict[Task, str] = {task: name for name, task in METHODS.items()}
#: The names that mean each task; the first one is the one that metadata shows.
NAMES: dict[Task, tuple[str, ...]] = {
    "predict": (DEFAULT, "predict"),
    "classify": ("classification", DEFAULT, "classify"),
    "regress": ("regression", DEFAULT, "regress"),
}
_CLASSES, _REGRESSION = "tensorflow_serving.classes", "tensorflow_serving.regression"
_NAMED = "tensorflow_serving.named"


class UnknownSignatureError(InvalidInputError):
    """No signature of that name; gRPC's Predict says FAILED_PRECONDITION for it."""


@dataclass(frozen=True, slots=True)
class Classes:
    """Which outputs a classification is made of: classes, their scores, or both; and the labels of the columns."""

    classes: str | None
    scores: str | None
    labels: tuple[str, ...]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that it needs."""
        return tuple(name for name in (self.classes, self.scores) if name is not None)


def set_named(signature: Signature, named: Mapping[str, Signature]) -> None:
    """Say which signatures the model itself has by name; their requests come with the signature that they name."""
    signature.memo[_NAMED] = named


def named_signatures(signature: Signature) -> Mapping[str, Signature]:
    """The signatures that the model itself has, where it has any."""
    named: Mapping[str, Signature] = signature.memo.get(_NAMED, {})
    return named


def check_signature_name(name: str, task: Task, signature: Signature | None = None) -> str:
    """The signature's name, `serving_default` for an empty one. `signature` is of a model that may have more names.

    Raises UnknownSignatureError for Predict and InvalidInputError for the others, as TensorFlow Serving does.
    """
    if not name:
        return DEFAULT
    own = named_signatures(signature) if task == "predict" and signature is not None else {}
    if name in NAMES[task] or name in own:
        return name
    names = dict.fromkeys((*NAMES[task], *own))
    known = ", ".join(map(repr, names))
    other = next((other for other, others in NAMES.items() if name in others), None)
    if task == "predict":
        why = f" (it takes tf.Example, for {METHOD_NAMES[other]})" if other else did_you_mean(name, names)
        raise UnknownSignatureError(f'Serving signature key "{name[:200]}" not found.{why} Predict has {known}')
    if other:
        raise InvalidInputError(
            f"Expected signature method_name to be {METHOD_NAMES[task]}. Was: {METHOD_NAMES[other]} ({name!r})"
        )
    near = did_you_mean(name, NAMES[task])
    raise InvalidInputError(f"No signature was found with the name: {name[:200]}{near}; {task} has {known}")


def classes_of(signature: Signature) -> Classes:
    """How to classify with a model. Raises InvalidInputError where it gives neither labels nor scores of classes."""
    found: Classes | None = signature.memo.get(_CLASSES)
    if found is None:
        found = signature.memo[_CLASSES] = _classes(signature)
    if not found.outputs:
        raise _not("classification", "classify", signature)
    return found


def regression_of(signature: Signature) -> str:
    """The output that is a regression's. Raises InvalidInputError where there is no such output, or more than one."""
    names: list[str] | None = signature.memo.get(_REGRESSION)
    if names is None:
        rowwise = [spec for spec in signature.outputs if signature.rowwise and _one_float_a_row(spec)]
        names = signature.memo[_REGRESSION] = [spec.name for spec in rowwise]
    if len(names) != 1:
        raise _not("regression", "regress", signature)
    return names[0]


def tasks(signature: Signature) -> list[Task]:
    """What a model can do."""
    able: list[Task] = ["predict"]
    with suppress(InvalidInputError):
        classes_of(signature)
        able.append("classify")
    with suppress(InvalidInputError):
        regression_of(signature)
        able.append("regress")
    return able


def _classes(signature: Signature) -> Classes:
    labels = next((spec for spec in signature.outputs if isinstance(spec.meaning, Labels)), None)
    scores = next((spec for spec in signature.outputs if isinstance(spec.meaning, Probabilities)), None)
    if not signature.rowwise or (scores is not None and (scores.shape is None or len(scores.shape) != 2)):
        return Classes(None, None, ())
    names: tuple[str, ...] = ()
    for spec in (scores, labels):
        if spec is not None and isinstance(spec.meaning, Labels | Probabilities) and not names:
            names = spec.meaning.labels
    if scores is not None:  # the scores say all: a class for each column
        return Classes(None, scores.name, names)
    return Classes(None if labels is None else labels.name, None, names)


def _one_float_a_row(spec: TensorSpec) -> bool:
    if spec.datatype not in FLOATS or isinstance(spec.meaning, Labels | Probabilities):
        return False
    return bool(spec.shape) and spec.shape is not None and spec.shape[1:] in ((), (1,))


def _not(what: str, task: Task, signature: Signature) -> InvalidInputError:
    given = "; ".join(spec.describe() for spec in signature.outputs)
    needs = "labels or scores of classes" if task == "classify" else "one float for each row"
    return InvalidInputError(
        f"Expected {what} signature method_name to be {METHOD_NAMES[task]}. Was: {METHOD_NAMES['predict']} "
        f"(the model gives {given}, not {needs})"
    )
