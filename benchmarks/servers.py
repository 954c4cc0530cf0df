"""The servers under test: each is started on one core, waited for, and ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import triton_peer
from load import BenchmarkError, Running
from requests_to_send import MODEL

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Server:
    """A server that answers Open Inference Protocol requests for `model`; gRPC is on `grpc_port`, or else on `port`."""

    name: str
    command: list[str]
    port: int
    runs_model: bool = True
    takes_binary: bool = True
    model: str = "breast-cancer"
    grpc_port: int | None = None

    @contextlib.contextmanager
    def on_core(self, core: int) -> Iterator[Running]:
        """It, once the model answers. Raises BenchmarkError with its output where it does not."""
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                ["taskset", "-c", str(core), *self.command],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                url = f"http://127.0.0.1:{self.port}"
                if not _ready(process, f"{url}/v2/models/{self.model}/ready"):
                    raise BenchmarkError(f"{self.name} does not get ready")
                yield Running(url, process.pid, f"http://127.0.0.1:{self.grpc_port or self.port}")
            except BenchmarkError as error:
                raise BenchmarkError(
                    f"{error}\n{self.name} (exit code {process.poll()}) said:\n{_tail(output)}"
                ) from None
            finally:
                end(process)


def modelport(file: Path = MODEL) -> Server:
    """This project, as `modelport serve` runs it: one worker, everything on."""
    port = free_port()
    command = [sys.executable, "-m", "modelport", "serve", str(file), "--port", str(port)]
    return Server("Modelport", command, port, model=file.stem)


def triton(http_threads: int, model: str = "breast-cancer", grpc: bool = False) -> Server:
    """Triton with the backend that does no inference."""
    port = free_port()
    grpc_port = free_port() if grpc else None
    command = triton_peer.command(port, http_threads, grpc_port)
    return Server("Triton, free backend", command, port, runs_model=False, model=model, grpc_port=grpc_port)


def plain_asgi() -> Server:
    """What a careful hand-written service reaches: uvicorn, Starlette, orjson and ONNX Runtime. JSON only."""
    port = free_port()
    return Server(
        "uvicorn + Starlette",
        [sys.executable, str(HERE / "plain_asgi.py"), str(MODEL), str(port)],
        port,
        takes_binary=False,
    )


def _tail(output: IO[str]) -> str:
    output.seek(0)
    return output.read()[-3000:]


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ready(process: subprocess.Popen[bytes], url: str) -> bool:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
            if answer.status == 200:
                return True
        time.sleep(0.05)
    return False


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop; kill it where it does not within ten seconds."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
