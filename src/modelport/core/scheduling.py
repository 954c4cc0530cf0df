"""How the system shares the processor between threads: how nice one is, and how long its slices of time are.

Linux gives each thread that can run its part of the time in slices. What is called normal here is SCHED_OTHER;
SCHED_IDLE is for what is to run when nobody else wants to. Neither makes a thread stop at once: which one runs next is
decided when one wakes and at each tick of the clock (every 4 ms, often), and the one that runs is left alone until its
slice is used up. A thread that wakes is let in unless the slice of the one that runs ends before its own would: so it
wants a slice far shorter than those of the others. But one that has worked for longer than its slice may be sent away
at the next tick, for the whole of a tick: beside an idle thread, which lets everybody in, it rather wants a longer one.

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
from collections.abc import Iterator
from contextlib import contextmanager, suppress

#: Slices in nanoseconds: for who answers; for them beside an idle thread; for who gives way; the system's own, which
#: lies between (0.7 to 2.8 ms, by the number of processors).
SHORT, MIDDLE, LONG, USUAL = 100_000, 1_000_000, 10_000_000, 0
#: The system calls' numbers by machine: sched_setattr and sched_getattr.
_CALLS = {"x86_64": (314, 315), "aarch64": (274, 275)}.get(platform.machine()) if sys.platform == "linux" else None
#: size, policy, flags (SCHED_FLAG_RESET_ON_FORK), nice, priority, runtime, deadline, period.
_ATTRIBUTES = struct.Struct("<IIQiIQQQ")
_RESET_ON_FORK = 1
_NORMAL, _IDLE = 0, 5
_NICEST = 19
_libc = ctypes.CDLL(None) if _CALLS is not None else None


def nice(thread: int = 0) -> int:
    """How nice a thread is: this one, or the one of that number. 0 where threads are not nice on their own."""
    with suppress(OSError):
        return os.getpriority(os.PRIO_PROCESS, thread or threading.get_native_id())
    return 0


def be(nice: int, slice_ns: int = USUAL, *, idle: bool = False, inherited: bool = True, thread: int = 0) -> bool:
    """Let a thread be so nice and have such slices; `idle`: run when nobody else wants to.

    It is this thread unless its number (`threading.get_native_id`) is given. False where slices and policies can't be
    had: then it is only as nice as that, an idle one as nice as can be; and where not even that can be, it stays as it
    is. It needs a right (CAP_SYS_NICE) to become less nice, or no longer idle. Threads that it starts are as nice;
    their slices are as long where `inherited`. A thread of another policy, of real time say, keeps that.
    """
    done = _set_attributes(nice, slice_ns, idle, inherited, thread)
    if not done:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread or threading.get_native_id(), _NICEST if idle else nice)
    return done


def _set_attributes(nice: int, slice_ns: int, idle: bool, inherited: bool, thread: int) -> bool:
    if _libc is None or _CALLS is None:
        return False
    policy, flags = _IDLE if idle else _NORMAL, 0 if inherited else _RESET_ON_FORK
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, policy, flags, nice, 0, slice_ns, 0, 0)
    try:
        if os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK not in (_NORMAL, _IDLE):
            return False
        return int(_libc.syscall(_CALLS[0], thread, attributes, 0)) == 0
    except (OSError, AttributeError):
        return False


def slice_of(thread: int) -> int:
    """The slices of a thread in nanoseconds; 0 where the system does not tell."""
    if _libc is None or _CALLS is None:
        return 0
    attributes = ctypes.create_string_buffer(_ATTRIBUTES.size)
    if _libc.syscall(_CALLS[1], thread, attributes, _ATTRIBUTES.size, 0) != 0:
        return 0
    _, policy, _, _, _, runtime, _, _ = _ATTRIBUTES.unpack(attributes)
    return int(runtime) if policy in (_NORMAL, _IDLE) else 0


@contextmanager
def undisturbed(thread: int) -> Iterator[None]:
    """Meanwhile a thread of short slices has longer ones: for the work of one that gives way to it."""
    before = slice_of(thread)
    longer = 0 < before < MIDDLE and be(nice(thread), MIDDLE, inherited=False, thread=thread)
    try:
        yield
    finally:
        if longer:
            be(nice(thread), before, inherited=False, thread=thread)


def give_way() -> None:
    """Let others run now, if they want to: having become nicer does not send a thread away."""
    if _libc is not None:
        _libc.sched_yield()  # os.sched_yield keeps the interpreter's lock meanwhile
