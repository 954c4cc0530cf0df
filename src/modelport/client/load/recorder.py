"""Keeps the times of one process while it makes load. It is called for every request, so it does little."""

from __future__ import annotations

from modelport.client.load.outcome import Outcome

_MANY = 8192


class Recorder:
    """Counts what falls into the window [`begin`, `end`) of the monotonic clock.

    A closed loop's answer counts by when it came, an open loop's latency by when the request was due: one that was due
    in the window counts however late its answer is.
    """

    def __init__(self, begin: float, end: float, *, by_start: bool) -> None:
        self.outcome = Outcome(seconds=end - begin)
        self._begin, self._end, self._by_start = begin, end, by_start
        self._times: list[float] = []
        self._lags: list[float] = []

    def answered(self, start: float, now: float, size: int, sent: int) -> None:
        """A right answer of `size` bytes came."""
        if now < self._begin:
            return
        outcome = self.outcome
        if now < self._end:
            outcome.done += 1
            outcome.received += size
            outcome.sent += sent
        if start >= self._begin or not self._by_start:
            self._times.append(now - start)
            if len(self._times) >= _MANY:
                self.flush()

    def failed(self, kind: str, sample: str, start: float, now: float) -> None:
        """A request failed, or its answer was wrong."""
        if now >= self._begin and (start >= self._begin or not self._by_start):
            self.outcome.errors[kind] += 1
            self.outcome.samples.setdefault(kind, sample)

    def lagged(self, due: float, now: float) -> None:
        """The open loop acted on a request that was due a little earlier."""
        if self._begin <= due < self._end:
            self._lags.append(now - due)
            if len(self._lags) >= _MANY:
                self.flush()

    def flush(self) -> None:
        """Put what has been collected into the histograms."""
        self.outcome.latencies.add(self._times)
        self.outcome.lags.add(self._lags)
        self._times, self._lags = [], []
