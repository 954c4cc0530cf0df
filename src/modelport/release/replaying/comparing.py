"""How one output differs from what was answered before."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from modelport.core.datatypes import BYTES, FLOATS, Array, datatype_of
from modelport.core.errors import InvalidInputError
from modelport.core.meaning import Labels, Probabilities
from modelport.core.signature import TensorSpec

#: `equal` in every value (NaN equals NaN), `within` the tolerance, `different`; of another `shape` or datatype; or only
#: one of the two versions has it: `missing` now, or `new`.
State = Literal["equal", "within", "different", "shape", "missing", "new"]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Values are alike where |now − then| ≤ absolute + relative · |then|."""

    relative: float = 1e-4
    absolute: float = 1e-6

    def __post_init__(self) -> None:
        if not (self.relative >= 0 and self.absolute >= 0):
            raise InvalidInputError("a tolerance is a number of 0 or more")


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """One output, compared. `differing` elements of `elements` are beyond the tolerance.

    `absolute` and `relative` are the largest differences of numbers, None where one of the two is not finite.
    `labels` is how many rows have another class: None for an output that is no classification. `text` says it where
    numbers can't; `first` is the first differing element, then and now.
    """

    name: str
    state: State
    elements: int = 0
    differing: int = 0
    absolute: float | None = 0.0
    relative: float | None = 0.0
    labels: int | None = None
    text: str = ""
    first: tuple[str, str] | None = None


def compared(
    name: str, then: Array | None, now: Array | None, spec: TensorSpec | None, limit: Tolerance
) -> OutputDifference:
    """The difference of an output; None on one side where the answer lacks it."""
    if then is None or now is None:
        return OutputDifference(name, "new" if then is None else "missing")
    kinds = datatype_of(then), datatype_of(now)
    if then.shape != now.shape or (kinds[0] != kinds[1] and BYTES in kinds):
        text = f"{kinds[0]} {list(then.shape)} → {kinds[1]} {list(now.shape)}"
        return OutputDifference(name, "shape", text=text)
    if kinds[0] in FLOATS or kinds[1] in FLOATS:
        return _numbers(name, then, now, spec, limit)
    return _exact(name, then, now, spec)


def _exact(name: str, then: Array, now: Array, spec: TensorSpec | None) -> OutputDifference:
    wrong = np.asarray(then != now, np.bool_)
    count = int(wrong.sum())
    is_labels = then.dtype == np.object_ or (spec is not None and isinstance(spec.meaning, Labels))
    state: State = "different" if count else "equal"
    return OutputDifference(
        name, state, then.size, count, labels=count if is_labels else None, first=_first(then, now, wrong)
    )


def _numbers(name: str, then: Array, now: Array, spec: TensorSpec | None, limit: Tolerance) -> OutputDifference:
    before, after = then.astype(np.float64), now.astype(np.float64)
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    with np.errstate(all="ignore"):
        apart = np.where(same, 0.0, np.abs(after - before))
        apart = np.where(np.isnan(apart), np.inf, apart)
        share = np.where(same, 0.0, apart / np.abs(before))
        near = np.isfinite(apart) & (apart <= limit.absolute + limit.relative * np.abs(before))
    wrong = ~(same | near)
    count = int(wrong.sum())
    state: State = "different" if count else "equal" if bool(same.all()) else "within"
    return OutputDifference(
        name,
        state,
        then.size,
        count,
        _finite(apart),
        _finite(share),
        _other_classes(before, after, spec),
        first=_first(then, now, wrong),
    )


def _finite(differences: NDArray[np.float64]) -> float | None:
    largest = float(differences.max(initial=0.0))
    return largest if math.isfinite(largest) else None


def _other_classes(before: NDArray[np.float64], after: NDArray[np.float64], spec: TensorSpec | None) -> int | None:
    """How many rows' best class is another one; None where the output has no scores of classes."""
    if spec is None or not isinstance(spec.meaning, Probabilities) or before.ndim != 2 or not before.shape[1]:
        return None
    return int((before.argmax(axis=1) != after.argmax(axis=1)).sum())


def _first(then: Array, now: Array, wrong: NDArray[np.bool_]) -> tuple[str, str] | None:
    flat = np.flatnonzero(wrong)
    if not len(flat):
        return None
    return _shown(then.reshape(-1)[flat[0]]), _shown(now.reshape(-1)[flat[0]])


def _shown(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text[:100]
