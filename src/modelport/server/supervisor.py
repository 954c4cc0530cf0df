"""The supervisor: forks the workers, replaces those that die, passes signals on, and waits for them to drain."""

from __future__ import annotations

import ctypes
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

_log = logging.getLogger("modelport.supervisor")
#: A worker that dies sooner than this after its start is replaced later and later, up to _LONGEST_PAUSE.
_HEALTHY_SECONDS, _LONGEST_PAUSE = 5.0, 5.0
_TICK = 0.1
_PR_SET_PDEATHSIG = 1  # linux/prctl.h

#: Runs worker number n, calling `ready(text)` once it serves; gives its exit code. The last argument says that it
#: replaces one that died.
Work = Callable[[int, Callable[[str], None], bool], int]


def _end_with_parent() -> None:
    """Let the kernel end this worker when its supervisor dies without a word: nobody would replace or stop it."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


@dataclass(slots=True)
class _Worker:
    number: int
    pid: int = 0
    started: float = 0.0
    failures: int = 0
    due: float = 0.0


class Supervisor:
    """Runs `count` workers until told to stop. Imports no framework and starts no thread, so that forking is safe."""

    def __init__(self, work: Work, count: int, on_ready: Callable[[str], None]) -> None:
        self._work = work
        self._workers = [_Worker(number) for number in range(count)]
        self._on_ready = on_ready
        self._ready: dict[int, str] = {}
        self._stopping = False
        self._exit_code = 0

    def run(self) -> int:
        """Fork, watch, drain. Gives the exit code: 0 after SIGTERM or SIGINT, 1 when a worker could not start."""
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while not self._stopping or any(worker.pid for worker in self._workers):
            self._start_due()
            select.select([self._reader], [], [], _TICK)
            self._hear()
            self._reap()
        return self._exit_code

    def _start_due(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            if not worker.pid and not self._stopping and worker.due <= now:
                worker.started = now
                worker.pid = self._fork(worker.number)

    def _fork(self, number: int) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            for caught in (signal.SIGTERM, signal.SIGINT):
                signal.signal(caught, signal.SIG_DFL)
            os.close(self._reader)
            _end_with_parent()
            code = self._work(number, lambda text: self._say(number, text), number in self._ready)
        except BaseException:
            _log.exception("worker %d ended with a defect", number)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)  # not sys.exit: nothing of the supervisor's stack may run on in a worker

    def _say(self, number: int, text: str) -> None:
        os.write(self._writer, f"{number}\t{text}".encode()[: select.PIPE_BUF - 1] + b"\0")

    def _hear(self) -> None:
        try:
            heard = os.read(self._reader, 1 << 16)
        except BlockingIOError:
            return
        for message in heard.rstrip(b"\0").split(b"\0"):
            number, _, text = message.decode(errors="replace").partition("\t")
            before = len(self._ready)
            self._ready[int(number)] = text
            if before < len(self._ready) == len(self._workers):
                self._on_ready(self._ready[0])

    def _reap(self) -> None:
        for worker in self._workers:
            if worker.pid:
                pid, status = os.waitpid(worker.pid, os.WNOHANG)
                if pid:
                    worker.pid = 0
                    self._ended(worker, os.waitstatus_to_exitcode(status))

    def _ended(self, worker: _Worker, code: int) -> None:
        if self._stopping:
            return
        if worker.number not in self._ready and code > 0:
            self._exit_code = code  # it could not start: neither could its replacement
            self._stop(signal.SIGTERM, None)
            return
        lived = time.monotonic() - worker.started
        worker.failures = 0 if lived > _HEALTHY_SECONDS else worker.failures + 1
        pause = min(0.1 * 2**worker.failures, _LONGEST_PAUSE) if worker.failures > 1 else 0.0
        worker.due = time.monotonic() + pause
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        _log.error("worker %d died (%s) after %.1f s; it is replaced", worker.number, how, lived)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        for worker in self._workers:
            if worker.pid:
                os.kill(worker.pid, signal.SIGTERM)
