"""What is counted: requests by outcome, their latency and stages, and plain counters and gauges."""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from operator import add
from pathlib import Path
from typing import cast

from modelport.core.errors import Kind
from modelport.core.messages import InferenceRequest
from modelport.engine.metrics.segment import Row, Segment, read_file
from modelport.native import collect

#: Upper bounds of the latency histogram's buckets, in seconds: one scale for all models, so that they can be added up.
BUCKETS = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
#: The same in nanoseconds.
BUCKETS_NS = array("q", (int(bound * 1e9) for bound in BUCKETS))
_BOUNDS = BUCKETS_NS.tolist()
STAGES = ("decode", "queue", "compute", "encode")
#: A meter's row: requests answered, rows of data, nanoseconds in all, nanoseconds per stage; then the buckets with the
#: overflow of all time, and those of each stage.
_COUNT, _ROWS, _SUM, _STAGE, _FIRST_BUCKET = 0, 1, 2, 3, 3 + len(STAGES)
_WIDTH = len(BUCKETS) + 1
METER_VALUES = _FIRST_BUCKET + _WIDTH * (1 + len(STAGES))
_DECODE, _QUEUE, _COMPUTE, _ENCODE = (_FIRST_BUCKET + _WIDTH * (1 + at) for at in range(len(STAGES)))
_LEAST = _BOUNDS[0]

Labels = dict[str, str]


class Meter:
    """Counts the answered requests of one version in one dialect. On the hot path: no dictionary, no formatting.

    `row` may be added to by others in the same way: `native/answer.c` does, for a batch at a time.
    """

    __slots__ = ("row",)

    def __init__(self, row: Row) -> None:
        self.row = row

    def count(self, request: InferenceRequest, rows: int, now: int) -> None:
        """Count a request that was answered at `now`, nanoseconds of `perf_counter_ns`."""
        row = self.row
        received, decoded, started, finished = request.received, request.decoded, request.started, request.finished
        total = now - received
        decode, queue, compute, encode = decoded - received, started - decoded, finished - started, now - finished
        row[0] += 1
        row[1] += rows
        row[2] += total
        row[3] += decode
        row[4] += queue
        row[5] += compute
        row[6] += encode
        row[_FIRST_BUCKET + bisect_left(_BOUNDS, total)] += 1
        # most stages are shorter than the first bound: no search for them
        row[_DECODE if decode <= _LEAST else _DECODE + bisect_left(_BOUNDS, decode)] += 1
        row[_QUEUE if queue <= _LEAST else _QUEUE + bisect_left(_BOUNDS, queue)] += 1
        row[_COMPUTE if compute <= _LEAST else _COMPUTE + bisect_left(_BOUNDS, compute)] += 1
        row[_ENCODE if encode <= _LEAST else _ENCODE + bisect_left(_BOUNDS, encode)] += 1


def make_meter(row: Row) -> Meter:
    """A meter for a row of `METER_VALUES` numbers: the extension's where that is there, which is five times as fast."""
    return Meter(row) if collect is None else cast("Meter", collect.Meter(row, BUCKETS_NS))


class Metrics:
    """This worker's numbers, and a view on those of the whole server when `folder` is shared by several workers."""

    def __init__(self, folder: Path | None = None, worker: int = 0) -> None:
        self._folder = folder
        self._segment = Segment(None if folder is None else folder / f"worker-{worker}.metrics")
        self._lost: Row = memoryview(bytearray(8 * METER_VALUES)).cast("d")
        for key, values in self._segment.read():
            if _kind(key) == "gauge":  # a worker that was killed does not hold anything any more
                self._row(key, len(values))[0] = 0

    def meter(self, model: str, version: int, dialect: str) -> Meter:
        """The meter of a version in a dialect."""
        key = _key("meter", "request", {"model": model, "version": str(version), "dialect": dialect})
        return make_meter(self._row(key, METER_VALUES))

    def error(self, model: str, dialect: str, kind: Kind) -> None:
        """Count a refused or failed request. `model` is empty where no such model is served."""
        self.add("request_errors", {"model": model, "dialect": dialect, "kind": str(kind)})

    def add(self, name: str, labels: Labels, amount: float = 1) -> None:
        """Add to a counter."""
        self._row(_key("counter", name, labels), 1)[0] += amount

    def counter(self, name: str, labels: Labels) -> Row:
        """A counter's row of one number, to be added to in place."""
        return self._row(_key("counter", name, labels), 1)

    def set(self, name: str, labels: Labels, value: float) -> None:
        """Set a gauge; over several workers gauges add up."""
        self._row(_key("gauge", name, labels), 1)[0] = value

    def gauge(self, name: str, labels: Labels) -> Row:
        """A gauge's row of one number, to be set in place; over several workers gauges add up."""
        return self._row(_key("gauge", name, labels), 1)

    def series(self, name: str, labels: Labels, count: int) -> Row:
        """A row of `count` numbers, to be added to in place; several workers' rows add up."""
        return self._row(_key("series", name, labels), count)

    def latest(self, name: str, labels: Labels) -> Row:
        """A row of one number, a moment in Unix seconds; of several workers' the latest counts."""
        return self._row(_key("latest", name, labels), 1)

    def collect(self) -> dict[tuple[str, str, tuple[tuple[str, str], ...]], list[float]]:
        """(type, name, labels) → values, added up over all workers."""
        total: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[float]] = {}
        for key, values in self._all_rows():
            kind, name, labels = json.loads(key)
            label_items = tuple((str(label), str(value)) for label, value in labels)
            before = total.get((kind, name, label_items))
            join = max if kind == "latest" else add
            total[kind, name, label_items] = values if before is None else list(map(join, before, values))
        return total

    def _all_rows(self) -> Iterator[tuple[bytes, list[float]]]:
        if self._folder is None:
            yield from self._segment.read()
            return
        for path in sorted(self._folder.glob("worker-*.metrics")):
            yield from read_file(path)

    def _row(self, key: bytes, count: int) -> Row:
        """A full segment loses new series rather than requests."""
        row = self._segment.row(key, count)
        return self._lost if row is None else row


def _key(kind: str, name: str, labels: Labels) -> bytes:
    return json.dumps([kind, name, sorted(labels.items())], separators=(",", ":")).encode()


def _kind(key: bytes) -> str:
    return str(json.loads(key)[0])
