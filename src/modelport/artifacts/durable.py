"""Files that are there whole or not at all, also after a crash or a power cut."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

#: What a file is called while it is written.
TEMPORARY = ".writing-"


def write_durably(target: Path, chunks: Iterable[bytes]) -> None:
    """Write the chunks to a file beside `target`, and give it that name when all of it is on the disk.

    Where the chunks raise, nothing is left. Raises OSError.
    """
    temporary = target.with_name(f"{TEMPORARY}{target.name[:80]}-{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each on the disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
