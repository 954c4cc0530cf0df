"""A timer of microseconds: those of event loops round to whole milliseconds, too coarse to send by."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from time import monotonic

_CLOCK_MONOTONIC = 1
_NONBLOCK_CLOEXEC = 0o2004000
_ABSOLUTE = 1
#: Events nearer than this are taken together: waking up costs a few microseconds itself.
_NEAR = 50e-6


class _Times(ctypes.Structure):
    """struct itimerspec: interval and first expiry."""

    _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns")]


class Timer:
    """Calls back on the event loop at a time of the monotonic clock. Source: timerfd_create(2).

    Where the system has no such timer, the loop's own is used.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop, self._callback = loop, callback
        self._libc = ctypes.CDLL(None, use_errno=True)
        create = getattr(self._libc, "timerfd_create", None)
        self._descriptor = -1 if create is None else int(create(_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC))
        if self._descriptor >= 0:
            loop.add_reader(self._descriptor, self._fired)

    def set(self, at: float) -> None:
        """Call back once at that time, or at once where it has passed."""
        wait = max(at - monotonic(), _NEAR)
        if self._descriptor < 0:
            self._loop.call_later(wait, self._callback)
            return
        first = max(at, monotonic() + _NEAR)
        times = _Times(0, 0, int(first), int(first % 1 * 1e9))
        self._libc.timerfd_settime(self._descriptor, _ABSOLUTE, ctypes.byref(times), None)

    def close(self) -> None:
        """Never call back again."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _fired(self) -> None:
        os.read(self._descriptor, 8)
        self._callback()
