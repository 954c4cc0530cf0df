"""Artifacts on this machine's disk, so that loading a version, and a restart, need no registry and no store.

`<sha256 of the manifest>/` has a version's files. A folder gets its name when all of it is on the disk and verified: a
crash leaves at most a hidden folder beside it, which goes with the next look at that content.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from modelport.artifacts.base import Uploads
from modelport.artifacts.checkout import check_out
from modelport.artifacts.digest import files_of
from modelport.artifacts.durable import make_folder
from modelport.artifacts.manifest import Manifest
from modelport.artifacts.uploads import file_digest
from modelport.core.errors import CancelledError, ModelportError, UnavailableError

_LOCKS = ".locks"
#: Seconds between two looks whether another process is done.
_LOOK = 0.05


def content_key(manifest: Manifest) -> str:
    """What a version's folder is called: the sha256 of its manifest, so that its `modelport.toml` counts too."""
    return hashlib.sha256(manifest.to_json()).hexdigest()


class ContentCache:
    """The folder. Safe for threads, and for any number of processes on it: one fetches, the others wait for that."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        #: What this process found to be as its manifest says: it is not read again for that.
        self._verified: set[str] = set()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Wait for no other process any more."""
        self._stopped.set()

    def has(self, manifest: Manifest) -> bool:
        """Whether a version's files are there, and were verified by this process."""
        key = content_key(manifest)
        return key in self._verified and (self.folder / key).is_dir()

    def keep(self, store: Uploads | None, manifest: Manifest) -> Path:
        """The folder of a version's files, fetched where they are not there whole. Blocks while another fetches them.

        `store` None: nothing is fetched. Raises NotFoundError, InvalidModelError, UnavailableError.
        """
        key = content_key(manifest)
        folder = self.folder / key
        with self._alone(key):
            self._clear(key)
            if key not in self._verified and folder.is_dir() and not _whole(folder, manifest):
                self._remove(folder)
            if not folder.is_dir():
                if store is None:
                    raise UnavailableError(f"sha256:{manifest.digest} is not in {self.folder}")
                check_out(store, manifest, folder)
            self._verified.add(key)
            os.utime(folder)
        return folder

    def touch(self, keys: Collection[str]) -> None:
        """Say that these are wanted still."""
        for key in keys:
            with contextlib.suppress(OSError):
                os.utime(self.folder / key)

    def sweep(self, wanted: Collection[str], seconds: float) -> int:
        """Remove what is none of `wanted` and nobody wanted for that long, on any process; gives how many."""
        before, removed = time.time() - seconds, 0
        for folder in list(self.folder.iterdir()) if self.folder.is_dir() else ():
            key = folder.name.lstrip(".").partition("-")[0]
            if len(key) == 64 and key not in wanted and _touched(folder) < before:
                with self._alone(key):
                    if _touched(folder) < before:  # nobody began to use it meanwhile
                        self._remove(folder)
                        self._verified.discard(key)
                        removed += 1
        return removed

    def _remove(self, folder: Path) -> None:
        """Remove a content: at no moment is there a half of it under its name."""
        hidden = folder.with_name(f".{folder.name.lstrip('.').partition('-')[0]}-{secrets.token_hex(6)}")
        with contextlib.suppress(OSError):
            folder.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)

    def _clear(self, key: str) -> None:
        """Remove what a crash left of fetching a content: who fetches it holds the lock."""
        for left in self.folder.glob(f".{key}-*"):
            shutil.rmtree(left, ignore_errors=True)

    @contextlib.contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        """While the block runs, nobody else fetches or removes that content; the system ends it with the process."""
        try:
            make_folder(self.folder / _LOCKS)
            lock = (self.folder / _LOCKS / key[:3]).open("ab")
        except OSError as error:
            raise UnavailableError(f"the cache {self.folder} can't be written: {error.strerror}") from None
        with lock:
            while not _taken(lock):
                if self._stopped.wait(_LOOK):
                    raise CancelledError("the server stops")
            yield


def _taken(lock: BinaryIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _whole(folder: Path, manifest: Manifest) -> bool:
    """Whether the files are what the manifest says, and no others are there."""
    try:
        there = {file.relative_to(folder).as_posix() for file in files_of(folder)}
        return there == {file.path for file in manifest.files} and all(
            file_digest(folder / file.path) == file.sha256 for file in manifest.files
        )
    except (ModelportError, OSError):
        return False


def _touched(folder: Path) -> float:
    """When somebody last wanted it; infinitely late where it is gone."""
    try:
        return folder.stat().st_mtime
    except OSError:
        return float("inf")
