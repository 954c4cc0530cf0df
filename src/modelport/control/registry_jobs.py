"""`/api/v1/registry/jobs`: the queue of jobs, as the registry has it. People ask for jobs below `/api/v1/jobs`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request, Response

from modelport.control.registry import Opened, body_as, reply
from modelport.registry.base import PAGE
from modelport.registry.jobs import JobState
from modelport.registry.records import By


@dataclass(frozen=True, slots=True)
class Wish:
    """The body that asks for a job."""

    by: By
    kind: str
    subject: str = ""
    request: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Taking:
    """The body of a worker that looks for a job; `lease` in seconds."""

    worker: str
    lease: float


@dataclass(frozen=True, slots=True)
class Progress:
    """The body of a worker that tells how far it is."""

    worker: str
    lease: float
    done: int = 0
    total: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """The body of a worker that is done."""

    worker: str
    state: JobState
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cancel:
    """The body of who cancels a job."""

    by: By


def job_queue_router(opened: Opened) -> APIRouter:
    """Jobs for those who ask, and for workers."""
    router = APIRouter(prefix="/api/v1/registry/jobs", tags=["jobs"])
    _asking(router, opened)
    _working(router, opened)
    return router


def _asking(router: APIRouter, opened: Opened) -> None:
    @router.get("", summary="Jobs, newest first")
    def jobs(limit: int = PAGE) -> Response:
        return reply(opened().jobs(limit))

    @router.get("/{number}", summary="One job")
    def job(number: int) -> Response:
        return reply(opened().job(number))

    @router.post("", summary="Ask for a job", status_code=201)
    async def submit(request: Request) -> Response:
        body = await body_as(request, Wish)
        wanted = (body.kind, body.subject, body.request, body.by)
        return reply(await asyncio.to_thread(lambda: opened().submit_job(*wanted)), 201)

    @router.post("/{number}/cancel", summary="Cancel a job")
    async def cancel(number: int, request: Request) -> Response:
        body = await body_as(request, Cancel)
        return reply(await asyncio.to_thread(lambda: opened().cancel_job(number, body.by)))


def _working(router: APIRouter, opened: Opened) -> None:
    @router.post("/take", summary="Take the oldest job that waits, or null")
    async def take(request: Request) -> Response:
        body = await body_as(request, Taking)
        return reply(await asyncio.to_thread(lambda: opened().take_job(body.worker, body.lease)))

    @router.post("/{number}/report", summary="Tell how far a job is; whether to go on")
    async def report(number: int, request: Request) -> Response:
        body = await body_as(request, Progress)
        said = (body.worker, body.done, body.total, body.text, body.lease)
        return reply({"go_on": await asyncio.to_thread(lambda: opened().report_job(number, *said))})

    @router.post("/{number}/finish", summary="Say how a job ended", status_code=204)
    async def finish(number: int, request: Request) -> Response:
        body = await body_as(request, Finish)
        ended = (body.worker, body.state, body.result)
        await asyncio.to_thread(lambda: opened().finish_job(number, *ended))
        return Response(status_code=204)
