"""Frames over a local socket: a length of four bytes, then the message; descriptors may come with them."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

#: A model's process may not send a longer message: arrays that are larger go through shared memory.
LONGEST = 64 << 20
_LENGTH = struct.Struct("<I")
_READ = 1 << 18
_DESCRIPTORS = 4
#: So often a parent that waits looks whether the process still lives: a child of its own may hold its socket open.
_LOOK = 0.5


class EndedError(Exception):
    """The other side is gone."""


class LateError(Exception):
    """It is later than the caller wants to wait."""


class Channel:
    """One end. One thread at a time reads and writes."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._buffer = bytearray()
        self.descriptors: deque[int] = deque()

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def send(self, message: bytes, descriptor: int | None = None) -> None:
        """Send one message, and a descriptor with it. Raises EndedError, or LateError where nobody reads it."""
        data = _LENGTH.pack(len(message)) + message
        try:
            if descriptor is not None:
                sent = socket.send_fds(self._socket, [data], [descriptor])
                data = data[sent:]
            if data:
                self._socket.sendall(data)
        except TimeoutError:
            raise LateError from None
        except OSError:
            raise EndedError from None

    def receive(self) -> bytes:
        """The next message, for as long as that takes; descriptors go to `descriptors`. Raises EndedError."""
        while (message := self._message()) is None:
            try:
                data, fds, _, _ = socket.recv_fds(self._socket, _READ, _DESCRIPTORS)
            except OSError:
                raise EndedError from None
            self.descriptors.extend(fds)
            self._take(data)
        return message

    def receive_until(self, at: float | None, alive: Callable[[], bool]) -> bytes:
        """The next message, before the monotonic clock shows `at`; descriptors are not taken.

        Raises LateError, and EndedError where the other side is gone or sends what is no frame.
        """
        while (message := self._message()) is None:
            left = _LOOK if at is None else min(_LOOK, at - time.monotonic())
            if left <= 0:
                raise LateError
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(_READ)
            except TimeoutError:
                if not alive():
                    raise EndedError from None
                continue
            except OSError:
                raise EndedError from None
            self._take(data)
        return message

    def close(self) -> None:
        """Close the socket, and descriptors that nobody took."""
        with suppress(OSError):  # wakes whoever waits on either end
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        while self.descriptors:
            os.close(self.descriptors.popleft())

    def _take(self, data: bytes) -> None:
        if not data:
            raise EndedError
        self._buffer += data

    def _message(self) -> bytes | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > LONGEST:
            raise EndedError
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        message = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        return message
