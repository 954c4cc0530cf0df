"""Unpacking archives that come from anywhere: nothing lands outside of the folder, and nothing fills the disk."""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from modelport.core.errors import InvalidModelError

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """The most that an archive may hold: bytes when unpacked, files, and times its own size.

    The ratio is looked at for what unpacks to more than `free_bytes`: texts and zeros of a small file pack well.
    """

    total_bytes: int = 16 << 30
    files: int = 50_000
    ratio: int = 200
    free_bytes: int = 256 << 20


LIMITS = ArchiveLimits()


def unpack(archive: Path, folder: Path, limits: ArchiveLimits = LIMITS) -> list[Path]:
    """Unpack a zip or tar archive (compressed or not) into `folder`, which is made; gives the files' paths.

    Raises InvalidModelError, and leaves nothing of it behind, for: a name that leads out of the folder, a link, a
    device, two members of one name, more than the limits allow, and an archive that is damaged.
    """
    existed = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    try:
        for member in _members(archive, limits):
            made.append(_write(member, folder, archive.name))  # noqa: PERF401 - what was made is needed when one fails
    except BaseException as error:
        _remove(made, folder, existed)
        if isinstance(error, _DAMAGE):
            raise InvalidModelError(f"{archive.name} is a damaged archive: {error or 'it ends too soon'}") from None
        raise
    return made


def check_member_name(name: str, archive: str) -> PurePosixPath:
    """The path of a member. Raises InvalidModelError where it leads out of the folder that it is unpacked into."""
    path = PurePosixPath(name.replace("\\", "/"))
    parts = path.parts
    if not parts or path.is_absolute() or ".." in parts or "\0" in name or parts[0].endswith(":"):
        raise InvalidModelError(
            f"{archive} holds {name!r}, which would be written outside of the folder that it is unpacked into: "
            "it was made to do harm, or by a tool that is broken"
        )
    return path


#: What the standard library raises for archives that are not whole.
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)


@dataclass(slots=True)
class _Member:
    path: PurePosixPath
    content: IO[bytes]
    allowance: _Allowance


@dataclass(slots=True)
class _Allowance:
    """How many bytes may still be written."""

    left: int
    text: str

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise InvalidModelError(self.text)


def _members(archive: Path, limits: ArchiveLimits) -> Iterator[_Member]:
    seen: set[PurePosixPath] = set()
    allowance = _allowance(archive, limits)
    for name, content in _files(archive):
        path = check_member_name(name, archive.name)
        if path in seen:
            raise InvalidModelError(f"{archive.name} holds {name!r} twice: which one is meant can't be told")
        seen.add(path)
        if len(seen) > limits.files:
            raise InvalidModelError(f"{archive.name} holds more than {limits.files} files")
        with content:
            yield _Member(path, content, allowance)


def _files(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if zipfile.is_zipfile(archive):
        return _zip_files(archive)
    try:
        with archive.open("rb"):
            return _tar_files(archive)
    except OSError as error:
        raise InvalidModelError(f"can't read {archive}: {error.strerror or error}") from None


def _zip_files(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            if member.is_dir():
                check_member_name(member.filename, archive.name)
                continue
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise _special(archive.name, member.filename)
            if member.flag_bits & 1:
                raise InvalidModelError(f"{archive.name} is encrypted: unpack it, and serve the files")
            yield member.filename, opened.open(member)


def _tar_files(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(archive, "r|*") as opened:  # a stream: no index of a million members is read first
        for member in opened:
            if member.isdir():
                if member.name.strip("./"):
                    check_member_name(member.name, archive.name)
                continue
            content = opened.extractfile(member) if member.isreg() else None
            if content is None:
                raise _special(archive.name, member.name)
            yield member.name, content


def _special(archive: str, name: str) -> InvalidModelError:
    return InvalidModelError(f"{archive} holds {name!r}, a link or a device: only files and folders are unpacked")


def _allowance(archive: Path, limits: ArchiveLimits) -> _Allowance:
    size = archive.stat().st_size
    by_ratio = max(limits.free_bytes, size * limits.ratio)
    if by_ratio < limits.total_bytes:
        text = f"{archive.name} unpacks to more than {limits.ratio} times its size: a decompression bomb"
        return _Allowance(by_ratio, text)
    return _Allowance(limits.total_bytes, f"{archive.name} unpacks to more than {limits.total_bytes >> 20} MiB")


def _write(member: _Member, folder: Path, archive: str) -> Path:
    target = folder / member.path
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise InvalidModelError(f"{archive}: the folder of {str(member.path)!r} is a link to elsewhere")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        while data := member.content.read(_CHUNK):
            member.allowance.take(len(data))
            file.write(data)
    return target


def _remove(made: list[Path], folder: Path, existed: bool) -> None:
    if not existed:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in made:
        path.unlink(missing_ok=True)
