"""gRPC status codes, and the header blocks that carry a call's outcome."""

import re
from collections.abc import Sequence
from enum import IntEnum

from modelport.server.http2.grpc_metadata import Metadata, encode_base64, encode_metadata
from modelport.server.http2.header_blocks import Field, encode_fields

MAX_TEXT = 1024  # clients accept about 8 KiB of trailers; a longer text would hide the status itself
TO_ESCAPE = re.compile(rb"[^ -$&-~]")

RESPONSE_FIELDS: list[Field] = [(b":status", b"200"), (b"content-type", b"application/grpc")]
RESPONSE_HEADERS = encode_fields(RESPONSE_FIELDS)
OK_TRAILERS = encode_fields([(b"grpc-status", b"0")])


class StatusCode(IntEnum):
    """Outcome of a call, as in grpc/doc/statuscodes.md."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class GrpcError(Exception):
    """Raised by a handler to end its call with a status."""

    def __init__(self, code: int, text: str, details: bytes | None = None, trailing: Metadata = ()) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.details = details
        self.trailing = trailing


def escape_text(text: str) -> bytes:
    """The value of grpc-message: UTF-8, percent-encoded, of bounded length."""
    raw = text.encode("utf-8", "replace")
    if len(raw) > MAX_TEXT:
        raw = raw[:MAX_TEXT].decode("utf-8", "ignore").encode() + b"..."
    return TO_ESCAPE.sub(lambda found: b"%%%02X" % found[0][0], raw)


def status_fields(code: int, text: str = "", details: bytes | None = None, trailing: Metadata = ()) -> list[Field]:
    """The fields of trailers."""
    fields: list[Field] = [(b"grpc-status", b"%d" % code)]
    if text:
        fields.append((b"grpc-message", escape_text(text)))
    if details is not None:
        fields.append((b"grpc-status-details-bin", encode_base64(details)))
    fields.extend(encode_metadata(trailing))
    return fields


def encode_trailers(code: int, text: str = "", details: bytes | None = None, trailing: Metadata = ()) -> bytes:
    """The header block that ends a response whose headers have been sent."""
    if code == 0 and not text and details is None and not trailing:
        return OK_TRAILERS
    return encode_fields(status_fields(code, text, details, trailing))


def encode_trailers_only(fields: Sequence[Field]) -> bytes:
    """The header block that is all of a response."""
    return encode_fields([*RESPONSE_FIELDS, *fields])
