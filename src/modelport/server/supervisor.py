"""The supervisor: starts the workers, replaces those that die, renews all on SIGHUP, and stops them on SIGTERM."""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

from modelport.server.workers import CAUGHT, Place, Report, Work, Worker, start

_log = logging.getLogger("modelport.supervisor")
#: A worker that dies before it serves is replaced later and later, up to _LONGEST_PAUSE; one that served, at once, or
#: _SHORT_PAUSE later where it served for no longer than that. Seconds.
_SHORT_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
_TICK = 0.1


def _nothing() -> None:
    """What happens where nobody wants to know."""


def _unnoticed(_worker: Worker, _code: int) -> None:
    """As `_nothing`, of a worker's end."""


@dataclass(frozen=True, slots=True)
class Events:
    """Who wants to know: `ready` once all workers serve, `stopping` before they are told to stop, `ended` of each end.

    `ended` gets the exit code, negative for a signal, and is called before a replacement starts.
    """

    ready: Callable[[Report], None]
    stopping: Callable[[], None] = _nothing
    ended: Callable[[Worker, int], None] = _unnoticed


@dataclass(slots=True, eq=False)
class _Slot:
    """One of the places that are always filled. While it is renewed, there are two workers at its sockets."""

    index: int
    count: int
    current: Worker | None = None
    fresh: Worker | None = None
    leaving: Worker | None = None
    served: bool = False
    failures: int = 0
    due: float = 0.0

    @property
    def workers(self) -> Iterator[Worker]:
        """All that run."""
        return (worker for worker in (self.current, self.fresh, self.leaving) if worker is not None)

    def place(self) -> Place:
        """Where a new worker goes: its number is one that no other has now."""
        taken = {worker.place.number for worker in self.workers}
        number = next(number for number in range(self.index, 3 * self.count, self.count) if number not in taken)
        before = None if self.current is None else self.current.report
        return Place(self.index, number, self.served, None if before is None else before.failed)


class Supervisor:
    """Runs `count` workers until told to stop. Imports no framework and starts no thread, so that forking is safe."""

    def __init__(self, work: Work, count: int, events: Events) -> None:
        self._work, self._events = work, events
        self._slots = [_Slot(index, count) for index in range(count)]
        self._renewing: deque[_Slot] = deque()
        self._announced = self._stopping = False
        self._asked_to_stop = 0
        self._exit_code = 0

    def run(self) -> int:
        """Start, watch, drain. Gives the exit code: 0 after SIGTERM or SIGINT, 1 when a worker could not start."""
        self._signals, writer = os.pipe()
        os.set_blocking(self._signals, False)
        os.set_blocking(writer, False)
        self._own = (self._signals, writer)
        for number, handler in zip(CAUGHT, (self._ask, self._ask, self._renew_all, _awaken), strict=True):
            signal.signal(number, handler)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        while not self._stopping or any(any(slot.workers) for slot in self._slots):
            self._stop_when_asked()
            self._start_due()
            self._renew()
            self._listen()
            self._reap()
        return self._exit_code

    def _start_due(self) -> None:
        for slot in self._slots:
            if slot.current is None and not self._stopping and slot.due <= time.monotonic():
                slot.current = self._start(slot)

    def _start(self, slot: _Slot) -> Worker:
        readers = [worker.reader for other in self._slots for worker in other.workers]
        return start(self._work, slot.place(), (*self._own, *readers))

    def _listen(self) -> None:
        """Wait for a signal, a report or the next moment to look."""
        by_reader = {
            worker.reader: (slot, worker) for slot in self._slots for worker in slot.workers if worker.report is None
        }
        ready, _, _ = select.select([self._signals, *by_reader], [], [], _TICK)
        for reader in ready:
            if reader == self._signals:
                os.read(reader, 4096)
            elif by_reader[reader][1].hear():
                self._serves(*by_reader[reader])

    def _serves(self, slot: _Slot, worker: Worker) -> None:
        slot.served = True
        if worker is slot.fresh:
            slot.current, slot.fresh, slot.leaving = worker, None, slot.current
            if slot.leaving is not None:
                slot.leaving.stop()
        elif not self._announced and all(slot.served for slot in self._slots):
            self._announced = True
            first = self._slots[0].current
            assert first is not None
            self._events.ready(first.report or Report(""))

    # renewing

    def _renew_all(self, _number: int, _frame: FrameType | None) -> None:
        self._renewing.extend(slot for slot in self._slots if slot not in self._renewing)

    def _renew(self) -> None:
        """One slot after the other: its new worker serves beside the old one before that drains."""
        if not self._renewing or self._stopping:
            return
        slot = self._renewing[0]
        if slot.current is not None and slot.current.report is not None and slot.fresh is None is slot.leaving:
            _log.info("worker %d is renewed", slot.current.place.number)
            slot.fresh = self._start(slot)

    def _give_up(self, reason: str) -> None:
        self._renewing.clear()
        _log.error("the rolling restart is given up: %s; the workers that serve go on", reason)

    # ends

    def _reap(self) -> None:
        for slot in self._slots:
            for worker in list(slot.workers):
                code = worker.ended()
                if code is not None:
                    self._events.ended(worker, code)
                    self._ended(slot, worker, code)

    def _ended(self, slot: _Slot, worker: Worker, code: int) -> None:
        if worker is slot.leaving:
            slot.leaving = None
            if self._renewing and self._renewing[0] is slot:
                self._renewing.popleft()
        elif worker is slot.fresh:
            slot.fresh = None
            if self._renewing and not self._stopping:
                self._give_up(f"the new worker ended with {_how(code)}")
        else:
            self._died(slot, worker, code)

    def _died(self, slot: _Slot, worker: Worker, code: int) -> None:
        slot.current, slot.fresh = slot.fresh, None
        if self._stopping:
            return
        if not slot.served and code > 0:
            self._exit_code = code  # it could not start: neither could its replacement
            self._asked_to_stop = 1
            return
        if slot in self._renewing:
            self._renewing.remove(slot)  # what replaces it is as new
        slot.failures = 0 if worker.report is not None else slot.failures + 1
        slot.due = time.monotonic() + _pause(worker, slot.failures)
        number = worker.place.number
        _log.error("worker %d died (%s) after %.1f s; it is replaced", number, _how(code), worker.lived)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked_to_stop += 1

    def _stop_when_asked(self) -> None:
        """Pass on what was asked, once for each time: a worker that was asked again does not wait for its clients."""
        if self._asked_to_stop and not self._stopping:
            self._stopping = True
            self._events.stopping()
        if self._stopping:
            for slot in self._slots:
                for worker in slot.workers:
                    worker.stop(self._asked_to_stop)


def _awaken(_number: int, _frame: FrameType | None) -> None:
    """A signal with a handler ends a wait."""


def _pause(worker: Worker, failures: int) -> float:
    """Seconds until a dead worker is replaced."""
    if failures:
        return min(0.1 * 2.0**failures, _LONGEST_PAUSE)
    return 0.0 if worker.lived > _SHORT_PAUSE else _SHORT_PAUSE


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
