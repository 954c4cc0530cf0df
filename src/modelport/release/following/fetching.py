"""Getting the files of versions here, and knowing which are."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import cast

from modelport.artifacts.base import Uploads
from modelport.core.errors import CancelledError, ModelportError
from modelport.engine.lifecycle.artifact import Artifact
from modelport.registry.base import Registry
from modelport.release.following.artifacts import artifact_in
from modelport.release.following.cache import ContentCache, content_key
from modelport.release.following.wishing import Key, Wanted

_log = logging.getLogger("modelport.following")
#: A version that could not be fetched is tried again after so many seconds.
_AGAIN = 5.0


class Fetching:
    """The artifacts that are here, and why others are not. Its methods but `fetch` are for the event loop's thread."""

    def __init__(self, cache: ContentCache) -> None:
        self.cache = cache
        self.artifacts: dict[Key, Artifact] = {}
        self.problems: dict[Key, ModelportError] = {}
        self._keys: dict[Key, str] = {}
        self._due: dict[Key, float] = {}
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End a transfer that is under way."""
        self.cache.stop()
        self._stopped.set()

    def limit(self, wanted: list[Wanted]) -> None:
        """Forget versions that are not wanted any more."""
        keep = {item.key for item in wanted}
        for known in (self.artifacts, self.problems, self._keys, self._due):
            for key in known.keys() - keep:
                del known[key]

    def missing(self, wanted: list[Wanted]) -> list[Wanted]:
        """What is to be fetched now: what failed a moment ago waits."""
        now = time.monotonic()
        return [item for item in wanted if item.key not in self.artifacts and self._due.get(item.key, 0.0) <= now]

    def fetch(self, item: Wanted, registry: Registry | None) -> tuple[Artifact | None, ModelportError | None]:
        """The artifact, or why it can't be had. For a thread. `registry` None: only from the disk."""
        try:
            store = None if registry is None else cast("Uploads", _Stoppable(registry.store, self._stopped))
            folder = self.cache.keep(store, item.manifest)
            return artifact_in(folder, item.manifest), None
        except ModelportError as error:
            return None, error

    def note(self, item: Wanted, artifact: Artifact | None, problem: ModelportError | None) -> None:
        """Keep what `fetch` gave."""
        if artifact is not None:
            self.artifacts[item.key] = artifact
            self._keys[item.key] = content_key(item.manifest)
            self.problems.pop(item.key, None)
        elif problem is not None:
            if str(self.problems.get(item.key)) != str(problem):
                _log.error("%s@%d is not here: %s", item.model, item.number, problem)
            self.problems[item.key] = problem
            self._due[item.key] = time.monotonic() + _AGAIN

    def used(self) -> set[str]:
        """What the folders of the artifacts here are called."""
        return set(self._keys.values())


class _Stoppable:
    """What checking out needs of a store, which can be stopped in the middle of a content."""

    def __init__(self, store: Uploads, stopped: threading.Event) -> None:
        self._store, self._stopped = store, stopped

    def read(self, digest: str) -> Iterator[bytes]:
        """As the port says. Raises CancelledError once it is stopped."""
        for chunk in self._store.read(digest):
            if self._stopped.is_set():
                raise CancelledError("the server stops")
            yield chunk
