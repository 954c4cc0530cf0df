"""Sending files to a store, or to a server in front of one: only what is missing is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from modelport.artifacts.base import Uploads, part_count
from modelport.core.errors import InvalidInputError, InvalidModelError, NotFoundError, UnavailableError

#: Told how many more bytes are where they should be.
Progress = Callable[[int], None]
_TRIES = 3


def send_file(store: Uploads, path: Path, digest: str, size: int, progress: Progress | None = None) -> None:
    """See to it that the store has the file's content, whose sha256 and bytes are given.

    What is there already is not sent again: neither the whole content, nor parts of an upload that was broken off.
    Raises InvalidModelError where the file changes meanwhile or can't be read, else what the store raises.
    """
    done = progress or _ignore
    if store.size(digest) is not None:
        done(size)
        return
    for tried in range(1, _TRIES + 1):
        try:
            _send_missing(store, path, digest, size, done)
            store.finish(digest, size)
            return
        except (InvalidInputError, NotFoundError, UnavailableError) as error:
            # another who sends the same may have finished it, or found parts damaged and thrown them away
            if store.size(digest) is not None:
                return
            if isinstance(error, InvalidInputError) and file_digest(path) != digest:
                raise InvalidModelError(f"{path} changed while it was sent: {error}") from error
            if tried == _TRIES:
                raise


def send_bytes(store: Uploads, content: bytes) -> str:
    """See to it that the store has this content, which is no longer than one part; gives its digest."""
    digest = hashlib.sha256(content).hexdigest()
    if store.size(digest) is None:
        store.put_part(digest, len(content), 0, content)
        store.finish(digest, len(content))
    return digest


def file_digest(path: Path) -> str:
    """The sha256 of a file in hex. Raises InvalidModelError where it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidModelError(f"{path} can't be read: {error.strerror}") from None


def _send_missing(store: Uploads, path: Path, digest: str, size: int, done: Progress) -> None:
    there = store.parts(digest, size)
    for number in range(part_count(size, store.part_size)):
        first = number * store.part_size
        length = min(store.part_size, size - first)
        if number not in there:
            store.put_part(digest, size, number, _read(path, first, length))
        done(length)


def _read(path: Path, first: int, length: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(first)
            content = file.read(length)
    except OSError as error:
        raise InvalidModelError(f"{path} can't be read: {error.strerror}") from None
    if len(content) != length:
        raise InvalidModelError(f"{path} changed while it was sent: it is shorter now")
    return content


def _ignore(count: int) -> None:
    pass
