"""Answers for programs: one value for each row where a model has one output, one object by output name where more.

This is the "row format" of TensorFlow Serving's REST API, which Vertex AI, MLflow and others share. Classes are told by
their labels, and scores with labels as label → score, as `predictions.py` has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from modelport.core.datatypes import DTYPES, Array
from modelport.core.errors import InvalidInputError, UnsupportedError
from modelport.core.messages import InferenceResponse
from modelport.core.signature import Signature
from modelport.wire.predictions import predictions
from modelport.wire.quoting import quoted


def row_values(response: InferenceResponse, signature: Signature) -> Any:
    """A list with the value of each row; outputs that have no rows in common as an object, or the only one as it is."""
    document = predictions(response, signature)
    if "predictions" not in document:
        outputs = document["outputs"]
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs
    rows = document["predictions"]
    if len(response.outputs) != 1:
        return rows
    name = next(iter(response.outputs))
    return [row[name] for row in rows]


def flat_rows(response: InferenceResponse, signature: Signature) -> Iterator[list[Any]]:
    """Each row as a flat list of values, in the order of the outputs: what a line of CSV holds."""
    values = row_values(response, signature)
    for value in values if isinstance(values, list) else [values]:
        yield list(_leaves(value))


def only_array(response: InferenceResponse) -> Array:
    """The answer as one array: the only output, or the numbers of several side by side, a line for each row.

    Raises UnsupportedError where texts and numbers can't be in one array.
    """
    arrays = [_portable(array) for array in response.outputs.values()]
    if len(arrays) == 1:
        return arrays[0]
    kinds = {"text" if array.dtype.kind == "U" else "numbers" for array in arrays}
    if len(kinds) != 1 or len({array.shape[:1] for array in arrays}) != 1 or not all(array.ndim for array in arrays):
        raise UnsupportedError(
            f"the outputs {', '.join(response.outputs)} don't fit into one array; accept application/json or text/csv, "
            "or choose one of them (SageMaker: the header X-Amzn-SageMaker-Custom-Attributes: outputs=NAME)"
        )
    return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)


def chosen_outputs(parameters: Mapping[str, Any], signature: Signature) -> tuple[str, ...] | None:
    """The outputs that a request's parameter `outputs` names (a name, or a list of them); None means all.

    Raises InvalidInputError for one that the model does not have.
    """
    named = parameters.get("outputs")
    if named is None:
        return None
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise InvalidInputError(f"the parameter 'outputs' names outputs of the model, not {quoted(named)}")
    signature.check_outputs(tuple(names))
    return tuple(names)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _portable(array: Array) -> Array:
    """The array in a dtype that NumPy itself has: text of a fixed width, FP32 for BF16."""
    if array.dtype == DTYPES["BF16"]:
        return array.astype(np.float32)
    if array.dtype.kind not in "OS":
        return array
    texts = [item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in array.ravel()]
    return np.array(texts, np.str_).reshape(array.shape)
