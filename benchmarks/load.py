"""Load by wrk, from one core, with figures that can be trusted: anything but a right answer ends the benchmark."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import urllib.error
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from requests_to_send import Request


@dataclass(frozen=True)
class Figures:
    """What one run of wrk saw."""

    rate: float  # requests per second
    thrift: float  # requests per second of the server's processor time: what counts where it had to share its core
    p50: float  # milliseconds
    p99: float
    others: float  # processor time that neither server nor wrk used, as a share of one core: it should be near 0


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str
    pid: int
    grpc_url: str

    def processor_seconds(self) -> float:
        """What the process has used so far, all threads together."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class BenchmarkError(Exception):
    """A figure would not mean what it says."""


def wrk() -> str:
    """The path of wrk. Raises BenchmarkError naming the Debian package."""
    path = shutil.which("wrk")
    if path is None:
        raise BenchmarkError("wrk is not installed (Debian: apt install wrk)")
    return path


def check_answer(url: str, request: Request, right: dict[str, np.ndarray]) -> None:
    """Raise BenchmarkError unless the server answers the request with these numbers."""
    try:
        outputs = request.send(url)
    except urllib.error.HTTPError as error:
        raise BenchmarkError(f"{url} answers {error.code}: {error.read()[:500]!r}") from None
    except OSError as error:
        raise BenchmarkError(f"{url} does not answer: {error}") from None
    for name, wanted in right.items():
        if outputs[name].shape != wanted.shape or not np.allclose(outputs[name], wanted, atol=1e-6):
            raise BenchmarkError(f"{url} answers {name} {outputs[name].tolist()} instead of {wanted.tolist()}")


def measure(running: Running, request: Request, folder: Path, connections: int, seconds: float, core: int) -> Figures:
    """Figures of `seconds` under load, after one more to warm up. Raises BenchmarkError for any failed request."""
    url = running.url
    script = request.wrk_script(folder)
    for duration in (1, seconds):
        clock = Clock(running)
        command = [wrk(), "-t1", f"-c{connections}", f"-d{duration:g}s", "-s", str(script), url + request.path]
        done = subprocess.run(["taskset", "-c", str(core), *command], capture_output=True, text=True, check=True)
    spent, others = clock.read()
    seen = json.loads(done.stdout.splitlines()[-1])
    if seen["status"] or seen["socket"] or not seen["requests"]:
        raise BenchmarkError(
            f"{url}: of {seen['requests']} requests {seen['status']} failed, {seen['socket']} socket errors"
        )
    rate = seen["requests"] / seen["microseconds"] * 1e6
    return Figures(rate, seen["requests"] / spent, seen["p50"] / 1000, seen["p99"] / 1000, others / seconds)


class Clock:
    """Processor time of the server, and of what is neither the server nor the load, from its making on."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._server, self._load, self._all = running.processor_seconds(), _children_seconds(), _machine_seconds()

    def read(self) -> tuple[float, float]:
        """Seconds of the server's, and of others'; the load has ended and was waited for."""
        server = self._running.processor_seconds() - self._server
        return server, _machine_seconds() - self._all - server - (_children_seconds() - self._load)


def _children_seconds() -> float:
    """Processor time of the processes that were waited for: wrk's."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _machine_seconds() -> float:
    """Processor time that anything at all has used: user, nice, system, irq and softirq."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    return sum(int(fields[index]) for index in (0, 1, 2, 5, 6)) / os.sysconf("SC_CLK_TCK")
