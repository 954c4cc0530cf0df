"""A request's header section: what RFC 9113 section 8 demands of it, and the checked result."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from modelport.server.http2.header_blocks import Field

if TYPE_CHECKING:
    from modelport.server.http2.connection import Connection

NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+").fullmatch
BAD_VALUE = re.compile(rb"[\0\r\n]|\A[ \t]|[ \t]\Z").search
DIGITS = re.compile(rb"[0-9]{1,18}").fullmatch
PSEUDO = frozenset((b":method", b":scheme", b":path", b":authority"))
CONNECTION_SPECIFIC = frozenset((b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"))

# Fields found in order before: most of a client's fields are the same in each request. content-length is never here.
SOUND_FIELDS: set[Field] = set()
MAX_SOUND_FIELDS = 1024
MAX_SOUND_SIZE = 128


class MalformedRequestError(Exception):
    """The header section breaks a rule of HTTP/2; its stream must be reset with PROTOCOL_ERROR."""


class Request:
    """A checked request: pseudo-headers as attributes, the other fields in order in `headers` (names lowercase).

    An object may stand for many requests with the same header block; treat it as immutable. `route` and `whole` belong
    to the router: what it learned of such requests, and how to handle one that arrives in one piece.
    """

    __slots__ = ("authority", "content_length", "headers", "method", "path", "route", "scheme", "whole")

    def __init__(self, pseudo: dict[bytes, bytes], headers: Sequence[Field], content_length: int | None) -> None:
        self.method = pseudo.get(b":method", b"")
        self.scheme = pseudo.get(b":scheme", b"")
        self.path = pseudo.get(b":path", b"")
        self.authority = pseudo.get(b":authority", b"")
        self.headers = headers
        self.content_length = content_length
        self.route: Any = None
        self.whole: Callable[[Connection, int, Request, bytes, int, int], None] | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first value of a field, or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


def parse_request(fields: Sequence[Field]) -> Request:
    """Check a request's fields. Raises MalformedRequestError."""
    pseudo: dict[bytes, bytes] = {}
    count = 0
    for name, value in fields:
        if name[:1] != b":":
            break
        if name not in PSEUDO or name in pseudo or BAD_VALUE(value):
            raise MalformedRequestError(f"bad pseudo-header {name!r}")
        pseudo[name] = value
        count += 1
    headers = fields[count:]
    content_length = check_fields(headers)
    check_pseudo(pseudo, headers)
    return Request(pseudo, headers, content_length)


def check_pseudo(pseudo: dict[bytes, bytes], headers: Sequence[Field]) -> None:
    """The pseudo-headers that must be there, and that `host` does not contradict `:authority`."""
    if not pseudo.get(b":method"):
        raise MalformedRequestError("no :method")
    if pseudo[b":method"] == b"CONNECT":
        if b":path" in pseudo or b":scheme" in pseudo or not pseudo.get(b":authority"):
            raise MalformedRequestError("CONNECT takes :authority only")
        return
    path = pseudo.get(b":path", b"")
    if not pseudo.get(b":scheme"):
        raise MalformedRequestError("no :scheme")
    if path[:1] != b"/" and not (path == b"*" and pseudo[b":method"] == b"OPTIONS"):
        raise MalformedRequestError("no :path, or not an absolute one")
    authority = pseudo.get(b":authority")
    if authority is not None:
        for name, value in headers:
            if name == b"host" and value != authority:
                raise MalformedRequestError("host differs from :authority")


def check_fields(headers: Sequence[Field]) -> int | None:
    """Check regular fields, of a request or of its trailers; the content length if there is one."""
    content_length: bytes | None = None
    for field in headers:
        if field in SOUND_FIELDS:
            continue
        name, value = field
        if not NAME(name):
            raise MalformedRequestError(f"bad header name {name!r}")
        if BAD_VALUE(value):
            raise MalformedRequestError(f"bad value of header {name!r}")
        if name in CONNECTION_SPECIFIC or (name == b"te" and value.lower() != b"trailers"):
            raise MalformedRequestError(f"connection-specific header {name!r}")
        if name == b"content-length":
            if not DIGITS(value) or content_length not in (None, value):
                raise MalformedRequestError("bad content-length")
            content_length = value
        elif len(value) <= MAX_SOUND_SIZE:
            if len(SOUND_FIELDS) >= MAX_SOUND_FIELDS:
                SOUND_FIELDS.clear()
            SOUND_FIELDS.add(field)
    return None if content_length is None else int(content_length)
