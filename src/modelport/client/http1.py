"""HTTP/1.1 without sockets: a request's bytes, and a response out of the bytes that come. Source: RFC 9112.

A reader says where the next bytes should go, so that a big body is received where it stays, with its tensors aligned.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from modelport.client.address import Address, fixed_headers
from modelport.client.broken import BrokenError
from modelport.client.chunks import Chunks
from modelport.client.exchange import Request, Response
from modelport.core.errors import InternalError, ModelportError
from modelport.wire.compression import decompress
from modelport.wire.http import Buffer

#: Parts up to this size are joined before they are sent: a copy costs less than one more packet.
SMALL = 65536
#: What a connection reads at a time; a response's head may not be longer.
_SCRATCH = 65536
#: Where a body's first tensor is put: frameworks like whole cache lines.
_ALIGNMENT = 64
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?: [^\r\n]*)?")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\x00]*)")
#: Headers that belong to one request's body, so a caller can't set them for all.
_OF_BODIES = frozenset({"content-type", "content-length", "transfer-encoding", "inference-header-content-length"})


class Writer:
    """Writes the requests to one server."""

    def __init__(self, address: Address, headers: Mapping[str, str] | None) -> None:
        fixed = {name: value for name, value in fixed_headers(address, headers).items() if name not in _OF_BODIES}
        self._fixed = "".join(f"{name}: {value}\r\n" for name, value in fixed.items())
        absolute = address.proxy is not None and not address.tls
        self._base = f"http://{address.netloc}{address.prefix}" if absolute else address.prefix

    def parts(self, request: Request) -> list[Buffer]:
        """The request as buffers to send one after the other; a small one is one buffer."""
        head = f"{request.method} {self._base}{request.path} HTTP/1.1\r\n{self._fixed}"
        if request.method in ("POST", "PUT", "PATCH"):
            size = sum(map(len, request.body))
            for name, value in request.headers.items():
                head += f"{name}: {value}\r\n"
            encoded = f"{head}content-length: {size}\r\n\r\n".encode("latin-1")
            return [b"".join((encoded, *request.body))] if size <= SMALL else _joined([encoded, *request.body])
        return [f"{head}\r\n".encode("latin-1")]


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before a response's body. `length` None: the body is chunked, or ends with the connection."""

    status: int
    headers: dict[str, str]
    length: int | None
    chunked: bool
    keeps: bool
    #: Where the tensors begin in the body.
    tensors: int


class Reader:
    """Reads one response after the other from the bytes of one connection."""

    def __init__(self) -> None:
        self._scratch = bytearray(_SCRATCH)
        self._view = memoryview(self._scratch)
        self.reset()

    def reset(self) -> None:
        """Expect a new response."""
        self.started = False  # whether anything of the response came
        self.keeps = False  # whether the connection can be used again
        self._have = 0
        self._at = 0
        self._head: Head | None = None
        self._body: bytes | memoryview = b""
        self._into: memoryview | None = None  # the body, while it is received where it stays
        self._pieces: list[bytes] = []
        self._chunks: Chunks | None = None

    def buffer(self) -> memoryview:
        """Where the next bytes go. Never empty, not even behind a response: asyncio takes an empty one for the end."""
        if self._into is not None and self._at < len(self._into):
            return self._into[self._at :]
        return self._view[self._have :]

    def received(self, count: int) -> bool:
        """So many bytes came; whether the response is complete. Raises BrokenError for what is not HTTP."""
        self.started = True
        if self._head is None:
            self._have += count
            return self._read_head()
        if self._into is not None:
            self._at += count
            return self._at == len(self._into)
        return self._read_piece(bytes(self._view[:count]))

    def ended(self) -> None:
        """The server closed the connection. Raises BrokenError unless that completes the response."""
        if self._head is None or self._head.length is not None or self._head.chunked:
            raise BrokenError("the server closed it")

    def response(self) -> Response:
        """The complete response. Raises InternalError for a body that does not decompress."""
        head = self._head
        assert head is not None
        body = b"".join(self._pieces) if self._pieces else self._body
        coding = head.headers.get("content-encoding", "")
        if coding and len(body):
            try:
                body = bytes(decompress(body, coding.encode("latin-1"), sys.maxsize - 1))
            except ModelportError as error:
                raise InternalError(f"the server's answer does not decompress: {error}") from None
        return Response(head.status, head.headers, body)

    def _read_head(self) -> bool:
        while True:
            end = self._scratch.find(b"\r\n\r\n", 0, self._have)
            if end < 0:
                if self._have == _SCRATCH:
                    raise BrokenError(f"its head is longer than {_SCRATCH} bytes")
                return False
            head = _parsed(self._scratch[:end])
            rest = self._view[end + 4 : self._have]
            if head.status >= 200:
                self._head = head
                self._have = 0
                return self._read_body(head, rest)
            if head.status == 101:
                raise BrokenError("the server switches to another protocol")
            self._have = len(rest)  # an interim response: the final one follows
            self._view[: self._have] = bytes(rest)

    def _read_body(self, head: Head, rest: memoryview) -> bool:
        length = head.length
        if length is None:
            self._chunks = Chunks() if head.chunked else None
            return len(rest) > 0 and self._read_piece(bytes(rest))
        if len(rest) >= length:
            self.keeps = head.keeps and len(rest) == length
            self._body = bytes(rest[:length])
            return True
        self.keeps = head.keeps
        self._body = self._into = _room(length, head.tensors)
        self._into[: len(rest)] = rest
        self._at = len(rest)
        return False

    def _read_piece(self, piece: bytes) -> bool:
        if self._chunks is None:
            self._pieces.append(piece)
            return False
        if not self._chunks.feed(piece):
            return False
        self._pieces = self._chunks.pieces
        self.keeps = self._head is not None and self._head.keeps and self._chunks.clean
        return True


