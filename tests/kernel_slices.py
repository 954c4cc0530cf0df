"""What the kernel tells of a thread's slices: the time that it may run before another one has its turn."""

import re
import threading
from pathlib import Path


def kernel_slice(thread=None):
    """Nanoseconds, of the caller's own thread if none is named; None where the kernel does not tell."""
    file = Path(f"/proc/self/task/{thread or threading.get_native_id()}/sched")
    found = re.search(r"se\.slice\s*:\s*(\d+)", file.read_text()) if file.exists() else None
    return found and int(found[1])
