"""The server that `modelport bench FILE` starts for itself."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from modelport.cli.predict import Target

_READY = re.compile(r"^Modelport \S+ serves .* on (http://\S+)$.*/metrics", re.MULTILINE | re.DOTALL)
#: Models may be large: what fails says so sooner.
_STARTING = 600.0
_STOPPING = 40.0


@contextmanager
def own_server(file: Path, cores: tuple[int, ...], workers: int | None) -> Iterator[Target]:
    """Serve the file from a process of its own, on these cores, until the block ends.

    Raises ClickException with what the server said where it does not get ready.
    """
    command = [sys.executable, "-m", "modelport", "serve", str(file), "--port", "0"]
    command += [] if workers is None else ["--workers", str(workers)]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)  # noqa: S603
        try:
            if cores:
                os.sched_setaffinity(process.pid, cores)  # before it has threads: it is still starting
            yield Target(_url(process, output), None, None, by_protocol=False)
        finally:
            _end(process)


def free_cores() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Cores for a server, and the others for the load. Raises ClickException on a machine with one core."""
    found = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(found) < 2:
        raise click.ClickException("--pin needs two cores: one for the server, one for the load")
    half = len(found) // 2
    return tuple(found[:half]), tuple(found[half:])


def _url(process: subprocess.Popen[bytes], output: IO[str]) -> str:
    until = time.monotonic() + _STARTING
    while time.monotonic() < until:
        ended = process.poll() is not None
        found = _READY.search(_said(output))
        if found:
            return found[1]
        if ended:
            break
        time.sleep(0.02)
    raise click.ClickException(f"the server did not get ready; it said:\n{_said(output).strip()}")


def _said(output: IO[str]) -> str:
    """All so far. The file's position is shared with the server, so it is read without being moved."""
    size = os.fstat(output.fileno()).st_size
    return os.pread(output.fileno(), size, 0).decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOPPING)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
