"""Triton's model configuration extension."""

from __future__ import annotations

from fastapi import APIRouter, Response

from modelport.server.asgi.json_body import json_reply
from modelport.server.extensions import Extensions


def model_config_router(extensions: Extensions) -> APIRouter:
    """`/v2/models/…/config`."""
    router = APIRouter(prefix="/v2/models", tags=["open inference protocol"])

    @router.get("/{model}/config", summary="Configuration of a model")
    @router.get("/{model}/versions/{version}/config", summary="Configuration of a version")
    async def config(model: str, version: str = "") -> Response:
        return json_reply(extensions.config(model, version))

    return router
