"""How the system shares the processor between threads: how nice one is, and how long its slices of time are.

Linux gives each thread that can run its part of the time in slices. What is called normal here is SCHED_OTHER;
SCHED_IDLE is for what is to run when nobody else wants to. Neither makes a thread stop at once: which one runs next is
decided when one wakes and at each tick of the clock (every 4 ms, often), and the one that runs is left alone until its
slice is used up. So a thread that wakes often and works shortly wants a slice that is shorter than those of the others,
to be let in when it wakes, yet longer than its work, not to be sent away in the midst of it for the whole of a tick.

Sources: sched(7), sched_setattr(2), and "EEVDF Scheduler" in the kernel's documentation. A slice can be asked for since
Linux 6.12; before, and elsewhere, that is without effect.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import threading
from contextlib import suppress

#: Slices in nanoseconds: for who answers, and for who gives way to them. The system's own lies between.
SHORT, LONG, USUAL = 1_000_000, 10_000_000, 0
#: The system call's number by machine.
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}.get(platform.machine()) if sys.platform == "linux" else None
#: size, policy, flags (SCHED_FLAG_RESET_ON_FORK), nice, priority, runtime, deadline, period.
_ATTRIBUTES = struct.Struct("<IIQiIQQQ")
_RESET_ON_FORK = 1
_NORMAL, _IDLE = 0, 5
_libc = ctypes.CDLL(None) if _SCHED_SETATTR is not None else None


def nice() -> int:
    """How nice this thread is."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def be(nice: int, slice_ns: int = USUAL, *, idle: bool = False, inherited: bool = True) -> bool:
    """Let this thread be so nice and have such slices; `idle`: run when nobody else wants to. False where it can't.

    A thread needs a right (CAP_SYS_NICE) to become less nice, or no longer idle. Threads that it starts are as nice;
    their slices are as long where `inherited`. A thread of another policy, of real time say, stays as it is.
    """
    if _libc is None or _SCHED_SETATTR is None or os.sched_getscheduler(0) not in (_NORMAL, _IDLE):
        return False
    policy, flags = _IDLE if idle else _NORMAL, 0 if inherited else _RESET_ON_FORK
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, policy, flags, nice, 0, slice_ns, 0, 0)
    try:
        return int(_libc.syscall(_SCHED_SETATTR, 0, attributes, 0)) == 0
    except (OSError, AttributeError):
        return False


def give_way() -> None:
    """Let others run now, if they want to: having become nicer does not send a thread away."""
    if _libc is not None:
        _libc.sched_yield()  # os.sched_yield keeps the interpreter's lock meanwhile


def be_nice(value: int) -> None:
    """Let this thread be so nice, where the system knows of that and lets it."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), value)
