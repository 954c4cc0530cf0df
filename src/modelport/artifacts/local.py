"""The artifact store in a folder of this machine, or of a file system that several machines share.

`blobs/ab/abcd…` is a content by its sha256; `uploads/<digest>-<size>/<part>` is what came of one so far. A content gets
its name when all of it is on the disk and has that digest: a crash at any point leaves it whole or not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from modelport.artifacts.base import CHUNK, PART_SIZE, Stored, check_digest, check_part, part_count, verified
from modelport.artifacts.durable import TEMPORARY, make_folder, sync_folder, write_durably
from modelport.core.errors import InvalidInputError, NotFoundError, UnavailableError


class LocalStore:
    """An ArtifactStore in `folder`, which is made where it is missing. Safe for threads and processes at once."""

    def __init__(self, folder: Path, part_size: int = PART_SIZE) -> None:
        self.part_size = part_size
        self._blobs, self._uploads = folder / "blobs", folder / "uploads"
        try:
            for made in (self._blobs, self._uploads):
                make_folder(made)
        except OSError as error:
            raise UnavailableError(f"the artifact store {folder} can't be made: {error.strerror}") from None

    def size(self, digest: str) -> int | None:
        """As the port says."""
        try:
            return self._blob(digest).stat().st_size
        except FileNotFoundError:
            return None

    def parts(self, digest: str, size: int) -> frozenset[int]:
        """As the port says."""
        try:
            names = [child.name for child in self._upload(digest, size).iterdir()]
        except FileNotFoundError:
            return frozenset()
        return frozenset(int(name) for name in names if name.isdecimal())

    def put_part(self, digest: str, size: int, number: int, content: bytes) -> None:
        """As the port says. A content of a single part is stored at once."""
        check_part(size, self.part_size, number, content)
        if size <= self.part_size:
            self._put_whole(digest, content)
            return
        part = self._upload(digest, size) / str(number)
        if not part.exists():
            self._write(part, (content,))

    def finish(self, digest: str, size: int) -> None:
        """As the port says."""
        if self.size(digest) is not None:
            self._forget(digest, size)
            return
        count = part_count(size, self.part_size)
        missing = sorted(set(range(count)) - self.parts(digest, size))
        if missing:
            raise InvalidInputError(f"sha256:{digest} has not come whole: part {missing[0]} of {count} is missing")
        try:
            self._write(self._blob(digest), _checked(digest, self._joined(digest, size)))
        except InvalidInputError:
            self._forget(digest, size)
            raise
        self._forget(digest, size)

    def part(self, digest: str, number: int) -> bytes:
        """As the port says."""
        with self._open(digest) as file:
            file.seek(number * self.part_size)
            return file.read(self.part_size)

    def read(self, digest: str) -> Iterator[bytes]:
        """As the port says."""
        with self._open(digest) as file:
            yield from verified(digest, iter(lambda: file.read(CHUNK), b""))

    def stored(self) -> Iterator[Stored]:
        """As the port says."""
        for folder in sorted(self._blobs.iterdir()):
            for blob in sorted(folder.iterdir()) if folder.is_dir() else ():
                with contextlib.suppress(FileNotFoundError):
                    status = blob.stat()
                    if not blob.name.startswith(TEMPORARY):
                        yield Stored(blob.name, status.st_size, status.st_mtime)

    def remove(self, digest: str) -> None:
        """As the port says."""
        blob = self._blob(digest)
        blob.unlink(missing_ok=True)
        if blob.parent.is_dir():
            sync_folder(blob.parent)

    def abandon(self, before: float) -> int:
        """As the port says; also files that a crash left half written."""
        old = [folder for folder in self._uploads.iterdir() if _newest(folder) < before]
        for folder in old:
            shutil.rmtree(folder, ignore_errors=True)
        left = [file for file in self._blobs.glob(f"*/{TEMPORARY}*") if _newest(file) < before]
        for file in left:
            file.unlink(missing_ok=True)
        return len(old) + len(left)

    def _put_whole(self, digest: str, content: bytes) -> None:
        if self.size(digest) is None:
            self._write(self._blob(digest), _checked(digest, (content,)))

    def _write(self, target: Path, chunks: Iterable[bytes]) -> None:
        """Write a file whole. Raises UnavailableError: the disk is full, or what it was made of is gone meanwhile."""
        try:
            make_folder(target.parent)
            write_durably(target, chunks)
        except OSError as error:
            raise UnavailableError(
                f"the artifact store {self._blobs.parent} can't be written: {error.strerror}"
            ) from None

    def _joined(self, digest: str, size: int) -> Iterator[bytes]:
        folder = self._upload(digest, size)
        for number in range(part_count(size, self.part_size)):
            with (folder / str(number)).open("rb") as file:
                yield from iter(lambda file=file: file.read(CHUNK), b"")  # type: ignore[misc]

    def _open(self, digest: str) -> BinaryIO:
        try:
            return self._blob(digest).open("rb")
        except FileNotFoundError:
            raise NotFoundError(f"sha256:{digest} is not in the artifact store") from None

    def _forget(self, digest: str, size: int) -> None:
        shutil.rmtree(self._upload(digest, size), ignore_errors=True)

    def _blob(self, digest: str) -> Path:
        return self._blobs / check_digest(digest)[:2] / digest

    def _upload(self, digest: str, size: int) -> Path:
        return self._uploads / f"{check_digest(digest)}-{size}"


def _checked(digest: str, chunks: Iterator[bytes] | tuple[bytes, ...]) -> Iterator[bytes]:
    """The chunks; raises InvalidInputError at their end, before they get their name, where their digest is another."""
    sha256 = hashlib.sha256()
    for chunk in chunks:
        sha256.update(chunk)
        yield chunk
    if sha256.hexdigest() != digest:
        raise InvalidInputError(f"what was sent as sha256:{digest} has sha256:{sha256.hexdigest()}: send it again")


def _newest(path: Path) -> float:
    """When something last came to a file or an upload's folder; infinitely late where it is gone meanwhile."""
    try:
        times: list[float] = [item.stat().st_mtime for item in (path, *(path.iterdir() if path.is_dir() else ()))]
    except FileNotFoundError:
        return float("inf")
    return max(times)
