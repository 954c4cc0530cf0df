"""Large messages, written once where they are read: in memory of their own, their content aligned."""

from collections.abc import Callable

import numpy as np

#: From the beginning of a message (a few kilobytes or less) to the offset of what should be aligned in it.
Place = Callable[[bytes], int]
LARGE = 131_072  # bytes still to come that make a message large
ALIGNMENT = 64


class LargeMessage:
    """A message of known size. Its memory is the system's promise only, until bytes come: a size alone costs nothing."""

    __slots__ = ("_at", "view")

    def __init__(self, size: int, aligned: int) -> None:
        """The byte at offset `aligned` gets an address that is a multiple of 64."""
        memory = np.empty(size + ALIGNMENT, np.uint8)
        start = -(memory.ctypes.data + aligned) % ALIGNMENT
        self.view = memoryview(memory.data)[start : start + size]
        self._at = 0

    def add(self, part: bytes | memoryview) -> None:
        """The next bytes."""
        end = self._at + len(part)
        self.view[self._at : end] = part
        self._at = end
