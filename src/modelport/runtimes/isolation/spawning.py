"""Starting a model's process: from a thread that lives as long as this process does.

The kernel ends a process that asked to die with its parent when the *thread* that started it ends. Models are loaded in
threads that come and go, so one thread starts them all.
"""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

import modelport
from modelport.core.host import cpu_quota

#: How libraries of numbers are told how many threads to start; by themselves they count the whole machine's CPUs.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PACKAGE = Path(modelport.__file__).resolve().parent

_Task = tuple[Callable[[], subprocess.Popen[bytes]], "Future[subprocess.Popen[bytes]]"]


class _Spawner:
    """The thread. A process that is forked off this one gets one of its own, when it first needs it."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[_Task] = queue.SimpleQueue()
        self.process = os.getpid()
        threading.Thread(target=self._run, name="modelport-spawner", daemon=True).start()

    def call(self, start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        """What `start` gives or raises, called in the thread."""
        future: Future[subprocess.Popen[bytes]] = Future()
        self._tasks.put((start, future))
        return future.result()

    def _run(self) -> None:
        while True:
            start, future = self._tasks.get()
            try:
                future.set_result(start())
            except BaseException as error:
                future.set_exception(error)
            del start, future


_lock = threading.Lock()
_spawners: list[_Spawner] = []


def _fresh_lock() -> None:
    global _lock  # noqa: PLW0603 - in a forked process the old one may be held by a thread that is not there
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_fresh_lock)


def spawn(interpreter: str, end: socket.socket, threads: int, paths: tuple[Path, ...]) -> subprocess.Popen[bytes]:
    """Start a worker that talks over `end`; its output is a pipe, `stdout`. Raises OSError where that fails."""
    command = [interpreter, "-P", "-m", "modelport.runtimes.isolation.worker", str(end.fileno()), str(os.getpid())]
    environment = worker_environment(threads, paths)
    return _spawner().call(
        lambda: subprocess.Popen(  # noqa: S603 - the interpreter is this one, or the one that the model's owner names
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(end.fileno(),),
            env=environment,
            start_new_session=True,
        )
    )


def _spawner() -> _Spawner:
    with _lock:
        if not _spawners or _spawners[-1].process != os.getpid():
            with suppress(IndexError):
                _spawners.pop()
            _spawners.append(_Spawner())
        return _spawners[-1]


def worker_environment(threads: int = 0, paths: tuple[Path, ...] = ()) -> dict[str, str]:
    """The variables for a process that imports Modelport, from `paths` where these are given."""
    number = str(threads or cpu_quota())
    given = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") and not paths else []
    return {
        **dict.fromkeys(_THREADS, number),
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*map(str, paths or (PACKAGE.parent,)), *given]),
        "PYTHONUNBUFFERED": "1",
    }


def own_interpreter() -> str:
    """The interpreter that this process runs on."""
    return sys.executable
