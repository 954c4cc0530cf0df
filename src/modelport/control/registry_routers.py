"""All routers below `/api/v1/registry` that are about how versions go out."""

from __future__ import annotations

from fastapi import APIRouter

from modelport.control.registry import Opened
from modelport.control.registry_gates import gates_router
from modelport.control.registry_jobs import job_queue_router
from modelport.control.registry_releases import releases_router


def release_routers(opened: Opened) -> tuple[APIRouter, ...]:
    """Rollouts, promotions and feedback; gates and evaluations; jobs."""
    return releases_router(opened), gates_router(opened), job_queue_router(opened)
