"""The digest that names an artifact: the same files give the same digest, wherever they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from modelport.core.errors import InvalidModelError

#: A file's path below its artifact, its size in bytes and its time of change in nanoseconds.
Fingerprint = tuple[tuple[str, int, int], ...]


def digest(path: Path, beside: Sequence[Path] = ()) -> str:
    """The sha256, in hex, of a file; of a folder, that of its sorted list of `sha256  relative/path` lines.

    A file that others beside it belong to is named like a folder of them all.
    """
    if path.is_file():
        if not beside:
            return _file_digest(path)
        together = "".join(sorted(f"{_file_digest(file)}  {file.name}\n" for file in (path, *beside)))
        return hashlib.sha256(together.encode()).hexdigest()
    lines = "".join(f"{_file_digest(file)}  {file.relative_to(path).as_posix()}\n" for file in files_of(path))
    return hashlib.sha256(lines.encode()).hexdigest()


def fingerprint(path: Path) -> Fingerprint:
    """What tells cheaply that an artifact changed. Empty where it is gone."""
    found = []
    for file in files_of(path) if path.is_dir() else [path]:
        try:
            status = file.stat()
        except FileNotFoundError:
            continue
        found.append(
            (file.name if file == path else file.relative_to(path).as_posix(), status.st_size, status.st_mtime_ns)
        )
    return tuple(found)


def files_of(folder: Path) -> Iterator[Path]:
    """Every file below a folder, sorted by path."""
    return (file for file in sorted(folder.rglob("*")) if file.is_file())


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidModelError(f"{path} can't be read: {error.strerror}") from None
