"""While a large message fills, what comes is read into one buffer of the process: no object is made for each read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from modelport.server.http2.protocol import Http2Protocol

#: What a message has to miss for that to pay, in bytes.
POURED = 262_144
#: Read and used up within one call of the event loop, and so enough for all connections. More than uvloop's own buffer:
#: fewer and larger reads where several clients send at once.
_BUFFER = memoryview(bytearray(1 << 20))


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
        """The connection keeps nothing of a view; what is not for the message has to be an object of its own."""
        view = _BUFFER[:nbytes]
        filling = self._protocol.connection.filling is not None
        self._protocol.data_received(cast("bytes", view) if filling else bytes(view))
