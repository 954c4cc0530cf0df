"""`/api/v1/jobs`: long work that was asked for, how far it is, and what came of it."""

from __future__ import annotations

from fastapi import APIRouter, Response

from modelport.control.registry import Opened, reply
from modelport.registry.base import PAGE
from modelport.registry.records import By


def jobs_router(opened: Opened) -> APIRouter:
    """Jobs of the registry, whichever server does them."""
    router = APIRouter(prefix="/api/v1/jobs", tags=["releases"])

    @router.get("", summary="Jobs, newest first")
    def jobs(limit: int = PAGE) -> Response:
        return reply(opened().jobs(limit))

    @router.get("/{job}", summary="One job: its state, how far it is, and its result")
    def one(job: int) -> Response:
        return reply(opened().job(job))

    @router.delete("/{job}", summary="Cancel a job: one that waits at once, one that runs within a second or so")
    def cancel(job: int, who: str = "", why: str = "") -> Response:
        return reply(opened().cancel_job(job, By(who, why)))

    return router
