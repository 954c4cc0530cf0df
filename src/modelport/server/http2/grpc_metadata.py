"""Custom metadata of gRPC calls: header fields to Python values and back."""

import binascii
import re
from collections.abc import Iterable, Sequence

from modelport.server.http2.header_blocks import Field

Metadata = Sequence[tuple[str, str | bytes]]
"""Name and value pairs in order; names ending in "-bin" have bytes values, the others str. Names may repeat."""

VALID_NAME = re.compile(r"[0-9a-z_.\-]+").fullmatch
VALID_VALUE = re.compile(r"[ -~]*").fullmatch
RESERVED = frozenset((b"te", b"content-type", b"content-length", b"host"))


def encode_base64(value: bytes) -> bytes:
    """Base64 without padding, as gRPC wants it to be sent."""
    return binascii.b2a_base64(value, newline=False).rstrip(b"=")


def decode_base64(text: bytes) -> bytes:
    """Base64 with or without padding. Raises ValueError."""
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True) if text else b""


def decode_metadata(headers: Iterable[Field]) -> list[tuple[str, str | bytes]]:
    """A request's custom metadata: all its fields but those of the protocol. Raises ValueError for bad base64."""
    pairs: list[tuple[str, str | bytes]] = []
    for name, value in headers:
        if name in RESERVED or name.startswith(b"grpc-"):
            continue
        if name.endswith(b"-bin"):
            pairs.extend((name.decode("ascii"), decode_base64(part.strip())) for part in value.split(b","))
        else:
            pairs.append((name.decode("ascii"), value.decode("latin-1")))
    return pairs


def encode_metadata(metadata: Metadata) -> list[Field]:
    """Header fields of a handler's metadata. Raises ValueError for names and values that cannot be sent."""
    fields: list[Field] = []
    for name, value in metadata:
        if not VALID_NAME(name) or name.startswith("grpc-"):
            raise ValueError(f"metadata name {name!r} is not allowed")
        if name.endswith("-bin"):
            fields.append((name.encode(), encode_base64(value if isinstance(value, bytes) else value.encode())))
        else:
            text = value if isinstance(value, str) else value.decode("latin-1")
            if not VALID_VALUE(text):
                raise ValueError(f"value of metadata {name!r} has characters that need a name ending in -bin")
            fields.append((name.encode(), text.strip().encode()))
    return fields
