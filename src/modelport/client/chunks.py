"""A body in the chunked transfer coding, read as it comes. Source: RFC 9112."""

from __future__ import annotations

import httptools

from modelport.client.broken import BrokenError


class Chunks:
    """The chunked transfer coding, as httptools reads it."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.done, self.clean = False, True
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")

    def feed(self, data: bytes) -> bool:
        """Read on; whether the body is complete. `clean`: nothing came after it."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self.done:
                raise BrokenError(f"its chunks are not of HTTP: {error}") from None
            self.clean = False
        return self.done

    def on_message_begin(self) -> None:
        self.clean = not self.done

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def on_message_complete(self) -> None:
        self.done = True
