"""How long a model takes: single requests, and rows in batches."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from modelport.core.datatypes import Array
from modelport.evaluate.metrics.weights import ratio

#: Single requests that are timed at most, after so many that are not, and for how many seconds at most.
CALLS, WARM, SECONDS = 200, 5, 5.0


@dataclass(frozen=True, slots=True)
class Speed:
    """Milliseconds of a request with one row, and rows per second in batches.

    `calls` is how many single requests were timed; None where nothing was.
    """

    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    rows_per_s: float | None = None
    calls: int = 0


class Stopwatch:
    """Times predictions. Not for several threads at once."""

    def __init__(self) -> None:
        self._rows, self._seconds = 0, 0.0
        self._single: list[float] = []

    def batch(self, predict: Callable[[], dict[str, Array]], rows: int) -> dict[str, Array]:
        """Run a batch; gives its answer."""
        began = time.perf_counter()
        answer = predict()
        self._seconds += time.perf_counter() - began
        self._rows += rows
        return answer

    def singles(self, requests: list[Callable[[], object]]) -> None:
        """Run requests of one row each, in turn, until enough are timed."""
        until = time.perf_counter() + SECONDS
        for count in range(WARM + CALLS):
            began = time.perf_counter()
            requests[count % len(requests)]()
            ended = time.perf_counter()
            if count >= WARM:
                self._single.append(ended - began)
            if ended > until:
                return

    def speed(self) -> Speed:
        """What was measured so far."""
        rate = ratio(self._rows, self._seconds)
        if not self._single:
            return Speed(rows_per_s=rate)
        p50, p95, p99 = (float(value) * 1000 for value in np.percentile(self._single, (50, 95, 99)))
        return Speed(p50, p95, p99, rate, len(self._single))
