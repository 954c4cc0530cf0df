"""A small JSON document that all workers of a server see: who changes it, changes it for all."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]


class SharedDocument:
    """The document. Without a path it is this process's alone. Reading costs one look at a file's status."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._content: Document = {}
        self._mark: tuple[int, int] | None = None

    def read(self) -> Document:
        """The content as the last change left it. It is not to be changed here."""
        if self._path is not None:
            try:
                status = os.stat(self._path)
            except FileNotFoundError:
                return self._content
            mark = (status.st_ino, status.st_mtime_ns)
            if mark != self._mark:
                self._content = json.loads(self._path.read_bytes())
                self._mark = mark
        return self._content

    @contextmanager
    def change(self) -> Iterator[Document]:
        """The content, to be changed in place; an exception leaves it as it was. One process at a time."""
        if self._path is None:
            content = json.loads(json.dumps(self._content))
            yield content
            self._content = content
            return
        with self._path.with_suffix(".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            content = json.loads(json.dumps(self.read()))
            yield content
            written = self._path.with_suffix(".new")
            written.write_text(json.dumps(content), encoding="utf-8")
            now = time.time_ns()  # finer than the clock of the file system: two changes are never taken for one
            os.utime(written, ns=(now, now))
            os.replace(written, self._path)


def in_folder(folder: Path | None, name: str) -> SharedDocument:
    """The document of that name in the folder that the workers share; None where there is one process only."""
    return SharedDocument(None if folder is None else folder / f"{name}.json")
