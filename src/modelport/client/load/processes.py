"""Runs a plan in its processes, and adds up what they measured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from time import monotonic

from modelport.client.load.outcome import Outcome
from modelport.client.load.plan import Plan
from modelport.core.errors import InternalError

#: Seconds that a process has to start, and to finish after its time is over.
_STARTING = 60.0
#: Between the signal and the first request: all processes have heard it by then.
_LEAD = 0.05


def run(plan: Plan) -> Outcome:
    """Measure. Blocks for `warmup` + `seconds`, and for `timeout` more where answers fail to come.

    Raises InternalError where a process that makes load dies.
    """
    with _processes(plan.parts()) as pipes:
        for pipe in pipes:
            _receive(pipe, _STARTING)
        start = monotonic() + _LEAD
        for pipe in pipes:
            pipe.send(start)
        total = Outcome()
        for pipe in pipes:
            total.merge(_receive(pipe, plan.warmup + plan.seconds + plan.timeout + _STARTING))
    return total


@contextmanager
def _processes(parts: list[Plan]) -> Iterator[list[Connection]]:
    """Fresh interpreters, which import what makes load and nothing of the caller's: they are ready soon."""
    started: list[tuple[subprocess.Popen[bytes], Connection]] = []
    try:
        for part in parts:
            here, there = Pipe()
            with there:
                code = f"from modelport.client.load.worker import work; work({there.fileno()})"
                command = [sys.executable, "-c", code]
                process = subprocess.Popen(command, pass_fds=(there.fileno(),), stdin=subprocess.DEVNULL)  # noqa: S603
            started.append((process, here))
            here.send(part)
        yield [pipe for _, pipe in started]
    finally:
        for process, pipe in started:
            process.terminate()
            process.wait()
            pipe.close()


def _receive(pipe: Connection, seconds: float) -> Outcome:
    try:
        if pipe.poll(seconds):
            received: Outcome = pipe.recv()
            return received
    except (EOFError, OSError):
        raise InternalError("a process that makes load died; see above for why") from None
    raise InternalError(f"a process that makes load has not answered for {seconds:.0f} s")
