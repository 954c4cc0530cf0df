"""How this process's memory allocator treats the buffers of large tensors."""

from __future__ import annotations

import ctypes
import os

#: glibc's mallopt parameters.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
#: Buffers up to this size are reused (glibc's greatest), and so much freed memory is kept for that.
_REUSED, _KEPT = 32 << 20, 256 << 20
_VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")


def keep_buffers() -> bool:
    """Reuse the memory of large buffers instead of giving it back after each request; False where that can't be said.

    The system zeroes each page that it gives: for a tensor of 1 MB that takes longer than everything else that is done
    with it. What the environment says about the allocator is left as it is.
    """
    if any(variable in os.environ for variable in _VARIABLES):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _REUSED) and mallopt(_TRIM_THRESHOLD, _KEPT))
