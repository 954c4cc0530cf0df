"""An output given as its best classes, `score:index:label`, instead of all its scores.

Source: Triton "Classification Extension".
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError
from modelport.core.meaning import Labels, Probabilities
from modelport.core.signature import TensorSpec
from modelport.wire.quoting import quoted


def class_count(value: Any, spec: TensorSpec) -> int:
    """How many classes the parameter `classification` asks for; 0 for the scores. Raises InvalidInputError."""
    if value is None or (value == 0 and not isinstance(value, bool)):
        return 0
    if type(value) is not int or value < 0:
        raise InvalidInputError(
            f"output {spec.name!r}: the parameter classification must be a number of classes, not {quoted(value)}"
        )
    if spec.datatype in ("BOOL", "BYTES"):
        raise InvalidInputError(f"output {spec.name!r} is {spec.datatype}: only scores can be classified")
    return value


def best_classes(array: Array, spec: TensorSpec, count: int) -> Array:
    """The `count` best classes as a BYTES tensor, best first: one list for a vector, one for each row otherwise."""
    rows = array.reshape(1, -1) if array.ndim < 2 else array.reshape(len(array), prod(array.shape[1:]))
    count = min(count, rows.shape[1])
    labels = spec.meaning.labels if isinstance(spec.meaning, Labels | Probabilities) else ()
    write = "%d" if array.dtype.kind in "iu" else "%f"
    wide = rows if array.dtype.kind in "iu" else rows.astype(np.float64)
    found = np.empty((len(rows), count), np.object_)
    for row, scores in enumerate(wide):
        for rank, index in enumerate(_order(scores)[:count].tolist()):
            text = f"{write % scores[index]}:{index}"
            found[row, rank] = (f"{text}:{labels[index]}" if index < len(labels) else text).encode()
    return found[0] if array.ndim < 2 else found


def _order(scores: Any) -> Any:
    """Indices from the greatest score down; equal ones in their order, NaN last."""
    order = len(scores) - 1 - np.argsort(scores[::-1], kind="stable")[::-1]
    if scores.dtype.kind == "f":
        unknown = np.isnan(scores[order])  # argsort takes NaN for the greatest
        order = np.concatenate([order[~unknown], order[unknown]])
    return order
