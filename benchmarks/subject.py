"""The server of a benchmark that is about what it holds and how it changes: started, waited for, looked at."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from load import BenchmarkError


class Subject:
    """`modelport serve`. What it says is in the file `log`."""

    def __init__(self, models: Path, folder: Path, port: int, *arguments: str, prefix: Iterable[str] = ()) -> None:
        """`prefix` stands before the command: `taskset`, say."""
        self.port, self.url = port, f"http://127.0.0.1:{port}"
        self.log = folder / "log"
        command = [sys.executable, "-m", "modelport", "serve", str(models), "--port", str(port), *arguments]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*prefix, *command], stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def wait_ready(self, model: str | None = None) -> None:
        """Until everything is ready, or that model."""
        path = "/v2/health/ready" if model is None else f"/v2/models/{model}/ready"
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(self.url + path, timeout=1):
                if "/metrics" in self.log.read_text():  # which it says once all of its workers are ready
                    return
            time.sleep(0.05)
        raise BenchmarkError(f"the server does not get ready:\n{self.log.read_text()[-3000:]}")

    def post(self, path: str) -> None:
        """A request without a body. Raises BenchmarkError for any answer but 200."""
        try:
            urllib.request.urlopen(urllib.request.Request(self.url + path, method="POST"), timeout=60).close()
        except urllib.error.HTTPError as error:
            raise BenchmarkError(f"POST {path}: {error.code} {error.read()[:500]!r}") from None

    def megabytes(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 1e6

    def descriptors(self) -> int:
        """Open files and sockets."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))
