"""Puts together what lets a server follow a registry."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from modelport.bootstrap.settings import Settings
from modelport.engine.metrics.metrics import Metrics
from modelport.registry.base import Registry
from modelport.registry.opening import RegistrySettings
from modelport.release.following.cache import ContentCache
from modelport.release.following.follower import Follower
from modelport.release.following.remembered import Memory


def open_follower(settings: Settings, make: Callable[[], Registry], metrics: Metrics) -> Follower:
    """A follower of the registry that `make` opens. Nothing is opened or written yet."""
    following, registry = settings.following, settings.registry
    folder = Path(following.cache_folder).expanduser() if following.cache_folder else registry.folder / "cache"
    memory = Memory(folder, registry.registry)
    return Follower(make, ContentCache(folder), memory, following, metrics, registry_place(registry))


def registry_place(settings: RegistrySettings) -> str:
    """Where the registry is, for people: without a password."""
    return re.sub(r"://([^/@:]*):[^/@]*@", r"://\1:***@", settings.registry) or str(settings.folder)
