"""What a model's process prints, line by line, in its parent's log under the model's name."""

from __future__ import annotations

import logging
import os
import select
import subprocess
import threading
from collections import deque
from collections.abc import Callable

_log = logging.getLogger("modelport.models")
_LONGEST_LINE = 4000
_READ = 1 << 16
#: The last lines, for the error of a process that ends before it has said why.
_REMEMBERED = 12
_LOOK_MS = 5000


class Output:
    """Reads the pipe in a thread of its own until it ends or `close` is called; then calls `on_end`, once."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], on_end: Callable[[], None]) -> None:
        assert process.stdout is not None
        self._name = name
        self._pipe = process.stdout
        self._on_end = on_end
        self._closed = threading.Event()
        self._drained = threading.Event()
        self._last: deque[str] = deque(maxlen=_REMEMBERED)
        self._thread = threading.Thread(target=self._read, name=f"modelport-output-{name}", daemon=True)
        self._thread.start()

    def tail(self) -> str:
        """The last lines that were printed."""
        return "\n".join(self._last)

    def wait(self, seconds: float) -> None:
        """Wait until all that an ended process printed is read."""
        self._drained.wait(seconds)

    def close(self) -> None:
        """Stop reading. A process of the model's own may hold the pipe open for as long as it likes."""
        self._closed.set()
        self.wait(1.0)

    def _read(self) -> None:
        number, rest = self._pipe.fileno(), b""
        poll = select.poll()
        poll.register(number, select.POLLIN | select.POLLHUP)
        try:
            while not self._closed.is_set():
                if not poll.poll(_LOOK_MS):
                    continue
                data = os.read(number, _READ)
                if not data:
                    break
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._write(line)
                rest = rest[-_LONGEST_LINE:]
            if rest:
                self._write(rest)
        finally:
            self._pipe.close()
            self._drained.set()
            self._on_end()

    def _write(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip()[:_LONGEST_LINE]
        if text:
            self._last.append(text)
            _log.info("%s: %s", self._name, text)
