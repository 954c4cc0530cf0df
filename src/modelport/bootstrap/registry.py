"""The registry of a server: its part of the API, and what a server that serves no files follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter

from modelport.client.registry import RemoteRegistry
from modelport.control.jobs import jobs_router
from modelport.control.promotions import promotions_router
from modelport.control.registry import Opened, registry_router
from modelport.control.registry_content import content_router
from modelport.control.registry_routers import release_routers
from modelport.registry.base import Registry
from modelport.registry.opening import RegistrySettings, open_registry

_SERVERS = ("http://", "https://")
#: Seconds that a registry behind another server may take for an answer.
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Registries:
    """The registry, each opened when it is first asked for.

    `opened` is what this server's API changes and its pages show; None where no registry is named, or that of another
    server, whose own API it is. `follow` opens what is followed; None where no registry is named.
    """

    opened: Opened | None = None
    follow: Callable[[], Registry] | None = None


def registries(settings: RegistrySettings) -> Registries:
    """What the settings name. Nothing is opened yet: a worker opens its own after it was forked."""
    if not settings.named:
        return Registries()
    if settings.registry.startswith(_SERVERS):
        return Registries(follow=lambda: RemoteRegistry(settings.registry, timeout=_PATIENCE, retries=0))
    opened = Opened(lambda: open_registry(settings))
    return Registries(opened, opened)


def check_registry(settings: RegistrySettings) -> None:
    """Before anything is started: raise InvalidInputError or MissingExtraError for a registry that can never be.

    What it takes to open one is imported here, once for all workers.
    """
    if not settings.named or settings.registry.startswith(_SERVERS):
        return
    import modelport.registry.sql  # noqa: F401, PLC0415 - who follows no database needs none
    from modelport.db.opening import make_engine  # noqa: PLC0415

    if settings.registry:
        make_engine(settings.registry).dispose()


def registry_routers(opened: Opened | None) -> tuple[APIRouter, ...]:
    """None where no registry is named: who serves a file needs no database, and lets nobody write to one."""
    if opened is None:
        return ()
    routers = (registry_router(opened), content_router(opened), *release_routers(opened))
    return (*routers, promotions_router(opened), jobs_router(opened))
