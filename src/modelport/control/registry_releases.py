"""`/api/v1/registry`: how versions go out. What servers should serve, promotions without gates, rollouts, feedback.

`POST …/models/{model}/alias-promotions` is the registry's own `promote`, for whoever ran the gates already.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from fastapi import APIRouter, Request, Response

from modelport.control.registry import Opened, body_as, reply
from modelport.registry.base import PAGE
from modelport.registry.records import By
from modelport.registry.releases import PRODUCTION, Observation, Outcome, RolloutChange, RolloutPlan, Verdict


@dataclass(frozen=True, slots=True)
class Promotion:
    """The body of a promotion of which the gates have decided."""

    by: By
    version: int
    alias: str = PRODUCTION
    expect: int | None = None
    verdicts: tuple[Verdict, ...] = ()
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Return:
    """The body of a rollback."""

    by: By
    alias: str = PRODUCTION


@dataclass(frozen=True, slots=True)
class Beginning:
    """The body that starts a rollout."""

    by: By
    plan: RolloutPlan


@dataclass(frozen=True, slots=True)
class Advance:
    """The body that changes a rollout."""

    by: By
    change: RolloutChange


@dataclass(frozen=True, slots=True)
class Counted:
    """The body with what a server counted."""

    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class Feedback:
    """The body with how requests turned out."""

    version: int
    outcomes: tuple[Outcome, ...] = ()
    rollout: int | None = field(default=None)


def releases_router(opened: Opened) -> APIRouter:
    """Reading and changing how versions go out."""
    router = APIRouter(prefix="/api/v1/registry", tags=["releases"])
    _desired(router, opened)
    _moves(router, opened)
    _rollouts(router, opened)
    _changes(router, opened)
    _counts(router, opened)
    return router


def _desired(router: APIRouter, opened: Opened) -> None:
    @router.get("/head", summary="The number of the last event")
    def head() -> Response:
        return reply({"head": opened().head()})

    @router.get("/desired", summary="What servers that follow the registry should serve")
    def desired() -> Response:
        return reply(opened().desired())


def _moves(router: APIRouter, opened: Opened) -> None:
    @router.post("/models/{model}/alias-promotions", summary="Let an alias name a version that the gates let pass")
    async def promote(model: str, request: Request) -> Response:
        body = await body_as(request, Promotion)
        words = (body.alias, body.expect, body.verdicts, body.forced)
        await asyncio.to_thread(lambda: opened().promote(model, body.version, body.by, *words))
        return Response(status_code=204)

    @router.post("/models/{model}/rollback", summary="Let an alias name what it named before")
    async def rollback(model: str, request: Request) -> Response:
        body = await body_as(request, Return)
        return reply({"version": await asyncio.to_thread(lambda: opened().rollback(model, body.by, body.alias))})


def _rollouts(router: APIRouter, opened: Opened) -> None:
    @router.get("/rollouts", summary="Rollouts of all models, newest first")
    def every(limit: int = PAGE) -> Response:
        return reply(opened().rollouts(None, limit))

    @router.get("/models/{model}/rollouts", summary="Rollouts of a model, newest first")
    def rollouts(model: str, limit: int = PAGE) -> Response:
        return reply(opened().rollouts(model, limit))

    @router.get("/rollouts/{number}", summary="One rollout")
    def rollout(number: int) -> Response:
        return reply(opened().rollout(number))


def _changes(router: APIRouter, opened: Opened) -> None:
    @router.post("/models/{model}/rollouts", summary="Start a rollout", status_code=201)
    async def start(model: str, request: Request) -> Response:
        body = await body_as(request, Beginning)
        return reply(await asyncio.to_thread(lambda: opened().start_rollout(model, body.plan, body.by)), 201)

    @router.patch("/rollouts/{number}", summary="Advance, pause, resume, promote, abort or end a rollout")
    async def change(number: int, request: Request) -> Response:
        body = await body_as(request, Advance)
        return reply(await asyncio.to_thread(lambda: opened().change_rollout(number, body.change, body.by)))


def _counts(router: APIRouter, opened: Opened) -> None:
    @router.get("/rollouts/{number}/observations", summary="What each server counted of a rollout")
    def observations(number: int) -> Response:
        return reply(opened().observations(number))

    @router.post("/observations", summary="Keep what a server counted", status_code=204)
    async def observe(request: Request) -> Response:
        body = await body_as(request, Counted)
        await asyncio.to_thread(lambda: opened().observe(body.observations))
        return Response(status_code=204)

    @router.get("/models/{model}/outcomes", summary="How requests turned out, by version")
    def outcomes(model: str, rollout: int | None = None) -> Response:
        return reply(opened().outcomes(model, rollout))

    @router.post("/models/{model}/outcomes", summary="Keep how requests turned out")
    async def feedback(model: str, request: Request) -> Response:
        body = await body_as(request, Feedback)
        given = (model, body.version, body.rollout, body.outcomes)
        return reply({"kept": await asyncio.to_thread(lambda: opened().give_feedback(*given))})
