"""Runs dear models in threads. While one prediction runs, arrivals wait; the next batch is all that waits and fits.

Each version has a queue and threads of its own, so that a slow model never stands before a fast one: the operating
system shares the processors among them. Nobody waits for a timer unless `max_delay_ms` says so.
"""

from __future__ import annotations

import asyncio
import logging
import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic, perf_counter_ns

from modelport.core.errors import DeadlineExceededError, ModelFailedError, OverloadedError, UnavailableError
from modelport.core.host import cpu_quota
from modelport.core.messages import InferenceRequest
from modelport.engine.batches import Computed, compute
from modelport.engine.served import ON_THE_LOOP, Done, ServedVersion
from modelport.engine.settings import EngineSettings
from modelport.engine.streaming import Channel, run_stream
from modelport.engine.waiting import Entry, Waiting

_log = logging.getLogger("modelport.engine")
#: A large request that takes less than this part of the limit is quick.
_QUICK = 0.5
#: The part of a request's time that its batch may take: while it waits for one batch and runs in the next.
_SHARE = 0.5
#: The weight of a new observation against what was known.
_NEW = 0.1


class Lane:
    """What one version has in the scheduler: who waits, how many predictions run, and the threads that run them."""

    __slots__ = (
        "concurrency",
        "delay",
        "depth",
        "limit",
        "rows",
        "running",
        "scheduled",
        "slack",
        "threads",
        "timer",
        "until",
        "waiting",
    )

    def __init__(self, served: ServedVersion, settings: EngineSettings) -> None:
        options = served.options
        self.waiting = Waiting()
        self.depth = served.metrics.gauge("queue_depth", {"model": served.model, "version": str(served.version)})
        self.running = 0
        self.slack = 0.0  # seconds from a batch's start to the next one's beside those of its predictions
        self.until = 0.0  # when what runs is likely to end, on the monotonic clock
        self.scheduled = False
        self.timer: asyncio.TimerHandle | None = None
        self.concurrency = served.instances or options.concurrency or settings.pool_threads or cpu_quota()
        self.limit = options.queue or settings.queue
        self.delay = (options.max_delay_ms or settings.max_delay_ms) / 1e3
        self.rows = (options.max_batch or settings.batch_rows) if served.joinable and options.batching else 1
        self.threads = ThreadPoolExecutor(self.concurrency, thread_name_prefix=f"predict-{served.model}")


