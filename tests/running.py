"""A real `modelport serve` process for the tests, on a free port."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path


class Running:
    """A server process: made ready, asked, stopped."""

    def __init__(self, *arguments: str | Path, env: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "modelport", "serve", "--port", "0", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **(env or {})}
        )
        self.lines: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = ""

    def wait_ready(self, seconds: float = 30) -> Running:
        """Wait until the terminal says that it serves."""
        if not self._ready.wait(seconds) or not self.url:
            self.stop(signal.SIGKILL)
            raise AssertionError("the server did not become ready:\n" + self.output)
        return self

    def wait_ended(self, seconds: float = 30) -> int:
        """Wait for its end; gives the exit code."""
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code

    def wait_said(self, pattern: str, seconds: float = 20) -> re.Match[str]:
        """Wait until its output matches."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            match = re.search(pattern, self.output)
            if match:
                return match
            time.sleep(0.05)
        raise AssertionError(f"{pattern!r} was not said:\n{self.output}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it and give the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.wait_ended()

    def children(self) -> list[int]:
        """The process ids of its workers."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def connect(self, timeout: float = 10) -> socket.socket:
        """A fresh TCP connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def raw(self, *chunks: bytes, timeout: float = 10) -> bytes:
        """Send bytes on a connection of their own; everything that comes back until the server closes it."""
        with self.connect(timeout) as sock:
            try:
                for chunk in chunks:
                    sock.sendall(chunk)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it answered and closed already
            return read_all(sock)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            found = re.search(r"^Modelport .* on (http://\S+)", line)
            if found:
                self.url = found[1]
            if "/metrics" in line and self.url:
                self._ready.set()
        self._ready.set()
        self.process.stdout.close()


def read_all(sock: socket.socket) -> bytes:
    """What comes until the other side closes."""
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)
