"""Memory that a model's process and its parent share, so that large arrays need not go through a socket."""

from __future__ import annotations

import fcntl
import mmap
import os
import weakref
from contextlib import suppress
from typing import Any

import numpy as np

from modelport.core.datatypes import Array

SMALLEST = 64 << 10
_STEP = 16 << 20
#: No reader may be cut off from what it reads: a mapped file that shrinks kills whoever reads on.
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class SharedRegion:
    """A block of shared memory, mapped. Used by one thread at a time."""

    def __init__(self, descriptor: int, size: int) -> None:
        """Map the memory of `descriptor`, which stays the caller's."""
        self.size = size
        self._map = mmap.mmap(descriptor, size)
        self._root: Array | None = np.frombuffer(self._map, np.uint8)

    @classmethod
    def make(cls, least: int) -> tuple[SharedRegion, int]:
        """A new region of at least that many bytes, and a descriptor of it to pass on and close."""
        size = room_for(least)
        descriptor = os.memfd_create("modelport", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(descriptor, size)
            with suppress(OSError):  # a sandbox's kernel may know no seals
                fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
            return cls(descriptor, size), descriptor
        except BaseException:
            os.close(descriptor)
            raise

    @property
    def bytes(self) -> Array:
        """The whole of it. Raises ValueError once it is closed."""
        if self._root is None:
            raise ValueError("the shared memory is closed")
        return self._root

    def read_only(self) -> tuple[Array, weakref.ref[Any]]:
        """A view to lend, and what tells whether anybody still holds on to it, or to a part of it."""
        view = np.frombuffer(self._map, np.uint8)
        view.flags.writeable = False
        return view, weakref.ref(view)

    def close(self) -> None:
        """Give the memory back; where an array still lies in it, once that goes."""
        self._root = None
        with suppress(BufferError):
            self._map.close()


def room_for(least: int) -> int:
    """The size of a region for that many bytes: with room to grow while it is small, in steps once it is large."""
    if least > _STEP:
        return -(-least // _STEP) * _STEP
    size = SMALLEST
    while size < least:
        size *= 2
    return size
