"""Run a model before its first request: it pays for lazy initialisation, and its cost says how to run it."""

from __future__ import annotations

from statistics import median
from time import perf_counter

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, Array
from modelport.core.meaning import Tabular
from modelport.core.runtime import LoadedModel
from modelport.core.signature import Signature, TensorSpec

#: Warming up stops after this many seconds, or this many runs.
_SECONDS, _RUNS = 0.25, 15


def measured_cost(loaded: LoadedModel, signature: Signature | None = None) -> float | None:
    """Milliseconds of one prediction on a plausible row, the median of a few; None where the model refuses it.

    `signature` is the model's own with what its owner says that its tensors mean.
    """
    inputs = {spec.name: plausible(spec) for spec in (signature or loaded.signature).inputs if not spec.optional}
    costs: list[float] = []
    begin = perf_counter()
    while len(costs) < _RUNS and perf_counter() - begin < _SECONDS:
        start = perf_counter()
        try:
            loaded.predict(inputs)
        except Exception:  # zeros may be outside of what it takes: its requests will tell
            return None
        costs.append((perf_counter() - start) * 1e3)
    return median(costs[len(costs) // 3 :])  # the first runs pay for what happens once


def rows_are_independent(loaded: LoadedModel, signature: Signature | None = None) -> bool:
    """Whether two rows give together what they give apart, up to rounding: only then may requests be joined.

    A free first dimension does not say so: it can be the length of a sequence, or the axis of a softmax.
    """
    signature = signature or loaded.signature
    if not signature.batched:
        return False
    random = np.random.default_rng(0)
    rows = {spec.name: _varied(spec, random) for spec in signature.inputs}
    try:
        together = loaded.predict(rows)
        apart = [loaded.predict({name: array[at : at + 1] for name, array in rows.items()}) for at in (0, 1)]
    except Exception:
        return False
    return all(_alike(together[name], apart[0][name], apart[1][name]) for name in together)


def _varied(spec: TensorSpec, random: np.random.Generator) -> Array:
    """Two rows that differ; free dimensions beyond the first are 2, so that axes can't be mistaken for each other."""
    shape = [2 if size == -1 else size for size in spec.shape or ()]
    if spec.datatype == BYTES:
        array = np.empty(shape, np.object_)
        array.reshape(2, -1)[:] = [[b"one text"], [b"another"]]
        for at in (0, 1):
            _fill(array[at : at + 1], spec, at)
        return array
    if DTYPES[spec.datatype].kind in "iub":
        return random.integers(0, 2, shape).astype(DTYPES[spec.datatype])
    return random.standard_normal(shape).astype(DTYPES[spec.datatype])


def _alike(together: Array, first: Array, second: Array) -> bool:
    if len(together) != 2 or len(first) != 1 or len(second) != 1 or first.shape[1:] != second.shape[1:]:
        return False
    apart = np.concatenate([first, second])
    if apart.shape != together.shape or together.dtype == np.object_ or together.dtype.kind in "iubSU":
        return bool(np.array_equal(together, apart))
    return np.allclose(together.astype(np.float64), apart.astype(np.float64), rtol=1e-3, atol=1e-5, equal_nan=True)


def plausible(spec: TensorSpec) -> Array:
    """The smallest plausible tensor: every free dimension is 1; zeros, but what its columns say of themselves."""
    shape = (1,) if spec.shape is None else spec.shape
    array = np.zeros([1 if size == -1 else size for size in shape], DTYPES[spec.datatype])
    if spec.datatype == BYTES:
        array[...] = b""
    _fill(array, spec, 0)
    return array


def _fill(array: Array, spec: TensorSpec, choice: int) -> None:
    """Put a category, or the default, into each column that has any: a model may refuse everything else."""
    if not isinstance(spec.meaning, Tabular) or array.size != len(spec.meaning.columns):
        return
    for at, column in enumerate(spec.meaning.columns):
        value = column.categories[choice % len(column.categories)] if column.categories else column.default
        if spec.datatype == BYTES and isinstance(value, str):
            array.reshape(-1)[at] = value.encode()
        elif spec.datatype != BYTES and isinstance(value, int | float):
            array.reshape(-1)[at] = value
