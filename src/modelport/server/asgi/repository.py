"""Triton's model repository extension: what there is, loading and unloading."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from modelport.server.asgi.json_body import field, json_object, json_reply
from modelport.server.repository import Repository


def repository_router(repository: Repository) -> APIRouter:
    """`/v2/repository`."""
    router = APIRouter(prefix="/v2/repository", tags=["open inference protocol"])

    @router.post("/index", summary="Every version of every model, and its state")
    async def index(request: Request) -> Response:
        ready = field(await json_object(request), "ready", bool, False)
        return json_reply(repository.index(ready))

    @router.post("/models/{model}/load", summary="Load a model, or load it again")
    async def load(model: str, request: Request) -> Response:
        await repository.load(model, field(await json_object(request), "parameters", dict, {}))
        return Response()

    @router.post("/models/{model}/unload", summary="Serve a model no longer")
    async def unload(model: str, request: Request) -> Response:
        await repository.unload(model, field(await json_object(request), "parameters", dict, {}))
        return Response()

    return router
