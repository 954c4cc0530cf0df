"""The registry's part of the API: there where a registry is named, and opened when it is first asked for."""

from __future__ import annotations

from fastapi import APIRouter

from modelport.control.registry import Opened, registry_router
from modelport.control.registry_content import content_router
from modelport.registry.opening import RegistrySettings, open_registry


def registry_routers(settings: RegistrySettings) -> tuple[APIRouter, ...]:
    """None where no registry is named: who serves a file needs no database, and lets nobody write to one."""
    if not settings.named:
        return ()
    opened = Opened(lambda: open_registry(settings))
    return registry_router(opened), content_router(opened)
