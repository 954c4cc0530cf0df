"""Writing one segment of a request log: what is added becomes whole with the next commit, or never was there."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from modelport.engine.requests.files import FRAME, HEADER, ROW, frame_of, row_of
from modelport.engine.requests.record import Record, encode

#: Only who runs the server may read what was asked of it.
_MODE = 0o600
_ROOM = 4096
#: Up to so many bytes are written at once.
_COPIED = 4_000_000
#: Nanoseconds.
DAY = 86_400 * 10**9


class Segment:
    """An open segment. Used by one thread. Raises OSError where the disk does not do what is asked.

    It is locked as long as it is open, so that nobody removes it as old.
    """

    def __init__(self, path: Path) -> None:
        """Begin the file at `path`, which does not exist."""
        self.path = path
        self.day = time.time_ns() // DAY
        self._data = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(self._data, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._rows = os.open(path.with_suffix(".idx"), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        except OSError:
            os.close(self._data)
            raise
        self._written = self._indexed = 0
        self._pending: list[bytes] = [HEADER]
        self._row = np.zeros(_ROOM, ROW)
        self.waiting = 0
        self.size = len(HEADER)

    def add(self, record: Record) -> None:
        """Keep a record for the next commit."""
        data = encode(record)
        length = FRAME.size + len(data)
        if self.waiting == len(self._row):
            self._row = np.concatenate([self._row, np.zeros_like(self._row)])
        self._row[self.waiting] = row_of(record, self.size, length)
        self._pending += (frame_of(data), data)
        self.waiting += 1
        self.size += length

    def commit(self) -> int:
        """Write what was added, and see to it that it is on the disk; gives how many records. A failure undoes it."""
        count = self.waiting
        if not count:
            return 0
        pending, self._pending, self.waiting = self._pending, [], 0
        rows = self._row[:count].tobytes()
        try:
            _write(self._data, pending, self._written)
            _write(self._rows, [rows], self._indexed)
            os.fdatasync(self._data)
        except OSError:
            self._undo()
            raise
        self._written = self.size
        self._indexed += len(rows)
        return count

    def close(self) -> None:
        """Let go of the file, which is not written to any more."""
        for close in (self._data, self._rows):
            _quietly(os.close, close)

    def discard(self) -> None:
        """Close it, and take it away where nothing was ever written to it."""
        if not self._written:
            _quietly(os.unlink, self.path)
            _quietly(os.unlink, self.path.with_suffix(".idx"))
        self.close()

    def _undo(self) -> None:
        _quietly(os.ftruncate, self._data, self._written)
        _quietly(os.ftruncate, self._rows, self._indexed)
        self.size = self._written


def _write(descriptor: int, parts: list[bytes], at: int) -> None:
    """Write the parts one behind the other; large ones are not copied together."""
    large = sum(map(len, parts)) > _COPIED
    for part in parts if large else [b"".join(parts)]:
        view = memoryview(part)
        while view:
            done = os.pwrite(descriptor, view, at)
            view, at = view[done:], at + done


def _quietly(act: Callable[..., object], *words: object) -> None:
    with suppress(OSError):
        act(*words)
