"""Work that must not slow down the requests beside it: it gets the processor when nobody else wants it.

Every thread has a nice value, and inherits that of the thread that starts it. Raising it is always allowed; lowering it
again takes a right (CAP_SYS_NICE) that most containers do not give.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from modelport.core.scheduling import LONG, be, nice

#: Added to the nice value: such a thread gets a tenth of the time of one with the normal priority.
_NICER, _NICEST = 10, 19
_TASKS = Path("/proc/self/task")
_T = TypeVar("_T")


def apart(work: Callable[[], _T]) -> _T:
    """What `work` gives or raises, run at low priority in a thread that ends with it; it starts no other threads."""
    results: list[_T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            _add_to_nice(_NICER)
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="modelport-apart", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def quietly(work: Callable[[], _T]) -> _T:
    """What `work` gives or raises, run on this thread at low priority, where that can be taken back.

    Threads that it starts go on to predict, and get the normal priority afterwards. Where the system would not let them
    have it back, nothing is lowered.
    """
    if not may_raise_priority():
        return work()
    before, normal = _threads(), nice()
    _add_to_nice(_NICER)
    try:
        return work()
    finally:
        for thread in (_threads() - before) | {threading.get_native_id()}:
            be(normal, thread=thread)


@cache
def may_raise_priority() -> bool:
    """Whether this process may lower a nice value again: tried out, once."""

    def attempt() -> bool:
        normal = nice()
        _add_to_nice(1)
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), normal)
        except OSError:
            return False
        return True

    return _TASKS.exists() and apart(attempt)


def _add_to_nice(more: int) -> None:
    """Slices are long: whoever wakes with a shorter one is let in, whatever the system's own are here."""
    be(min(nice() + more, _NICEST), LONG)


def _threads() -> set[int]:
    return {int(task.name) for task in _TASKS.iterdir()}
