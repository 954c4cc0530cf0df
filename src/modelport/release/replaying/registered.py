"""A version of the registry, to be asked again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from modelport.registry.base import Registry
from modelport.registry.references import Selector
from modelport.release.promotion.versions import opened_version
from modelport.release.replaying.loaded import LoadedSubject
from modelport.runtimes.trust import Trust


@contextmanager
def registered_subject(registry: Registry, model: str, selector: Selector, trust: Trust) -> Iterator[LoadedSubject]:
    """A version of the registry, checked out and loaded until the block ends. Raises ModelportError."""
    version = registry.version(model, selector)
    with opened_version(registry, version, trust) as opened:
        yield LoadedSubject(f"{model}@{version.number}", opened.loaded, opened.signature)
