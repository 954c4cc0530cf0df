"""What a model costs by the rows of a batch, measured at load in a bounded time."""

from __future__ import annotations

from statistics import median
from time import perf_counter

import numpy as np

from modelport.core.runtime import LoadedModel
from modelport.core.signature import Signature
from modelport.engine.cost_curve import CostCurve
from modelport.engine.lifecycle.warmup import plausible

#: Measuring stops after this many seconds, or at this many rows, which load may go beyond.
_SECONDS, _ROWS = 0.5, 128
#: Runs of each size; a dear model has time for fewer.
_RUNS = 5


def measured_curve(loaded: LoadedModel, signature: Signature, cost_ms: float, *, joinable: bool) -> CostCurve:
    """The cost of 1, 2, 4 … plausible rows; of 1 only where rows can't be joined. `cost_ms` is that of one row."""
    curve = CostCurve()
    curve.observe(1, cost_ms)
    rows, begin = 2, perf_counter()
    while joinable and rows <= _ROWS:
        left = _SECONDS - (perf_counter() - begin)
        if left * 1e3 < 2 * cost_ms:
            break
        cost = _cost(loaded, signature, rows, left)
        if cost is None:
            break
        cost_ms = cost
        curve.observe(rows, cost)
        rows *= 2
    return curve


def _cost(loaded: LoadedModel, signature: Signature, rows: int, seconds: float) -> float | None:
    """Milliseconds, the median of some runs; None where the model refuses so many rows."""
    inputs = {spec.name: np.repeat(plausible(spec), rows, axis=0) for spec in signature.inputs if not spec.optional}
    costs: list[float] = []
    begin = perf_counter()
    while len(costs) < _RUNS and (not costs or perf_counter() - begin < seconds / 4):
        start = perf_counter()
        try:
            loaded.predict(inputs)
        except Exception:  # its requests will tell
            return None
        costs.append((perf_counter() - start) * 1e3)
    return median(costs[1:] or costs)  # the first run of a size pays for its memory
