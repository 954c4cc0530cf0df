"""One output for each row in the words of people: classes by label, items in order, objects in a picture, times.

Each function gives a list with what the rows of an output say. An output may need others beside it (a detection its
scores): those are taken by name out of `beside`, and not told a second time.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from modelport.core.datatypes import DTYPES, Array
from modelport.core.meaning import Detection, Forecast, Labels, Probabilities, Ranking
from modelport.core.signature import TensorSpec
from modelport.core.steps import later
from modelport.wire.detections import detected

Arrays = Mapping[str, Array]


def column(array: Array, spec: TensorSpec, beside: Arrays) -> list[Any]:
    """One output's value for each row."""
    match spec.meaning:
        case Detection() as detection:
            return detected(array, detection, beside)
        case Ranking() as ranking:
            return _ranked(array, ranking, beside)
        case Forecast() as forecast:
            return _forecast(array, forecast, beside)
        case Probabilities() as scores if array.ndim == 2:
            return _scores(array, scores)
        case Probabilities(labels=labels) | Labels(labels=labels) if labels and array.dtype.kind in "iu":
            return [_label(labels, value) for value in plain(_flat(array))]
        case _:
            return list(plain(_flat(array)))


def partners(spec: TensorSpec) -> set[str]:
    """The names of the outputs that are told together with this one."""
    match spec.meaning:
        case Detection(scores=scores, classes=classes, count=count):
            return {scores, classes, count}
        case Ranking(ids=ids):
            return {ids}
        case Forecast(lower=lower, upper=upper):
            return {lower, upper}
        case _:
            return set()


def plain(array: Array) -> Any:
    """Nested lists: bytes as text, floats in the fewest digits that tell them, NaN and infinities as None."""
    if array.dtype.kind in "OSU":
        return _texts(array.tolist())
    if array.dtype == DTYPES["BF16"]:
        array = array.astype(DTYPES["FP32"])
    if array.dtype.kind == "f" and array.ndim:
        # orjson writes the shortest digits that tell a float32: 0.1, not 0.10000000149011612
        return orjson.loads(orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY))
    return array.tolist()


def best(scores: Array, count: int) -> list[int]:
    """The places of the `count` best scores of a row (0: all), best first; equal ones in their order, NaN last."""
    values = scores.astype(np.float64) if scores.dtype.kind not in "iu" else scores
    order = len(values) - 1 - np.argsort(values[::-1], kind="stable")[::-1]
    if values.dtype.kind == "f":
        unknown = np.isnan(values[order])  # argsort takes NaN for the greatest
        order = np.concatenate([order[~unknown], order[unknown]])
    chosen: list[int] = (order[:count] if count else order).tolist()
    return chosen


def _flat(array: Array) -> Array:
    """A single value for each row, out of a column of them."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _scores(array: Array, meaning: Probabilities) -> list[Any]:
    """Label → score, the `top_k` best first; without labels a list, or place → score of the best."""
    labels: Sequence[str] = meaning.labels
    if len(labels) != array.shape[1]:
        labels = [str(place) for place in range(array.shape[1])] if meaning.top_k else []
    values = plain(array)
    if not labels:
        return list(values)
    if not meaning.top_k:
        return [dict(zip(labels, row, strict=True)) for row in values]
    return [
        {labels[place]: row[place] for place in best(scores, meaning.top_k)}
        for scores, row in zip(array, values, strict=True)
    ]


def _ranked(array: Array, ranking: Ranking, beside: Arrays) -> list[Any]:
    """`[{"item": …, "score": …}]` for each row, best first."""
    rows = array.reshape(len(array), -1)
    ids = beside.get(ranking.ids)
    if ids is None:
        items: Any = [list(range(rows.shape[1]))] * len(rows)
    else:
        items = plain(ids.reshape(len(ids), -1))
    return [
        [{"item": _label(ranking.items, named[place]), "score": told[place]} for place in best(scores, ranking.top_k)]
        for scores, told, named in zip(rows, plain(rows), items, strict=True)
    ]


def _forecast(array: Array, forecast: Forecast, beside: Arrays) -> list[Any]:
    """`[{"step": 1, "value": …}]` for each row, with a `time` where the start is known."""
    given = {"value": array, "lower": beside.get(forecast.lower), "upper": beside.get(forecast.upper)}
    told = {name: plain(found.reshape(len(found), -1)) for name, found in given.items() if found is not None}
    return [
        [
            {**_when(forecast, place), **{name: values[place] for name, values in zip(told, row, strict=True)}}
            for place in range(len(row[0]))
        ]
        for row in zip(*told.values(), strict=True)
    ]


def _when(forecast: Forecast, place: int) -> dict[str, Any]:
    if not forecast.start:
        return {"step": place + 1}
    return {"step": place + 1, "time": later(forecast.start, forecast.step, place)}


def _label(labels: Sequence[str], value: Any) -> Any:
    """The name of a class or an item; what has no name stays what it is."""
    return labels[value] if isinstance(value, int) and 0 <= value < len(labels) else value


def _texts(value: Any) -> Any:
    """Bytes as text; those that are not UTF-8 as {"b64": …}, as TensorFlow Serving writes them."""
    if isinstance(value, list):
        return [_texts(item) for item in value]
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}
