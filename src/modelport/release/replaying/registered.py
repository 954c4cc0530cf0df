"""A version of the registry, to be asked again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelport.registry.base import Registry
from modelport.registry.references import Selector
from modelport.release.promotion.opening import open_described
from modelport.release.promotion.versions import checked_out
from modelport.release.replaying.loaded import LoadedSubject
from modelport.runtimes.trust import Trust


@contextmanager
def registered_subject(registry: Registry, model: str, selector: Selector, trust: Trust) -> Iterator[LoadedSubject]:
    """A version of the registry, checked out and loaded until the block ends. Raises ModelportError."""
    version = registry.version(model, selector)
    with tempfile.TemporaryDirectory(prefix="modelport-replay-") as folder:
        opened = open_described(checked_out(registry, version, Path(folder)), model, trust)
        try:
            yield LoadedSubject(f"{model}@{version.number}", opened.loaded, opened.signature)
        finally:
            opened.loaded.close()
