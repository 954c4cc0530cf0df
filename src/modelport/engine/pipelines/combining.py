"""What a pipeline does with several models' answers to the same question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from modelport.core.datatypes import Array
from modelport.core.errors import ModelFailedError


def mean(arrays: Sequence[Array], weights: Sequence[float] = ()) -> Array:
    """The element-wise mean, in the first array's dtype, computed in float64. Raises ModelFailedError."""
    _check(arrays)
    if not np.issubdtype(arrays[0].dtype, np.number):
        raise ModelFailedError(f"there is no mean of {arrays[0].dtype} values")
    stacked = np.stack([array.astype(np.float64) for array in arrays])
    made: Array = np.average(stacked, axis=0, weights=list(weights) or None).astype(arrays[0].dtype)
    return made


def vote(arrays: Sequence[Array]) -> Array:
    """For each element the value that occurs most often; of several such the one that comes first.

    Raises ModelFailedError.
    """
    _check(arrays)
    made = np.empty_like(arrays[0])
    columns = zip(*(array.ravel().tolist() for array in arrays), strict=True)
    winners = [Counter(column).most_common(1)[0][0] for column in columns]
    for at, winner in enumerate(winners):
        made.reshape(-1)[at] = winner
    return made


def _check(arrays: Sequence[Array]) -> None:
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise ModelFailedError(f"values of different shapes can't be combined: {sorted(map(list, shapes))}")
