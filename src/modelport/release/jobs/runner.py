"""What takes jobs from the registry and sees them through, beside a server that answers requests."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from modelport.core.errors import ConflictError, ModelportError, NotFoundError
from modelport.registry.base import Registry
from modelport.registry.jobs import ATTEMPTS, JobRecord, JobState
from modelport.release.jobs.messages import Failure, Line, Task
from modelport.release.jobs.process import JobProcess
from modelport.release.jobs.requests import done_before

_log = logging.getLogger("modelport.jobs")
#: Seconds between two looks for a job, and where the registry does not answer.
_LOOK, _AWAY = 0.5, 5.0
#: Seconds between two looks at a job that runs, and between two reports where there is nothing new.
_WATCH, _REPORT = 0.5, 1.5
#: Seconds after the last report until another server may take the job.
LEASE = 6.0
#: A lease that is over at once.
_GIVEN_BACK = 0.001


class Runner:
    """Runs one job at a time, each in a process of its own, as long as `run` does.

    `opened` gives the registry; `task` makes what a job's process is told. Workers of one server name the same
    `folder`: one of them runs jobs, and another when that one ends.
    """

    def __init__(
        self, opened: Callable[[], Registry], task: Callable[[JobRecord], Task], folder: Path | None = None
    ) -> None:
        self._opened, self._task, self._folder = opened, task, folder
        self._stopping = threading.Event()
        self._trouble = ""
        self.name = f"{socket.gethostname()[:100]}:{os.getpid()}:{secrets.token_hex(4)}"

    async def run(self) -> None:
        """Until it is cancelled; then the job that runs is ended, and given back for another server."""
        thread = threading.Thread(target=self._work, name="modelport-jobs", daemon=True)
        thread.start()
        try:
            await asyncio.Event().wait()
        finally:
            self._stopping.set()
            await asyncio.get_running_loop().run_in_executor(None, thread.join)

    def _work(self) -> None:
        with self._alone() as alone:
            while alone and not self._stopping.is_set():
                pause = _LOOK
                try:
                    job = self._opened().take_job(self.name, LEASE)
                    self._trouble = ""
                    if job is not None:
                        self._see_through(job)
                        continue
                except ModelportError as error:
                    self._tell(str(error))
                    pause = _AWAY
                except Exception:
                    _log.exception("a defect in the work on jobs; it goes on")
                    pause = _AWAY
                self._stopping.wait(pause)

    def _tell(self, trouble: str) -> None:
        """Say once that the registry is away, not every time that it is asked."""
        if trouble != self._trouble:
            _log.warning("no jobs are done now: %s", trouble)
        self._trouble = trouble

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Hold the lock of this server's workers; false where the server stops before it is free."""
        if self._folder is None:
            yield True
            return
        with (self._folder / "jobs.lock").open("ab") as file:
            yield self._locked(file)

    def _locked(self, file: IO[bytes]) -> bool:
        while not self._stopping.is_set():
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._stopping.wait(_LOOK)
            else:
                return True
        return False

    def _see_through(self, job: JobRecord) -> None:
        registry = self._opened()
        known = done_before(registry, job) if job.attempts > 1 else None
        if known is not None:
            self._finish(job, "done", known)
            return
        _log.info("job %d: %s %s, attempt %d", job.id, job.kind, job.subject, job.attempts)
        process = JobProcess(self._task(job))
        try:
            kept = self._watch(registry, job, process)
        finally:
            process.kill()
        end = process.end()
        if kept or isinstance(end, Line):
            self._ended(registry, job, end)
        else:
            self._let_go(registry, job)

    def _watch(self, registry: Registry, job: JobRecord, process: JobProcess) -> bool:
        """Report until the process ended; false where it is to stop, or is no longer this server's."""
        reported, told = time.monotonic(), process.latest
        while not process.ended(_WATCH):
            line, now = process.latest, time.monotonic()
            try:
                if line != told or now - reported > _REPORT:
                    if not registry.report_job(job.id, self.name, line.done, line.total, line.text, LEASE):
                        return False
                    reported, told = now, line
                elif registry.job(job.id).cancelling:
                    return False
            except NotFoundError:
                return False
            except ModelportError:
                if now - reported > LEASE:  # another may have taken it
                    return False
            if self._stopping.is_set():
                return False
        return True

    def _ended(self, registry: Registry, job: JobRecord, end: Line | str) -> None:
        if isinstance(end, Line):
            if end.failure is not None:
                self._finish(job, "failed", _document(end.failure))
            else:
                self._finish(job, "done", end.result or {})
            return
        _log.warning("job %d: %s", job.id, end)
        if job.attempts >= ATTEMPTS:
            self._finish(job, "failed", {"error": f"{end}; it was tried {job.attempts} times", "kind": "internal"})
        else:
            registry.report_job(job.id, self.name, 0, 0, end, _GIVEN_BACK)

    def _let_go(self, registry: Registry, job: JobRecord) -> None:
        """The process was ended: because the job is cancelled, this server stops, or another has the job."""
        if registry.job(job.id).cancelling:
            known = done_before(registry, job)
            self._finish(job, "cancelled" if known is None else "done", known or {})
        else:
            registry.report_job(job.id, self.name, 0, 0, "the server that did it stopped", _GIVEN_BACK)

    def _finish(self, job: JobRecord, state: JobState, result: dict[str, Any]) -> None:
        try:
            self._opened().finish_job(job.id, self.name, state, result)
        except (ConflictError, NotFoundError) as error:
            _log.info("job %d: %s", job.id, error)


def _document(failure: Failure) -> dict[str, Any]:
    verdicts = [asdict(verdict) for verdict in failure.verdicts]
    return {"error": failure.error, "kind": failure.kind, "verdicts": verdicts}
