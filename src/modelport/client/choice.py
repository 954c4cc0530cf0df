"""Which dialect is the fastest for calls of one kind, told by the calls themselves: none is sent twice to find out.

The first calls take turns between the dialects; then the one with the least median stays. It is measured again after a
while, and more and more rarely. An answer that is an error says nothing about speed; a dialect that fails several times
in a row, while another works, is left.
"""

from __future__ import annotations

from statistics import median
from threading import Lock
from time import monotonic

#: Calls of each dialect in a round; the first ones open connections and warm up, so their times don't count.
ROUND, WARM = 8, 2
#: Seconds until it is measured again: doubled each time, up to the second number.
FIRST_PERIOD, LONGEST_PERIOD = 60.0, 3600.0
#: Failures in a row after which a dialect is left.
FAILURES = 3


class Choice:
    """The choice for one model and one size of inputs. Safe to use from several threads."""

    def __init__(self) -> None:
        self.chosen: str | None = None
        #: Median seconds of each dialect in the last round.
        self.medians: dict[str, float] = {}
        self._lock = Lock()
        self._until = 0.0
        self._period = FIRST_PERIOD
        self._seconds: dict[str, list[float]] = {}
        self._started: dict[str, int] = {}
        self._failures: dict[str, int] = {}

    @property
    def measuring(self) -> bool:
        """Whether a round is under way."""
        return bool(self._seconds)

    def pick(self, dialects: tuple[str, ...]) -> str:
        """The dialect of the next call, out of those that can be spoken now; the first is the usual one."""
        if len(dialects) == 1:
            return dialects[0]
        if self.chosen in dialects and not self._seconds and monotonic() < self._until:
            return self.chosen
        with self._lock:
            if self._seconds.keys() != set(dialects):
                self._seconds = {dialect: [] for dialect in dialects}
                self._started = dict.fromkeys(dialects, 0)
            able = self._able()
            if self._is_over(able):
                self._end(able)
                return self.chosen or dialects[0]
            dialect = min(able, key=self._started.__getitem__)
            self._started[dialect] += 1
            return dialect

    def took(self, dialect: str, seconds: float) -> None:
        """A call succeeded in that time."""
        if not self._seconds:  # the usual case: nothing is being measured
            if self._failures:
                self._failures.pop(dialect, None)
            return
        with self._lock:
            self._failures.pop(dialect, None)
            if dialect in self._seconds:
                self._seconds[dialect].append(seconds)
                able = self._able()
                if self._is_over(able):
                    self._end(able)

    def failed(self, dialect: str) -> None:
        """A call failed in a way that may be the dialect's fault."""
        with self._lock:
            self._failures[dialect] = self._failures.get(dialect, 0) + 1
            if self._failures[dialect] >= FAILURES and dialect == self.chosen:
                self._until = 0.0  # measure again, without it as long as it fails

    def _able(self) -> list[str]:
        able = [dialect for dialect in self._seconds if self._failures.get(dialect, 0) < FAILURES]
        if not able:  # all fail: it is the server, not the dialect
            self._failures = {}
            able = list(self._seconds)
        return able

    def _is_over(self, able: list[str]) -> bool:
        return bool(self._seconds) and all(len(self._seconds[dialect]) >= ROUND for dialect in able)

    def _end(self, able: list[str]) -> None:
        self.medians = {dialect: median(self._seconds[dialect][WARM:]) for dialect in able}
        self.chosen = min(able, key=self.medians.__getitem__)
        self._seconds = {}
        self._failures = {}
        self._until = monotonic() + self._period
        self._period = min(self._period * 2, LONGEST_PERIOD)
