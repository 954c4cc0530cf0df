"""A worker process as its supervisor sees it: forked, heard of, told to stop."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass

_log = logging.getLogger("modelport.supervisor")
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
#: What the supervisor catches, and a worker does not inherit.
CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass(frozen=True, slots=True)
class Place:
    """Which worker a process is.

    It listens on the sockets of `slot`; `number` is its own as long as it runs, and names the files that it writes. It
    comes `again` where another served at its slot before. One that takes over from a worker which still serves may lack
    only the models that the other `lacks`; None means that it is taken as it is.
    """

    slot: int
    number: int
    again: bool = False
    lacks: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker says once it serves: a text for people, and the models that it could not load."""

    text: str
    failed: tuple[str, ...] = ()


#: Runs a worker, calling the second argument once it serves; gives its exit code.
Work = Callable[[Place, Callable[[Report], None]], int]


class Worker:
    """A running process. `report` is what it said, None as long as it does not serve."""

    def __init__(self, place: Place, pid: int, reader: int) -> None:
        self.place, self.pid, self.reader = place, pid, reader
        self.started = time.monotonic()
        self.report: Report | None = None
        self._heard = b""
        self._told = 0

    @property
    def lived(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.started

    def hear(self) -> bool:
        """Read what it has said; True when its report has just come."""
        try:
            said = os.read(self.reader, 1 << 16)
        except BlockingIOError:
            return False
        self._heard += said
        if self.report is not None or not self._heard.endswith(b"\n"):
            return False
        document = json.loads(self._heard)
        self.report = Report(document["text"], tuple(document["failed"]))
        return True

    def stop(self, times: int = 1) -> None:
        """Ask it to drain, unless it was asked so many times already."""
        if self._told < times:
            self._told += 1
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def ended(self) -> int | None:
        """Its exit code, negative for a signal, once it has ended; it is gone then. None as long as it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return None
        os.close(self.reader)
        return os.waitstatus_to_exitcode(status)


def start(work: Work, place: Place, inherited: Iterable[int]) -> Worker:
    """Fork a worker; it closes the descriptors that are the supervisor's alone."""
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, CAUGHT)  # until the child has handlers of its own, or none
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, CAUGHT)
        os.close(writer)
        os.set_blocking(reader, False)
        return Worker(place, pid, reader)
    _run(work, place, writer, (reader, *inherited))
    raise AssertionError("a worker never comes back here")


def _run(work: Work, place: Place, writer: int, inherited: Iterable[int]) -> None:
    """The worker's life; ends the process."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for caught in CAUGHT:
            signal.signal(caught, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal sends it to all: it is the supervisor's
        signal.pthread_sigmask(signal.SIG_UNBLOCK, CAUGHT)
        for descriptor in inherited:
            os.close(descriptor)
        _end_with_parent()
        code = work(place, lambda report: _say(writer, report))
    except BaseException:
        _log.exception("worker %d ended with a defect", place.number)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # not sys.exit: nothing of the supervisor's stack may run on in a worker


def _say(writer: int, report: Report) -> None:
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(json.dumps(asdict(report)).encode() + b"\n")


def _end_with_parent() -> None:
    """Let the kernel end this worker when its supervisor dies without a word: nobody would replace or stop it."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
