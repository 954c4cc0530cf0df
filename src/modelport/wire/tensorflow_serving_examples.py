"""tf.Example → the tensors of a signature, and outputs → classifications and regressions.

A feature is found by the name of a table's column, or by the name of an input, whose whole row it then holds.
Sources: tensorflow/core/example/feature.proto, tensorflow_serving/apis/{input,classification,regression}.proto.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import numpy as np

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError, ModelFailedError
from modelport.core.messages import InferenceResponse
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.media import takes_files
from modelport.wire.quoting import quoted
from modelport.wire.records import Fields, fields, tensors_from_document
from modelport.wire.tensorflow_serving_signatures import classes_of, regression_of

#: One example: the values of each feature by its name; texts are bytes.
Example = Mapping[str, list[Any]]
#: The classes of one row with their scores, in the order of the model's columns.
Classification = list[tuple[str, float]]


def examples_from_input(message: Any) -> list[Example]:
    """The examples of an `Input` message, each with the features of the context. Raises InvalidInputError."""
    kind = message.WhichOneof("kind")
    if kind is None:
        raise InvalidInputError("Input is empty: it has neither example_list nor example_list_with_context")
    given = getattr(message, kind)
    context = _features(given.context) if kind == "example_list_with_context" else {}
    return [{**context, **_features(example)} for example in given.examples]


def inputs_from_examples(examples: Iterable[Example], signature: Signature) -> dict[str, Array]:
    """The arrays that examples mean to a signature, a row for each. Raises InvalidInputError naming what is wrong."""
    known = fields(signature)
    records = [
        {name: _value(number, name, values, known) for name, values in example.items() if values}
        for number, example in enumerate(examples)
    ]
    if not records:
        raise InvalidInputError("Input is empty: it has no examples")
    return tensors_from_document(records, signature)


def classifications(response: InferenceResponse, signature: Signature) -> list[Classification]:
    """Each row's classes and scores; a model that gives labels alone has one class for each row, with score 0."""
    classes = classes_of(signature)
    if classes.scores is not None:
        scores = response.outputs[classes.scores]
        if scores.ndim != 2:
            raise ModelFailedError(f"output {classes.scores!r} has shape {list(scores.shape)}, not one row per example")
        width = scores.shape[1]
        labels = classes.labels if len(classes.labels) == width else [str(index) for index in range(width)]
        return [list(zip(labels, row, strict=True)) for row in _numbers(scores)]
    assert classes.classes is not None
    found = response.outputs[classes.classes]
    return [[(_label(item, classes.labels), 0.0)] for item in found.reshape(len(found), -1)[:, 0].tolist()]


def regressions(response: InferenceResponse, signature: Signature) -> list[float]:
    """Each row's number."""
    values: list[float] = _numbers(response.outputs[regression_of(signature)].reshape(-1))
    return values


def _features(example: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        found[name] = list(getattr(feature, kind).value) if kind else []
    return found


def _value(number: int, name: str, values: list[Any], known: Fields) -> Any:
    """What a record holds for a feature: a single value for a column, nested lists for a whole input."""
    spec, place = known.get(name, (None, None))
    values = [_text(value, spec) if isinstance(value, bytes) else value for value in values]
    row = spec.shape[1:] if spec is not None and spec.shape else ()
    if place is None and len(row) > 1:
        return _nested(number, name, values, row)
    if len(values) == 1 and (place is not None or not row):
        return values[0]
    if place is not None:
        raise InvalidInputError(
            f"example {number}: feature {quoted(name)} has {len(values)} values; a column takes one in each example"
        )
    return values


def _nested(number: int, name: str, values: list[Any], row: tuple[int, ...]) -> Any:
    free = [axis for axis, size in enumerate(row) if size == -1]
    known = prod(size for size in row if size != -1)
    shape = list(row)
    if len(free) == 1 and known:
        shape[free[0]] = len(values) // known
    if len(free) > 1 or prod(shape) != len(values):
        raise InvalidInputError(
            f"example {number}: feature {quoted(name)} has {len(values)} values; a row of that input is {list(row)}"
        )
    flat = np.empty(len(values), np.object_)
    flat[:] = values
    return flat.reshape(shape).tolist()


def _text(value: bytes, spec: TensorSpec | None) -> Any:
    """Bytes as JSON has them: as text where they are one, unless they are a file."""
    if spec is None or not takes_files(spec):
        try:
            return value.decode()
        except UnicodeDecodeError:
            pass
    return {"b64": base64.b64encode(value).decode()}


def _numbers(array: Array) -> Any:
    """Floats as they read in 32 bits: 0.1, not 0.10000000149011612."""
    narrow = array.astype(np.float32)
    flat = np.empty(narrow.size, np.object_)
    flat[:] = [float(str(item)) for item in narrow.reshape(-1)]
    return flat.reshape(narrow.shape).tolist()


def _label(item: Any, labels: tuple[str, ...]) -> str:
    if isinstance(item, bytes):
        return item.decode(errors="replace")
    if isinstance(item, int) and not isinstance(item, bool) and 0 <= item < len(labels):
        return labels[item]
    return str(item)
