"""When requests are sent: as soon as the last one is answered (closed), or when they are due (open)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import Protocol

import numpy as np

from modelport.client.load.recorder import Recorder
from modelport.client.load.timer import Timer

_AT_ONCE = 4096


class Link(Protocol):
    """A connection that can send one request more."""

    def send(self, start: float) -> None:
        """Send the request; its latency counts from `start`."""


class Flow:
    """Hands requests to the links that are free, and ends when none is left in flight."""

    def __init__(self, recorder: Recorder, end: float, sent: int) -> None:
        self.recorder = recorder
        self._end, self._sent = end, sent
        self._in_flight = 0
        self.idle = asyncio.Event()
        self.over = False

    def free(self, link: Link) -> None:
        """A link can take a request: it was opened, or got an answer."""
        raise NotImplementedError

    def answered(self, start: float, size: int) -> None:
        """A right answer of `size` bytes. The link calls `free` where it can be used again."""
        self._in_flight -= 1
        self.recorder.answered(start, monotonic(), size, self._sent)
        if self.over:
            self._see()

    def failed(self, kind: str, sample: str, start: float) -> None:
        """A request came to nothing. The link calls `free` where it can be used again."""
        self._in_flight -= 1
        self.recorder.failed(kind, sample, start, monotonic())
        self._see()

    def lost(self, link: Link) -> None:
        """The link is closed: no request may go to it any more."""

    def expire(self, now: float) -> None:
        """Give up requests that waited too long for a link."""

    def unreachable(self, kind: str, sample: str) -> None:
        """A connection could not be made. In a closed loop that is a request that failed."""
        now = monotonic()
        if not self.over:
            self.recorder.failed(kind, sample, now, now)

    def stop(self) -> None:
        """Send nothing new. `idle` is set when nothing is in flight."""
        self.over = True
        self._see()

    def _see(self) -> None:
        if self.over and not self._in_flight:
            self.idle.set()


class Closed(Flow):
    """Every link always has a request in flight."""

    def free(self, link: Link) -> None:
        """See `Flow.free`."""
        now = monotonic()
        if now >= self._end:
            self.over = True
            self._see()
            return
        self._in_flight += 1
        link.send(now)


class Open(Flow):
    """Requests are due at times that were drawn beforehand; those that find no link free wait in line for one."""

    def __init__(self, recorder: Recorder, end: float, sent: int, dues: Iterator[float], timeout: float) -> None:
        super().__init__(recorder, end, sent)
        self._dues, self._timeout = dues, timeout
        self._next = next(dues)
        self._links: deque[Link] = deque()
        self._waiting: deque[float] = deque()
        self._timer = Timer(asyncio.get_running_loop(), self._due)
        self._timer.set(self._next)

    def free(self, link: Link) -> None:
        """See `Flow.free`."""
        if self._waiting:
            link.send(self._waiting.popleft())
        else:
            self._links.append(link)
            self._see()

    def lost(self, link: Link) -> None:
        """See `Flow.lost`."""
        self._links = deque(item for item in self._links if item is not link)

    def unreachable(self, kind: str, sample: str) -> None:
        """Nothing to count: the requests that wait for a connection will fail by their timeout."""

    def expire(self, now: float) -> None:
        """See `Flow.expire`."""
        while self._waiting and now - self._waiting[0] > self._timeout:
            self.failed("timeout", "no connection became free in time", self._waiting.popleft())

    def _due(self) -> None:
        now = monotonic()
        while self._next <= now and self._next < self._end:
            due, self._next = self._next, next(self._dues)
            self.recorder.lagged(due, now)
            self._in_flight += 1
            if self._links:
                self._links.popleft().send(due)
            else:
                self._waiting.append(due)
        if self._next < self._end:
            self._timer.set(self._next)
        else:
            self._timer.close()
            self.stop()


def dues(start: float, rate: float, seed: int, *, poisson: bool) -> Iterator[float]:
    """The times when requests are due from `start` on: evenly, or at random as from many callers who do not know of
    each other."""
    random = np.random.default_rng(seed)
    at = start + random.random() / rate  # processes do not send in step
    while True:
        gaps = random.exponential(1 / rate, _AT_ONCE) if poisson else np.full(_AT_ONCE, 1 / rate)
        for gap in gaps.tolist():
            yield at
            at += gap
