"""`python -m modelport.release.jobs PARENT`: one job, which comes on stdin; what comes of it goes to stdout."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import IO

import msgspec

from modelport.core.errors import Kind, ModelportError
from modelport.registry.opening import open_registry
from modelport.release.jobs.messages import Failure, Line, Task
from modelport.release.jobs.requests import do_job
from modelport.release.promotion.wish import RefusedError
from modelport.runtimes.isolation.worker import die_with
from modelport.runtimes.trust import parse_trust

#: Added to the nice value: whoever serves requests goes first.
_NICER = 10
#: Seconds between two lines of progress.
_APART = 0.1


def main(parent: int) -> int:
    """Do the job; gives the exit status, 0 also where it failed and that was said."""
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICER)
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=Task)
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a model prints is not a line of ours
        _write(out, _end(task, out))
    return 0


def _end(task: Task, out: IO[bytes]) -> Line:
    """Do the work, and say what came of it."""
    try:
        registry = open_registry(task.registry)
        try:
            trust = parse_trust([task.trust], [task.trust_globals])
            return Line(result=do_job(registry, task.job, _Progress(out), trust))
        finally:
            registry.close()
    except RefusedError as error:
        return Line(failure=Failure(str(error), error.kind, error.verdicts))
    except ModelportError as error:
        return Line(failure=Failure(str(error), error.kind))
    except Exception as error:
        return Line(failure=Failure(f"{type(error).__name__}: {error}", Kind.INTERNAL))


class _Progress:
    """Writes how far the job is, not too often."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out, self._last = out, 0.0

    def __call__(self, done: int, total: int, text: str) -> None:
        now = time.monotonic()
        if now - self._last >= _APART:
            self._last = now
            _write(self._out, Line(done, total, text))


def _write(out: IO[bytes], line: Line) -> None:
    out.write(msgspec.json.encode(line) + b"\n")
    out.flush()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
