"""Asking the scheduler to wake the event loop at once, also while something long runs on its processor.

Since Linux 6.12 a thread may ask for short slices of time (sched_setattr(2), `sched_runtime` of a normal thread). It
gets no more time than before, but need not wait for the end of another's slice, some milliseconds, when it wakes.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import threading

#: The number of the system call by machine.
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
#: size, policy (SCHED_OTHER), flags (SCHED_FLAG_RESET_ON_FORK), nice, priority, runtime, deadline, period.
_ATTRIBUTES = struct.Struct("<IIQiIQQQ")
_RESET_ON_FORK = 1
_SLICE_NS = 100_000
#: Seconds for which a thread keeps the interpreter while another one waits for it.
_SWITCH = 0.0005


def wake_soon() -> bool:
    """Let this thread, not those that it starts, wake at once; False where the system does not know of that."""
    number = _SCHED_SETATTR.get(platform.machine())
    if platform.system() != "Linux" or number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, _RESET_ON_FORK, nice, 0, _SLICE_NS, 0, 0)
    try:
        return int(ctypes.CDLL(None).syscall(number, 0, attributes, 0)) == 0
    except (OSError, AttributeError):
        return False


def share_interpreter() -> None:
    """Let a thread that computes in Python (a model that loads, say) give way within half a millisecond, not five."""
    sys.setswitchinterval(_SWITCH)
