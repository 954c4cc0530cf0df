"""Where large messages come, what comes is read into one buffer of the process: no object is made for each read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from modelport.server.http2.protocol import Http2Protocol

#: What a message has to miss for that to pay, in bytes.
POURED = 262_144
#: Reads in a row without such a message after which the transport reads as usual again.
LEAN = 64
#: Read and used up within one call of the event loop, and so enough for all connections. What was just read is still in
#: the processor's own cache when it is copied from here; more than this pushed out what else the request needs.
_BUFFER = memoryview(bytearray(1 << 17))
#: Where no message fills yet, so many bytes are looked at first: a request's head, and a whole frame of the largest
#: size that is announced by default. If its message fills from there on, the rest need not become an object either.
_HEAD = 73_728


class Pouring(asyncio.BufferedProtocol):
    """Stands before an `Http2Protocol` as its transport's protocol for as long."""

    def __init__(self, protocol: Http2Protocol) -> None:
        self._protocol = protocol
        self.pause_writing = protocol.pause_writing  # type: ignore[method-assign]
        self.resume_writing = protocol.resume_writing  # type: ignore[method-assign]
        self.connection_lost = protocol.connection_lost  # type: ignore[method-assign]
        self.eof_received = protocol.eof_received  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:
        """All of it."""
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """The connection keeps nothing of a view; what is not for a message that fills has to be an object."""
        protocol = self._protocol
        connection = protocol.connection
        view = _BUFFER[:nbytes]
        if connection.filling is None and nbytes > _HEAD:
            connection.receive(bytes(view[:_HEAD]))
            view = view[_HEAD:]
        if connection.filling is None:
            protocol.data_received(bytes(view))
        else:
            protocol.lean = 0
            protocol.data_received(cast("bytes", view))
