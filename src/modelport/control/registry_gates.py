"""`/api/v1/registry`: gates of models, and evaluations of their versions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from modelport.control.registry import Opened, body_as, reply
from modelport.registry.base import PAGE
from modelport.registry.records import By
from modelport.registry.releases import EvaluationRecord, GateRules


@dataclass(frozen=True, slots=True)
class Gating:
    """The body of a change of gates; `gates` null takes them away."""

    by: By
    gates: GateRules | None = None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The body of an evaluation to keep. A metric that is null is left out."""

    by: By
    version: int
    document: dict[str, Any]
    metrics: dict[str, float | None]
    dataset: str = ""
    dataset_digest: str = ""


def gates_router(opened: Opened) -> APIRouter:
    """Reading and changing gates, reading and adding evaluations."""
    router = APIRouter(prefix="/api/v1/registry", tags=["gates"])
    _gates(router, opened)
    _evaluations(router, opened)
    return router


def _gates(router: APIRouter, opened: Opened) -> None:
    @router.get("/models/{model}/gates", summary="What versions must hold to, or null")
    def gates(model: str) -> Response:
        return reply(opened().gates(model))

    @router.put("/models/{model}/gates", summary="Say what versions must hold to")
    async def change(model: str, request: Request) -> Response:
        body = await body_as(request, Gating)
        await asyncio.to_thread(lambda: opened().set_gates(model, body.gates, body.by))
        return Response(status_code=204)


def _evaluations(router: APIRouter, opened: Opened) -> None:
    @router.get("/models/{model}/evaluations", summary="Evaluations, newest first, without their documents")
    def evaluations(model: str, version: int | None = None, limit: int = PAGE) -> Response:
        return reply(opened().evaluations(model, version, limit))

    @router.get("/evaluations/{number}", summary="One evaluation")
    def evaluation(number: int) -> Response:
        return reply(opened().evaluation(number))

    @router.post("/models/{model}/evaluations", summary="Keep an evaluation", status_code=201)
    async def record(model: str, request: Request) -> Response:
        body = await body_as(request, Evaluated)
        return reply(await asyncio.to_thread(_record, opened, model, body), 201)


def _record(opened: Opened, model: str, body: Evaluated) -> EvaluationRecord:
    metrics = {name: value for name, value in body.metrics.items() if value is not None}
    data = (body.dataset, body.dataset_digest)
    return opened().record_evaluation(model, body.version, body.document, metrics, *data, body.by)
