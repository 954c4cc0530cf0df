"""Triton's statistics extension: how often each version was asked, and where the time went."""

from __future__ import annotations

from fastapi import APIRouter, Response

from modelport.server.asgi.json_body import json_reply
from modelport.server.extensions import Extensions


def statistics_router(extensions: Extensions) -> APIRouter:
    """`/v2/models/…/stats`. Goes before the router of `/v2/models/{model}`."""
    router = APIRouter(prefix="/v2/models", tags=["open inference protocol"])

    @router.get("/stats", summary="Statistics of all models")
    async def of_all() -> Response:
        return json_reply({"model_stats": extensions.statistics()})

    @router.get("/{model}/stats", summary="Statistics of a model's versions")
    @router.get("/{model}/versions/{version}/stats", summary="Statistics of a version")
    async def of_one(model: str, version: str = "") -> Response:
        return json_reply({"model_stats": extensions.statistics(model, version)})

    return router
