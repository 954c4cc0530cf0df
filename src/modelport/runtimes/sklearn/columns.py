"""What an estimator says about the columns that it was fitted on: numbers, categories, texts.

scikit-learn keeps the names of columns but not their types. The steps that look at a column first give them away: an
encoder keeps its categories, an imputer the value that it fills in, a vectorizer takes texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelport.core.datatypes import BYTES

#: Where estimators that are made of others keep a fitted one of them that sees the same columns.
_INNER = ("best_estimator_", "_preprocessor", "regressor_", "estimator_", "estimators_", "calibrated_classifiers_")
#: Arrays that are made of the rows that an estimator was fitted on, in their precision.
_FITTED = ("coef_", "cluster_centers_", "components_", "means_", "mean_", "scale_", "min_", "center_", "_fit_X")


@dataclass(frozen=True)
class ColumnKind:
    """What one column holds. `sample` is a value that the estimator takes; `missing` stands for no value.

    `frame_categories` are the values of a column of pandas' categorical type, in the order of their numbers.
    """

    datatype: str
    sample: Any = 0.0
    categories: tuple[str, ...] = ()
    text: bool = False
    missing: Any = np.nan
    frame_categories: list[Any] | None = None


#: Kinds by the column's place; a place that is not there is not known.
Kinds = dict[int, ColumnKind]
TEXT = ColumnKind(BYTES, "text", text=True)


def takes_texts(estimator: Any) -> bool:
    """Whether it takes a list of texts instead of a table: its first step is a vectorizer."""
    first = _first_step(estimator)
    if hasattr(first, "transformer_list"):
        return all(takes_texts(part) for _, part in first.transformer_list)
    return hasattr(first, "build_analyzer")


def kinds_of(estimator: Any) -> Kinds:
    """What is known of the columns of a fitted estimator."""
    if hasattr(estimator, "steps"):
        return _kinds_of_steps([step for _, step in estimator.steps])
    if hasattr(estimator, "transformers_") and hasattr(estimator, "_transformer_to_input_indices"):
        return _kinds_of_parts(estimator)
    if hasattr(estimator, "transformer_list"):
        return _merged(kinds_of(part) for _, part in estimator.transformer_list)
    categories = getattr(estimator, "categories_", None)
    if isinstance(categories, list):
        return {place: _of_categories(np.asarray(values)) for place, values in enumerate(categories)}
    fills = getattr(estimator, "statistics_", None)
    if fills is not None:
        return _of_fills(np.asarray(fills))
    inner = _inner(estimator)
    return kinds_of(inner) if inner is not None else {}


def dropped_columns(estimator: Any) -> set[int]:
    """Places of columns that the first step leaves out, and that a table need not have."""
    first = _first_step(estimator)
    if not hasattr(first, "transformers_") or not hasattr(first, "_transformer_to_input_indices"):
        return set()
    places: dict[bool, set[int]] = {True: set(), False: set()}
    for name, part, _ in first.transformers_:
        places[isinstance(part, str) and part == "drop"].update(map(int, first._transformer_to_input_indices[name]))  # noqa: SLF001
    return places[True] - places[False]


def fitted_in_single_precision(estimator: Any) -> bool:
    """Whether it learned from float32."""
    for part in _parts(estimator):
        found = [value for value in (getattr(part, name, None) for name in _FITTED) if isinstance(value, np.ndarray)]
        if any(value.dtype == np.float32 for value in found):
            return True
    return False


def _parts(estimator: Any) -> Iterator[Any]:
    """The estimator and what it is made of, one level of each."""
    yield estimator
    for _, step in getattr(estimator, "steps", ()):
        yield from _parts(step)
    inner = _inner(estimator)
    if inner is not None:
        yield from _parts(inner)


def _first_step(estimator: Any) -> Any:
    while True:
        steps = [step for _, step in getattr(estimator, "steps", ()) if step is not None and step != "passthrough"]
        inner = steps[0] if steps else _inner(estimator)
        if inner is None or hasattr(estimator, "transformers_"):
            return estimator
        estimator = inner


def _inner(estimator: Any) -> Any:
    """A fitted estimator that this one hands its rows to; None where there is none."""
    for name in _INNER:
        inner = getattr(estimator, name, None)
        if isinstance(inner, list | np.ndarray):
            inner = inner[0] if len(inner) and not isinstance(inner[0], list | np.ndarray) else None
        if inner is not None and not isinstance(inner, str):
            return inner
    return None


def _kinds_of_steps(steps: list[Any]) -> Kinds:
    """The first step's; and those after an imputer, whose columns are the same, know the categories better."""
    known: list[Kinds] = []
    for step in steps:
        if step is None or (isinstance(step, str) and step == "passthrough"):
            continue
        known.append(kinds_of(step))
        if not _keeps_columns(step):
            break
    return _merged(reversed(known))


def _keeps_columns(step: Any) -> bool:
    fills = getattr(step, "statistics_", None)
    if fills is None or getattr(step, "add_indicator", False):
        return False
    return not any(isinstance(value, float) and np.isnan(value) for value in np.asarray(fills, object).tolist())


def _kinds_of_parts(transformer: Any) -> Kinds:
    """Of a ColumnTransformer, whose parts see some of the columns each."""
    found: list[Kinds] = []
    for name, part, columns in transformer.transformers_:
        places = [int(place) for place in transformer._transformer_to_input_indices[name]]  # noqa: SLF001
        if isinstance(part, str) or not places:
            continue
        if isinstance(columns, str | int) and takes_texts(part):
            found.append({places[0]: TEXT})
        else:
            found.append({places[at]: kind for at, kind in kinds_of(part).items() if at < len(places)})
    return _merged(found)


def _merged(kinds: Any) -> Kinds:
    """What is said first counts, except that categories are worth more than none."""
    merged: Kinds = {}
    for part in kinds:
        for place, kind in part.items():
            if place not in merged or (kind.categories and not merged[place].categories):
                merged[place] = kind
    return merged


def _of_categories(values: Any) -> ColumnKind:
    if values.dtype.kind in "biuf":
        finite = [value for value in values.tolist() if value == value]  # noqa: PLR0124 - NaN is not itself
        return ColumnKind("FP64", finite[0] if finite else np.nan)
    present = [value for value in values.tolist() if _is_value(value)]
    if not all(isinstance(value, str) for value in present):
        return ColumnKind("FP64", present[0] if present else np.nan)
    missing = None if any(value is None for value in values.tolist()) else np.nan
    return ColumnKind(BYTES, present[0] if present else "", tuple(present), missing=missing)


def _of_fills(fills: Any) -> Kinds:
    kinds = {}
    for place, value in enumerate(fills.tolist()):
        kinds[place] = ColumnKind(BYTES, value) if isinstance(value, str) else ColumnKind("FP64", value or 0.0)
    return kinds


def _is_value(value: Any) -> bool:
    return value is not None and value == value  # noqa: PLR0124 - NaN is not itself
