"""What is logged of one model by one process: segments one after the other, and what is done when the disk refuses."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from modelport.core.request_id import process_token
from modelport.engine.metrics.segment import Row
from modelport.engine.requests.files import folder_of, segment_path
from modelport.engine.requests.keeping import remove_old
from modelport.engine.requests.options import LoggingOptions
from modelport.engine.requests.record import Record
from modelport.engine.requests.segment import DAY, Segment

_log = logging.getLogger("modelport.requests")
#: A segment has so many bytes at most, and so small a part of what is kept that removing one leaves much.
_LARGEST, _PARTS = 64_000_000, 16
#: Seconds until a disk that refused is tried again, and between two warnings of it.
_RETRY, _WARN = 2.0, 60.0


class ModelLog:
    """Used on the writer's thread. What can't be written is counted as failed."""

    def __init__(self, root: Path, model: str) -> None:
        self._root, self._model = root, model
        self.options = LoggingOptions()
        self.written: Row | None = None
        self.failed: Row | None = None
        self._segment: Segment | None = None
        self._number = 0
        self._retry = self._warned = float("-inf")

    def add(self, record: Record) -> None:
        """Write a record with the next commit."""
        try:
            segment = self._segment or self._opened()
            if segment is not None:
                segment.add(record)
        except OSError as error:
            self._failed(error, 1)
            return
        if segment is None:
            self.lose(1)
        elif segment.size >= min(_LARGEST, self.options.max_mb * 1e6 / _PARTS) or record.at // DAY > segment.day:
            self.commit()
            self._turn()

    def commit(self) -> None:
        """Write what was added."""
        segment = self._segment
        if segment is None:
            return
        waiting = segment.waiting
        try:
            count = segment.commit()
        except OSError as error:
            self._segment = None
            segment.discard()
            self._failed(error, waiting)
            return
        if self.written is not None:
            self.written[0] += count

    def tidy(self) -> None:
        """Remove what is too old or too much."""
        remove_old(self._root, self._model, self.options.keep_days, self.options.max_mb)

    def close(self) -> None:
        """Let go of the file."""
        self.commit()
        if self._segment is not None:
            self._segment.discard()
            self._segment = None

    def _opened(self) -> Segment | None:
        """A new segment; None while a disk that refused is left alone."""
        if time.monotonic() < self._retry:
            return None
        folder = folder_of(self._root, self._model)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._segment = Segment(segment_path(folder, _day(), process_token(), self._number))
        self._number += 1
        return self._segment

    def _turn(self) -> None:
        """The segment is full: the next one begins with the next record."""
        if self._segment is not None:
            self._segment.discard()
            self._segment = None
            self.tidy()

    def _failed(self, error: OSError, lost: int) -> None:
        self.lose(lost)
        now = time.monotonic()
        self._retry = now + _RETRY
        if now - self._warned > _WARN:
            self._warned = now
            _log.warning("requests to %s are answered but not logged: %s", self._model, error)

    def lose(self, count: int) -> None:
        """Count what is not written."""
        if self.failed is not None:
            self.failed[0] += count


def _day() -> str:
    return time.strftime("%Y%m%d", time.gmtime())