def _parsed(head: bytearray) -> Head:
    return _remembered(bytes(head)) if len(head) <= 1024 else _parse(bytes(head))


def _parse(head: bytes) -> Head:
    status_line, *lines = head.split(b"\r\n")
    found = _STATUS_LINE.fullmatch(status_line)
    if found is None:
        raise BrokenError(f"what came is not HTTP: it begins with {status_line[:40].decode('latin-1')!r}")
    status = int(found[2])
    headers: dict[str, str] = {}
    for line in lines:
        field = _HEADER.fullmatch(line)
        if field is None:
            raise BrokenError(f"it has a header that is none: {line[:40].decode('latin-1')!r}")
        name, value = field[1].decode().lower(), field[2].decode("latin-1").rstrip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    connection = {word.strip() for word in headers.get("connection", "").lower().split(",")}
    keeps = "close" not in connection and (found[1] == b"1" or "keep-alive" in connection)
    length, chunked = _framing(status, headers)
    tensors = headers.get("inference-header-content-length", "")
    return Head(status, headers, length, chunked, keeps, int(tensors) if tensors.isdecimal() else 0)


def _framing(status: int, headers: Mapping[str, str]) -> tuple[int | None, bool]:
    """The body's length where it is known, and whether the body is chunked."""
    if status < 200 or status in (204, 304):
        return 0, False
    coding = headers.get("transfer-encoding", "")
    if coding:
        if coding.lower() != "chunked":
            raise BrokenError(f"its Transfer-Encoding {coding[:40]!r} is not understood")
        return None, True
    text = headers.get("content-length")
    if text is None:
        return None, False
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise BrokenError(f"its Content-Length {text[:40]!r} is no number")
    return int(text), False


#: A server's heads are the same again and again, but for the second in its Date.
_remembered = lru_cache(maxsize=256)(_parse)


def _room(length: int, tensors: int) -> memoryview:
    """Memory for a body, without the cost of clearing it; byte `tensors` of it is aligned."""
    try:
        memory = np.empty(length + _ALIGNMENT, np.uint8)
    except (MemoryError, ValueError):
        raise BrokenError(f"its body of {length} bytes does not fit into memory") from None
    start = -(memory.ctypes.data + tensors) % _ALIGNMENT
    return memory.data[start : start + length]


def _joined(parts: list[Buffer]) -> list[Buffer]:
    """Neighbours that are small together as one."""
    joined: list[Buffer] = []
    for part in parts:
        if joined and len(joined[-1]) + len(part) <= SMALL:
            joined[-1] = b"".join((joined[-1], part))
        elif len(part):
            joined.append(part)
    return joined
