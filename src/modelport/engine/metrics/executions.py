"""What is counted per execution of a version: a batch of several requests is one. Beside the requests' own numbers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from modelport.core.errors import ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.engine.metrics.metrics import Labels, Metrics
from modelport.engine.metrics.segment import Row

if TYPE_CHECKING:
    from modelport.engine.served import ServedVersion

#: So many different batch sizes are told apart; further ones are counted together, as size 0.
_SIZES = 64


class Executions:
    """Counts on the event loop's thread. Rows: executions and nanoseconds by batch size, failures, the last one."""

    __slots__ = ("_failures", "_labels", "_last", "_metrics", "_sizes")

    def __init__(self, metrics: Metrics, model: str, version: int) -> None:
        self._metrics = metrics
        self._labels: Labels = {"model": model, "version": str(version)}
        self._sizes: dict[int, Row] = {}
        self._failures: Row | None = None
        self._last: Row | None = None

    def count(
        self, served: ServedVersion, request: InferenceRequest, outcome: InferenceResponse | ModelportError
    ) -> None:
        """Count one execution that has begun and finished, on the rows of `request`."""
        if isinstance(outcome, ModelportError):
            self._fail(request)
            return
        self.add(served.rows_of(request), request.finished - request.started)

    def add(self, rows: int, nanoseconds: int) -> None:
        """Count one execution that went well."""
        row = self._sizes.get(rows)
        if row is None:
            row = self._row_of(rows)
        row[0] += 1
        row[1] += nanoseconds
        assert self._last is not None
        self._last[0] = time.time()

    def _fail(self, request: InferenceRequest) -> None:
        if self._failures is None:
            self._failures = self._metrics.series("executions_failed", self._labels, 2)
        self._failures[0] += 1
        self._failures[1] += request.finished - (request.received or request.started)

    def _row_of(self, size: int) -> Row:
        if len(self._sizes) >= _SIZES:
            size = 0
        if size not in self._sizes:
            self._sizes[size] = self._metrics.series("executions", {**self._labels, "rows": str(size)}, 2)
        if self._last is None:
            self._last = self._metrics.latest("last_execution", self._labels)
        return self._sizes[size]
