"""The port of artifact stores: content by its sha256, sent in parts, verified when it is read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from modelport.core.errors import InvalidInputError, InvalidModelError

#: How much is read from a file or a connection at a time, in bytes.
CHUNK = 1 << 20
#: How large each part of an upload is, but for the last one, in bytes; S3 takes no smaller ones than 5 MiB.
PART_SIZE = 8 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Stored:
    """One content of a store: its sha256 in hex, its bytes, and when it came (seconds since the epoch)."""

    digest: str
    size: int
    changed: float


class Uploads(Protocol):
    """Where content can be sent and read again: a store, or a server in front of one.

    An upload is named by the content's digest and size, so that whoever sends the same content goes on where another
    stopped. Parts are numbered from 0; each is `part_size` bytes long but for the last. Safe for several processes at
    once. Raises InvalidInputError for what is no digest, or no part of that size.
    """

    @property
    def part_size(self) -> int:
        """How long each part is, but for the last, in bytes."""
        ...

    def size(self, digest: str) -> int | None:
        """How many bytes that content has; None where the store has not got it whole."""
        ...

    def parts(self, digest: str, size: int) -> frozenset[int]:
        """The parts that were sent already. Empty where nothing was, and where the content is there whole."""
        ...

    def put_part(self, digest: str, size: int, number: int, content: bytes) -> None:
        """Keep one part. Sending it again is no error."""
        ...

    def finish(self, digest: str, size: int) -> None:
        """Make one content of the parts: from now on it can be read, before it could not.

        Raises InvalidInputError where parts are missing, and where together they have another digest (they are thrown
        away then).
        """
        ...

    def part(self, digest: str, number: int) -> bytes:
        """One part of a content that is there whole. It is not verified. Raises NotFoundError."""
        ...

    def read(self, digest: str) -> Iterator[bytes]:
        """The content in chunks. Whoever reads must use none of it before the last chunk came.

        Raises NotFoundError, and InvalidModelError at the end where the content is not what its digest says.
        """
        ...


class ArtifactStore(Uploads, Protocol):
    """A store: what garbage collection needs, too."""

    def stored(self) -> Iterator[Stored]:
        """Everything that is there whole. What comes and goes meanwhile may be among it or not."""
        ...

    def remove(self, digest: str) -> None:
        """Have that content no longer. No error where it is gone."""
        ...

    def abandon(self, before: float) -> int:
        """Throw away uploads of which nothing came since `before` (seconds since the epoch); gives how many."""
        ...


def check_digest(digest: str) -> str:
    """The digest itself. Raises InvalidInputError for what is not 64 lower-case hexadecimal digits."""
    if _DIGEST.fullmatch(digest) is None:
        raise InvalidInputError(f"{digest[:80]!r} is not a sha256: 64 hexadecimal digits, lower case")
    return digest


def part_count(size: int, part_size: int) -> int:
    """How many parts a content of that size has; empty content has one, empty part."""
    return max(1, -(-size // part_size))


def check_part(size: int, part_size: int, number: int, content: bytes) -> None:
    """Raise InvalidInputError unless the content has the length of that part."""
    count = part_count(size, part_size)
    if size < 0 or not 0 <= number < count:
        raise InvalidInputError(f"a content of {size} bytes has {count} parts, numbered from 0: there is none {number}")
    wanted = min(part_size, size - number * part_size)
    if len(content) != wanted:
        raise InvalidInputError(f"part {number} of {size} bytes is {wanted} bytes long, not {len(content)}")


def verified(digest: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks as they come. Raises InvalidModelError at their end where they have another digest."""
    sha256 = hashlib.sha256()
    for chunk in chunks:
        sha256.update(chunk)
        yield chunk
    if sha256.hexdigest() != digest:
        raise InvalidModelError(
            f"sha256:{digest} is damaged where it is stored: what was read has sha256:{sha256.hexdigest()}"
        )
