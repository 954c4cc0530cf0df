"""DATA frames that follow each other with one and the same header, as those of a large body do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_HEAD = 9  # bytes of a frame's header


class FrameRun:
    """`count` frames with payloads of `length` bytes each, from `start` on in what was received."""

    __slots__ = ("_count", "_data", "_length", "_start", "size")

    def __init__(self, data: bytes, start: int, length: int, count: int) -> None:
        self._data, self._start, self._length, self._count = data, start, length, count
        #: Bytes of all payloads.
        self.size = length * count

    def joined(self) -> bytes:
        """The payloads as one."""
        return self._payloads().tobytes()

    def copy_to(self, memory: npt.NDArray[np.uint8]) -> None:
        """Put the payloads into `size` bytes, one behind the other."""
        memory.reshape(self._count, self._length)[:] = self._payloads()

    def _payloads(self) -> npt.NDArray[np.uint8]:
        stride = self._length + _HEAD
        frames = np.frombuffer(self._data, np.uint8, self._count * stride, self._start)
        return frames.reshape(self._count, stride)[:, _HEAD:]
