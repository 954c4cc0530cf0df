"""One system started on cores of its own, with all its processes known: for its memory and its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from load import BenchmarkError
from servers import free_port
from systems import System
from systems.system import Job
from workloads import Workload

from modelport.core.errors import ModelportError

_READY_SECONDS = 120
_OTHERS_SECONDS = 20
_ENDING_SECONDS = 15
_MARK = "BENCHMARK_MARK"


@dataclass
class Trial:
    """A server that answers. `seconds` went by from its start to its first right answer."""

    system: System
    job: Job
    mark: str
    seconds: float

    def memory(self) -> float:
        """Megabytes of all its processes, what they share counted once (PSS)."""
        total = 0
        for pid in marked(self.mark):
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024

    def check(self, workload: Workload, dialect: str) -> None:
        """Raise BenchmarkError unless it answers with the right numbers, or where it runs no model at all."""
        try:
            answer = self.system.ask(self.job, workload.model, workload.inputs, dialect)
        except (OSError, ModelportError, ValueError, KeyError) as error:
            raise BenchmarkError(f"{self.system.name}, {workload.model} by {dialect}: {error}") from None
        if not self.system.runs_models and workload.model != "identity":
            return
        for name, wanted in workload.right_answer().items():
            there = answer.get(name)
            if there is None or there.size != wanted.size or not np.allclose(there.ravel(), wanted.ravel(), 1e-3, 1e-5):
                raise BenchmarkError(f"{self.system.name} answers {name} {there} instead of {wanted}")


@contextlib.contextmanager
def started(
    system: System,
    served: Mapping[str, Workload],
    cores: list[int],
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Trial]:
    """The system with these models, until the block ends. Raises BenchmarkError with what it said."""
    mark = uuid.uuid4().hex
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as output:
        files = {name: workload.file for name, workload in served.items()}
        job = Job(files, free_port(), free_port(), Path(folder), workers)
        launch = system.launch(job)
        command = ["taskset", "-c", ",".join(map(str, cores)), *launch.command]
        variables = {**os.environ, **launch.environment, **(environment or {}), _MARK: mark}
        began = time.monotonic()
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=variables, cwd=launch.folder, start_new_session=True
        )
        try:
            trial = Trial(system, job, mark, 0.0)
            first, *others = served.values()
            _wait(trial, first, process, output, _READY_SECONDS)
            trial.seconds = time.monotonic() - began
            for workload in others:
                with contextlib.suppress(BenchmarkError):  # the measurement of that model will say it
                    _wait(trial, workload, process, output, _OTHERS_SECONDS)
            yield trial
        finally:
            _end(process, mark)


def _wait(trial: Trial, workload: Workload, process: subprocess.Popen[bytes], output: IO[str], seconds: float) -> None:
    """Until a model answers rightly."""
    dialect = "json" if workload.model in ("breast-cancer", "costly") else "binary"
    dialect = dialect if dialect in trial.system.speaks else "grpc"
    until = time.monotonic() + seconds
    last = ""
    while time.monotonic() < until and process.poll() is None:
        try:
            trial.check(workload, dialect)
        except BenchmarkError as error:
            last = str(error)
            time.sleep(0.02)
        else:
            return
    output.seek(0)
    raise BenchmarkError(
        f"{trial.system.name} does not get ready (exit code {process.poll()}): {last}\n{output.read()[-2500:]}"
    )


def marked(mark: str) -> list[int]:
    """The processes that were started with that mark, however far they are from the first one."""
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                if wanted in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
    return found


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Ask it to stop; kill what is left of it then."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_ENDING_SECONDS)
    for _ in range(50):
        left = marked(mark)
        if not left:
            break
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    process.wait()
