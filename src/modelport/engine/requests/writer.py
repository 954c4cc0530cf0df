"""The thread that writes what was noted: requests never wait for it, nor for the disk."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

_log = logging.getLogger("modelport.requests")
#: Seconds between two commits at least: what was answered longer ago is on the disk.
COMMIT = 0.2
#: Requests, and bytes of their arrays, that may wait to be written; one more is not logged.
MOST, MOST_BYTES = 16384, 64_000_000
#: So many are written before the event loop, which shares the interpreter's lock, surely gets a turn.
_TURN, _PAUSE = 16, 0.0002
#: How often old segments are looked for, in seconds.
_TIDY = 60.0


class Note(Protocol):
    """Something to be written."""

    size: int

    def write(self) -> None:
        """Add it to a file. Raises nothing."""


class Sink(Protocol):
    """Where notes are written to."""

    def commit(self) -> None:
        """See to it that all notes are on the disk. Raises nothing."""

    def tidy(self) -> None:
        """Remove what is too old. Raises nothing."""

    def close(self) -> None:
        """Let go of the files. Raises nothing."""


class Writer:
    """A queue and its thread. Notes are put by the event loop's thread; everything else happens on the writer's own."""

    def __init__(self, sinks: Callable[[], Iterable[Sink]]) -> None:
        """`sinks` gives those that there are at that moment."""
        self._sinks = sinks
        self._queue: deque[Note] = deque()
        self._put = self._taken = 0
        self._asleep = True
        self._wake, self._hurry = threading.Event(), threading.Event()
        self._stopping = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, note: Note) -> bool:
        """Have a note written soon; False where too much waits."""
        waiting = self._put - self._taken
        if len(self._queue) >= MOST or waiting + note.size > MOST_BYTES:
            return False
        self._put += note.size
        self._queue.append(note)
        if self._asleep:
            self._asleep = False
            self._wake.set()
        elif len(self._queue) > MOST // 2 or waiting > MOST_BYTES // 2:
            self._hurry.set()
        return True

    def start(self) -> None:
        """Run the thread, if it does not yet."""
        with self._lock:
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="modelport-requests", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Write what waits, and end."""
        with self._lock:
            self._stopping = True
            thread = self._thread
        self._hurry.set()
        self._wake.set()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        tidied = -_TIDY
        while not self._stopping:
            if time.monotonic() - tidied >= _TIDY:
                tidied = time.monotonic()
                self._each(lambda sink: sink.tidy())
            if self._wake.wait(_TIDY):
                self._hurry.wait(COMMIT)  # others join this commit
            self._hurry.clear()
            self._wake.clear()
            self._asleep = True
            self._drain()
        self._drain()
        self._each(lambda sink: sink.close())

    def _drain(self) -> None:
        queue, done = self._queue, 0
        while queue:
            note = queue.popleft()
            self._taken += note.size
            note.write()
            done += 1
            if done % _TURN == 0 and not self._stopping:
                time.sleep(_PAUSE)
        if done:
            self._each(lambda sink: sink.commit())

    def _each(self, act: Callable[[Sink], None]) -> None:
        for sink in self._sinks():
            try:
                act(sink)
            except Exception:  # a defect shall not end the thread, which would go unseen
                _log.exception("the request log has a defect")
