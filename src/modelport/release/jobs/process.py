"""The process of one job, as its server sees it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress

import msgspec

from modelport.release.jobs.messages import Heard, Line, Task
from modelport.runtimes.isolation.child import exit_text


class JobProcess:
    """Started when it is made. It ends with the thread that made it, however that happens."""

    def __init__(self, task: Task) -> None:
        command = [sys.executable, "-m", "modelport.release.jobs", str(os.getpid())]
        self._folder = tempfile.mkdtemp(prefix="modelport-job-")
        self._process = subprocess.Popen(  # noqa: S603 - words of our own
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "TMPDIR": self._folder},
        )
        self._heard = Heard()
        self._reader = threading.Thread(target=self._listen, name="modelport-job", daemon=True)
        self._reader.start()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(msgspec.json.encode(task) + b"\n")
            self._process.stdin.close()

    @property
    def latest(self) -> Line:
        """How far it is."""
        return self._heard.latest

    def ended(self, seconds: float) -> bool:
        """Whether it is over; waits so long for that."""
        self._reader.join(seconds)
        return not self._reader.is_alive()

    def end(self) -> Line | str:
        """How it ended: what it said, or where it said nothing, what happened to it. Once it ended or was killed."""
        status = self._process.wait()
        return self._heard.end or f"the job's process {exit_text(status)}"

    def kill(self) -> None:
        """End it, and those that it started, at once; nothing of what it wrote meanwhile is left."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._heard.take(line)
