"""Triton's logging and trace extensions: settings that can be read, and changed as far as they can be honoured."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from modelport.engine.engine import Engine
from modelport.server.asgi.json_body import json_object, json_reply
from modelport.server.log_settings import LogSettings
from modelport.server.trace_settings import trace_settings


def logging_router(engine: Engine, settings: LogSettings) -> APIRouter:
    """`/v2/logging`, `/v2/trace/setting` and `/v2/models/{model}/trace/setting`."""
    router = APIRouter(prefix="/v2", tags=["open inference protocol"])

    @router.get("/logging", summary="Log settings")
    async def read_logging() -> Response:
        return json_reply(settings.current())

    @router.post("/logging", summary="Change log settings")
    async def change_logging(request: Request) -> Response:
        return json_reply(settings.update(await json_object(request)))

    @router.get("/trace/setting", summary="Trace settings")
    @router.get("/models/{model}/trace/setting", summary="Trace settings of a model")
    async def read_trace(model: str = "") -> Response:
        return json_reply(_trace(engine, model, {}))

    @router.post("/trace/setting", summary="Change trace settings")
    @router.post("/models/{model}/trace/setting", summary="Change trace settings of a model")
    async def change_trace(request: Request, model: str = "") -> Response:
        return json_reply(_trace(engine, model, await json_object(request)))

    return router


def _trace(engine: Engine, model: str, changes: dict[str, object]) -> dict[str, list[str]]:
    if model:
        engine.model(model)
    return trace_settings(changes)
