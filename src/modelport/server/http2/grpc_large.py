"""Large messages, written once where they are read: in memory of their own, their content aligned."""

from collections.abc import Callable

import numpy as np

from modelport.server.http2.frame_run import FrameRun
from modelport.server.http2.stream import Buffer

#: From the beginning of a message (a few kilobytes or less) to the offset of what should be aligned in it.
Place = Callable[[Buffer], int]
LARGE = 131_072  # bytes still to come that make a message large
BEGINNING = 4096  # bytes that have to have come before any announcement is believed
BELIEVED = 1 << 20  # bytes that are believed then
PROMISED = 8  # times the bytes that have come is what is believed of a larger announced size
ALIGNMENT = 64


class LargeMessage:
    """A message of known size."""

    __slots__ = ("_at", "_content", "view")

    def __init__(self, size: int, aligned: int) -> None:
        """The byte at offset `aligned` gets an address that is a multiple of 64."""
        memory = np.empty(size + ALIGNMENT, np.uint8)  # not written to, and so no memory of the system's, before `add`
        start = -(memory.ctypes.data + aligned) % ALIGNMENT
        self._content = memory[start : start + size]
        self.view = memoryview(self._content.data)
        self._at = 0

    def add(self, part: Buffer) -> None:
        """The next bytes."""
        end = self._at + len(part)
        self.view[self._at : end] = part
        self._at = end

    @property
    def missing(self) -> memoryview:
        """Where the bytes go that have not come yet."""
        return self.view[self._at :]

    def skip(self, size: int) -> None:
        """The next bytes were put there by somebody else."""
        self._at += size

    def add_run(self, run: FrameRun) -> None:
        """The next bytes, out of frames that follow each other: one copy for all."""
        end = self._at + run.size
        run.copy_to(self._content[self._at : end])
        self._at = end
