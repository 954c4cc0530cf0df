"""Content-Encoding of bodies: gzip and deflate, both ways, bounded against decompression bombs."""

from __future__ import annotations

import gzip
import re
import zlib

from modelport.core.errors import InvalidInputError, TooLargeError, UnsupportedError
from modelport.wire.http import Buffer, HttpReply

#: Under this many bytes compression costs more than it saves.
SMALLEST = 1024
#: A client whose library names several codings did not choose one: bodies from this size on are compressed for it.
WORTHWHILE = 65536
#: More codings than this, one inside the other, are an attack: each may unpack to the whole limit.
_MOST_CODINGS = 3
_NEVER = re.compile(rb"\s*q\s*=\s*0(\.0*)?\s*")


def decompress(body: Buffer, coding: bytes, limit: int) -> Buffer:
    """The body without its Content-Encoding. Raises ModelportError for a broken body or one that grows over `limit`."""
    names = [name for part in coding.split(b",") if (name := part.strip().lower())]
    if len(names) > _MOST_CODINGS:
        raise UnsupportedError(f"Content-Encoding names {len(names)} codings; {_MOST_CODINGS} are the most")
    for name in reversed(names):
        if name in (b"gzip", b"x-gzip"):
            body = _inflate(body, 31, limit, "gzip")
        elif name == b"deflate":
            body = _inflate(body, _deflate_window(body), limit, "deflate")
        elif name != b"identity":
            raise UnsupportedError(
                f"Content-Encoding {name[:60].decode('latin-1')!r} is not understood; use gzip or deflate"
            )
    return body


def compress(reply: HttpReply, accepted: bytes) -> HttpReply:
    """The reply in the coding that Accept-Encoding asks for, where that pays; otherwise the reply itself."""
    offers = _offers(accepted)
    coding = next((name for name in (b"gzip", b"deflate") if name in offers), None)
    body = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
    if coding is None or len(body) < (SMALLEST if len(offers) == 1 else WORTHWHILE):
        return reply
    packed = gzip.compress(body, 1, mtime=0) if coding == b"gzip" else zlib.compress(body, 1)
    headers = (*reply.headers, (b"content-encoding", coding), (b"vary", b"accept-encoding"))
    return HttpReply(packed, reply.status, reply.content_type, headers)


def _offers(accepted: bytes) -> list[bytes]:
    """The codings of an Accept-Encoding header that are not refused by `q=0`."""
    offers = []
    for part in accepted.lower().split(b","):
        name, _, weight = part.partition(b";")
        if not _NEVER.fullmatch(weight) and name.strip():
            offers.append(name.strip())
    return offers


def _deflate_window(body: Buffer) -> int:
    """`deflate` is the zlib format (RFC 9110); some clients send bare DEFLATE, which lacks zlib's two-byte header."""
    head = bytes(body[:2])
    is_zlib = len(head) == 2 and head[0] & 0x0F == 8 and int.from_bytes(head, "big") % 31 == 0
    return 15 if is_zlib else -15


def _inflate(body: Buffer, window: int, limit: int, name: str) -> bytes:
    machine = zlib.decompressobj(window)
    try:
        unpacked = machine.decompress(body, limit + 1)  # one call: each one copies what it leaves of the body
    except zlib.error as error:
        raise InvalidInputError(f"the body is not valid {name}: {error}") from None
    if len(unpacked) > limit:
        raise TooLargeError(f"the {name} body decompresses to more than the limit of {limit} bytes")
    if not machine.eof:
        raise InvalidInputError(f"the {name} body is cut short")
    if machine.unused_data:
        raise InvalidInputError(f"{len(machine.unused_data)} bytes follow the end of the {name} body")
    return unpacked
