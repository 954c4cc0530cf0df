"""Removing what is too old, or too much, of what was logged of a model."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from modelport.engine.requests.files import SegmentName, segments_in


def remove_old(root: Path, model: str, keep_days: float, max_mb: float) -> int:
    """Remove segments whose last record is older than that, then the oldest ones until the rest is no larger.

    Gives how many were removed. Segments that a process still writes to stay. Raises nothing.
    """
    found = []
    for segment in segments_in(root, model):
        with suppress(OSError):
            found.append((segment.path.stat().st_mtime, _size(segment), segment))
    found.sort(key=lambda item: item[0])
    total, oldest, removed = sum(size for _, size, _ in found), time.time() - keep_days * 86400, 0
    for changed, size, segment in found:
        if (changed < oldest or total > max_mb * 1e6) and _remove(segment):
            total -= size
            removed += 1
    return removed


def _size(segment: SegmentName) -> int:
    with suppress(OSError):
        return segment.path.stat().st_size + segment.index.stat().st_size
    return segment.path.stat().st_size


def _remove(segment: SegmentName) -> bool:
    """Whether it was removed: nobody holds on to it."""
    try:
        descriptor = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(segment.path)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    with suppress(OSError):
        os.unlink(segment.index)
    return True
