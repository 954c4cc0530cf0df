"""The outputs of a detector as a list of objects for each picture: box, score and label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelport.core.datatypes import Array
from modelport.core.meaning import Detection

_SCORE, _CLASS = 4, 5


def detected(boxes: Array, meaning: Detection, beside: Mapping[str, Array]) -> list[list[dict[str, Any]]]:
    """`[{"box": [x1, y1, x2, y2], "score": …, "label": …}]` for each picture, in the model's order.

    `boxes` is [pictures, objects, 4 or more]. Scores under the threshold, and what is behind the count, are left out.
    """
    scores, classes = beside.get(meaning.scores), beside.get(meaning.classes)
    if boxes.shape[-1] > _CLASS and not meaning.scores and not meaning.classes:
        scores, classes = boxes[..., _SCORE], boxes[..., _CLASS]
    corners = _corners(boxes[..., :4].astype(np.float64), meaning.form)
    counts = beside.get(meaning.count)
    found = []
    for picture in range(len(boxes)):
        count = corners.shape[1] if counts is None else int(counts.reshape(-1)[picture])
        found.append(list(_objects(corners[picture][:count], _row(scores, picture), _row(classes, picture), meaning)))
    return found


def is_unbatched(boxes: Array) -> bool:
    """Whether the boxes are those of a single picture, without an axis for pictures."""
    return boxes.ndim == 2


def _objects(
    corners: Array, scores: Array | None, classes: Array | None, meaning: Detection
) -> Iterator[dict[str, Any]]:
    for at, box in enumerate(corners.tolist()):
        told: dict[str, Any] = {"box": [_short(number) for number in box]}
        if scores is not None:
            if not float(scores[at]) >= meaning.threshold:
                continue
            told["score"] = _short(float(scores[at]))
        if classes is not None:
            told["label"] = _label(classes[at], meaning)
        yield told


def _row(array: Array | None, picture: int) -> Array | None:
    return None if array is None else array.reshape(len(array), -1)[picture]


def _label(value: Any, meaning: Detection) -> Any:
    """The class's name; a number where it has none."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    place = int(value) - meaning.first_label
    return meaning.labels[place] if 0 <= place < len(meaning.labels) else int(value)


def _corners(boxes: NDArray[np.float64], form: str) -> NDArray[np.float64]:
    """Boxes as x1, y1, x2, y2."""
    a, b, c, d = (boxes[..., place] for place in range(4))
    match form:
        case "yxyx":
            sides = [b, a, d, c]
        case "xywh":
            sides = [a, b, a + c, b + d]
        case "cxcywh":
            sides = [a - c / 2, b - d / 2, a + c / 2, b + d / 2]
        case _:
            sides = [a, b, c, d]
    return np.stack(sides, axis=-1)


def _short(number: float) -> float | None:
    """In seven digits, which is all that a float32 has; None for what is no number."""
    return float(f"{number:.7g}") if np.isfinite(number) else None