class Scheduler:
    """Its methods are called on the event loop's thread."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._quick_ns = settings.inline_ms * 1e6 * _QUICK
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lanes: dict[ServedVersion, Lane] = {}
        self._closed = False

    @property
    def waiting(self) -> int:
        """Requests that wait or run, of all versions."""
        return sum(len(lane.waiting) + lane.running for lane in self._lanes.values())

    def depth(self, served: ServedVersion) -> int:
        """Requests that wait for a version."""
        lane = self._lanes.get(served)
        return len(lane.waiting) if lane is not None else 0

    def submit(
        self, served: ServedVersion, request: InferenceRequest, done: Done, channel: Channel | None = None
    ) -> None:
        """Queue a request; `done` is called on the event loop's thread. A full queue refuses at once.

        With a channel it gets all that a streaming model answers; `done` then says that there is no more.
        """
        if self._closed:
            done(UnavailableError("the server is shutting down"))
            return
        lane = self._lanes.get(served) or self._open(served)
        rows = served.rows_of(request)
        if not self._admitted(served, lane, request, rows, done):
            return
        served.inflight += 1
        lane.waiting.add(Entry(request, rows, done, channel))
        lane.depth[0] = len(lane.waiting)
        if not lane.scheduled and lane.running < lane.concurrency:
            lane.scheduled = True
            assert self._loop is not None
            self._loop.call_soon(self._start, served, lane)  # what else arrives in this pass comes along

    def close(self) -> None:
        """Take no more, refuse what waits, and wait for what runs."""
        self._closed = True
        for served, lane in list(self._lanes.items()):
            for entry in lane.waiting.clear():
                served.release()
                entry.done(UnavailableError("the server is shutting down"))
        for lane in list(self._lanes.values()):
            lane.threads.shutdown(wait=True)
        self._lanes.clear()

    def _open(self, served: ServedVersion) -> Lane:
        self._loop = asyncio.get_running_loop()
        lane = self._lanes[served] = Lane(served, self._settings)
        served.on_close.append(lambda: self._leave(served))
        return lane

    def _leave(self, served: ServedVersion) -> None:
        lane = self._lanes.pop(served, None)
        if lane is not None:
            lane.threads.shutdown(wait=False)

    def _admitted(self, served: ServedVersion, lane: Lane, request: InferenceRequest, rows: int, done: Done) -> bool:
        waiting = len(lane.waiting)
        if waiting >= lane.limit + lane.concurrency - lane.running:
            last = None if request.priority else lane.waiting.displace()
            text = f"{waiting} requests wait already for model {served.model!r}; try again in a moment"
            if last is None:
                done(OverloadedError(text))
                return False
            served.release()
            last.done(OverloadedError(f"{text}: interactive requests go before this one"))
        if request.deadline is not None and lane.running >= lane.concurrency:
            expected, left = self._expected(served, lane, request, rows), request.deadline.remaining
            if expected > left > 0:
                done(
                    OverloadedError(
                        f"model {served.model!r} is busy, and {waiting} requests wait: an answer would take about "
                        f"{expected:.3f} s, and the deadline is in {left:.3f} s; try again in a moment"
                    )
                )
                return False
        return True

    def _expected(self, served: ServedVersion, lane: Lane, request: InferenceRequest, rows: int) -> float:
        """Seconds until a request that comes now is answered, as far as costs are known."""
        assert request.deadline is not None
        size = max(self._rows(served, lane, request.deadline.remaining), rows)
        cost = served.curve.cost(size)
        if cost is None:
            return 0.0
        batches = math.ceil((lane.waiting.rows + rows) / size)
        each = cost / 1e3 + lane.slack
        return max(lane.until - monotonic(), 0.0) + batches * each / lane.concurrency

    def _rows(self, served: ServedVersion, lane: Lane, seconds: float | None) -> int:
        """How many rows a batch should have; fewer than pay best where a request has only so many seconds in all."""
        if lane.rows < 2 or served.execution in ON_THE_LOOP:
            return 1  # a cheap model is here for its large inputs, which cost more to join than to compute
        rows = served.curve.favoured(lane.rows)
        while rows > 1 and seconds is not None and (served.curve.cost(rows) or 0.0) > seconds * _SHARE * 1e3:
            rows = rows * 3 // 4
        return rows

    def _start(self, served: ServedVersion, lane: Lane) -> None:
        lane.scheduled = False
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
        while lane.waiting and lane.running < lane.concurrency and not self._closed:
            rows = self._rows(served, lane, lane.waiting.allowed)
            if self._delayed(served, lane, rows):
                break
            batch = self._in_time(served, lane, lane.waiting.take(rows))
            if batch:
                lane.running += 1
                lane.threads.submit(self._work, served, lane, batch, monotonic())
        lane.depth[0] = len(lane.waiting)

    def _in_time(self, served: ServedVersion, lane: Lane, batch: list[Entry]) -> list[Entry]:
        """The batch without those who can't be answered before their deadline any more: they are told now."""
        now = monotonic()
        cost = served.curve.cost(sum(entry.rows for entry in batch)) or 0.0
        until = lane.until = now + cost / 1e3 + lane.slack
        kept = []
        for entry in batch:
            deadline = entry.request.deadline
            if deadline is None or until <= deadline.at:
                kept.append(entry)
            else:
                entry.request.started = entry.request.finished = perf_counter_ns()
                served.release()
                entry.done(
                    DeadlineExceededError(
                        f"the request waited for {now - entry.since:.3f} s, and a prediction takes {cost / 1e3:.3f} s: "
                        "its deadline would have passed"
                    )
                )
        return kept

    def _delayed(self, served: ServedVersion, lane: Lane, rows: int) -> bool:
        """Whether the next batch waits for more; it is looked at again when its time is up."""
        if not lane.delay or lane.waiting.rows >= rows:
            return False
        left = lane.waiting.oldest + lane.delay - monotonic()
        if left <= 0:
            return False
        assert self._loop is not None
        lane.timer = self._loop.call_later(left, self._start, served, lane)
        return True

    def _work(self, served: ServedVersion, lane: Lane, batch: list[Entry], begun: float) -> None:
        try:
            channel, request = batch[0].channel, batch[0].request
            if channel is None:
                computed = compute(served, [entry.request for entry in batch])
            else:
                computed = Computed([run_stream(served, request, channel)])
        except Exception as error:  # out of memory while joining, say
            _log.exception("a batch of %s@%d failed", served.model, served.version)
            computed = _failed(served, batch, error)
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._finish, served, lane, batch, computed, begun)

    def _finish(self, served: ServedVersion, lane: Lane, batch: list[Entry], computed: Computed, begun: float) -> None:
        lane.running -= 1
        computing = sum(request.finished - request.started for request, _ in computed.runs) / 1e9
        lane.slack += _NEW * (max(monotonic() - begun - computing, 0.0) - lane.slack)
        for request, outcome in computed.runs:
            served.executions.count(served, request, outcome)
            if not isinstance(outcome, Exception):
                served.curve.observe(served.rows_of(request), (request.finished - request.started) / 1e6)
                self._learn(served, request)
        if lane.waiting and not lane.scheduled:
            self._start(served, lane)  # before the answers are written: the model does not wait for that
        for entry, outcome in zip(batch, computed.outcomes, strict=True):
            served.release()
            entry.done(outcome)

    def _learn(self, served: ServedVersion, request: InferenceRequest) -> None:
        """A large request that was quick all the same: the next ones of its size need no thread."""
        if served.execution in ("tick", "inline") and request.finished - request.started < self._quick_ns:
            size = sum(array.nbytes for array in request.inputs.values())
            served.proven_bytes = max(served.proven_bytes, size)


def _failed(served: ServedVersion, batch: list[Entry], error: Exception) -> Computed:
    text = f"model {served.model!r} failed: {type(error).__name__}: {error}"
    for entry in batch:
        entry.request.started = entry.request.started or perf_counter_ns()
        entry.request.finished = perf_counter_ns()
    return Computed([ModelFailedError(text) for _ in batch])
