"""`/api/v1/registry/models/{model}/promotions` and `/evaluation-jobs`: versions go out, and are measured."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from modelport.control.registry import Opened, body_as, reply
from modelport.core.errors import InvalidInputError
from modelport.registry.records import By
from modelport.registry.releases import PRODUCTION, RolloutPlan
from modelport.release.jobs.requests import submit_evaluation, submit_promotion
from modelport.release.promotion.wish import DataRef, EvaluationWish, Wish


@dataclass(frozen=True, slots=True)
class Promotion:
    """The body of a promotion. `rollout` is a plan without its candidate, which is `version`."""

    version: int
    by: By
    alias: str = PRODUCTION
    rollout: dict[str, Any] | None = None
    gates: tuple[str, ...] = ()
    data: DataRef | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Evaluating:
    """The body of an evaluation; fields as those of `EvaluationWish`."""

    version: int
    data: DataRef
    by: By
    compare: int | None = None
    gates: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    task: str = ""
    output: str = ""
    batch: int = 256
    resamples: int = 1000
    seed: int = 0

    def wish(self, model: str) -> EvaluationWish:
        """What it asks for of a model."""
        given = {name: getattr(self, name) for name in EvaluationWish.__dataclass_fields__ if name != "model"}
        return EvaluationWish(model, **given)


def promotions_router(opened: Opened) -> APIRouter:
    """Promotions and evaluations: jobs, of which `/api/v1/jobs` tells."""
    router = APIRouter(prefix="/api/v1/registry/models/{model}", tags=["releases"])

    @router.post("/promotions", summary="Promote a version if its gates let it pass: a job", status_code=202)
    async def promote(model: str, request: Request) -> Response:
        body = await body_as(request, Promotion)
        wish = _wish(model, body)
        return reply(await asyncio.to_thread(lambda: submit_promotion(opened(), wish, body.by)), 202)

    @router.post("/evaluation-jobs", summary="Evaluate a version on labelled data in the store: a job", status_code=202)
    async def evaluate(model: str, request: Request) -> Response:
        body = await body_as(request, Evaluating)
        return reply(await asyncio.to_thread(lambda: submit_evaluation(opened(), body.wish(model), body.by)), 202)

    return router


def _wish(model: str, body: Promotion) -> Wish:
    return Wish(model, body.version, body.alias, _plan(body), body.gates, body.data, body.force)


def _plan(body: Promotion) -> RolloutPlan | None:
    if body.rollout is None:
        return None
    try:
        return msgspec.convert({**body.rollout, "candidate": body.version, "alias": body.alias}, RolloutPlan)
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"the rollout: {error}") from None
