"""One uploaded file out of a multipart/form-data body (RFC 7578, RFC 2046 section 5.1)."""

from __future__ import annotations

import re

from modelport.core.errors import InvalidInputError

#: A form of one file needs no more parts than this.
_MOST_PARTS = 64
#: The headers of one part, in bytes.
_LONGEST_HEAD = 8192
_BOUNDARY = re.compile(r';\s*boundary=(?:"((?:[^"\\]|\\.)+)"|([^\s;"]+))', re.IGNORECASE)

#: A part's headers by lower-case name, and its content.
Part = tuple[dict[str, str], bytes]


def only_file(body: bytes, content_type: str) -> tuple[bytes, str]:
    """The one file (or the one field) of the form, and its own content type. Raises InvalidInputError."""
    parts = _parts(body, _boundary(content_type))
    files = [part for part in parts if "filename" in part[0].get("content-disposition", "")] or parts
    if len(files) != 1:
        raise InvalidInputError(f"the form has {len(files)} files; send exactly one")
    headers, data = files[0]
    return data, headers.get("content-type", "").partition(";")[0].strip().lower()


def _boundary(content_type: str) -> bytes:
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise InvalidInputError("Content-Type multipart/form-data lacks its boundary")
    quoted, bare = found.groups()
    boundary = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    return boundary.encode("latin-1", "replace")


def _parts(body: bytes, boundary: bytes) -> list[Part]:
    """What stands between the delimiters. Before the first and behind the last one may be anything."""
    preamble, *chunks = (b"\r\n" + body).split(b"\r\n--" + boundary, _MOST_PARTS + 1)
    del preamble
    parts: list[Part] = []
    for chunk in chunks:
        if chunk.startswith(b"--"):
            return parts
        if len(parts) == _MOST_PARTS:
            raise InvalidInputError(f"the form has more than {_MOST_PARTS} parts; send exactly one file")
        parts.append(_part(chunk))
    if not chunks:
        raise InvalidInputError("the form is not valid multipart/form-data: its boundary does not occur in the body")
    raise InvalidInputError("the form is cut short: it lacks the boundary that ends it")


def _part(chunk: bytes) -> Part:
    """A part from behind its delimiter: the end of that line, headers, an empty line, the content."""
    end = chunk.find(b"\r\n\r\n", 0, _LONGEST_HEAD)
    if end < 0 or chunk[: chunk.find(b"\r\n")].strip():
        raise InvalidInputError("the form is not valid multipart/form-data: a part lacks its headers")
    headers: dict[str, str] = {}
    for line in chunk[:end].decode("utf-8", "replace").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers, chunk[end + 4 :]
