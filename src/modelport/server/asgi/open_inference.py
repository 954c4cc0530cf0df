"""Open Inference Protocol v2: health and metadata."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from modelport import __version__
from modelport.core.errors import NotFoundError, UnavailableError
from modelport.core.references import parse_version
from modelport.engine.engine import Engine
from modelport.engine.served import ServedVersion
from modelport.wire.json_tensors import dumps
from modelport.wire.open_inference_metadata import model_metadata, server_metadata


def open_inference_router(engine: Engine) -> APIRouter:
    """`/v2` without inference itself."""
    router = APIRouter(prefix="/v2", tags=["open inference protocol"])

    @router.get("", summary="Server metadata")
    @router.get("/", include_in_schema=False)
    async def server() -> Response:
        return _json(server_metadata("modelport", __version__))

    @router.get("/health/live", summary="Whether the server runs")
    async def live() -> Response:
        return _json({"live": True})

    @router.get("/health/ready", summary="Whether every model answers")
    async def ready() -> Response:
        return _json({"ready": engine.ready}, engine.ready)

    @router.get("/models/{model}", summary="Model metadata")
    @router.get("/models/{model}/versions/{version}", summary="Version metadata")
    async def metadata(model: str, version: str | None = None) -> Response:
        served = _find(engine, model, version)
        versions = [item.version for item in engine.model(model).versions]
        return _json(model_metadata(model, versions, served.info.platform, served.signature))

    @router.get("/models/{model}/ready", summary="Whether a model answers")
    @router.get("/models/{model}/versions/{version}/ready", summary="Whether a version answers")
    async def model_ready(model: str, version: str | None = None) -> Response:
        try:
            _find(engine, model, version)
        except UnavailableError:
            return _json({"name": model, "ready": False}, ok=False)
        except NotFoundError:
            engine.model(model)
            return _json({"name": model, "ready": False}, ok=False)
        return _json({"name": model, "ready": True})

    return router


def _find(engine: Engine, model: str, version: str | None) -> ServedVersion:
    return engine.find(model, None if version is None else parse_version(version))


def _json(document: dict[str, Any], ok: bool = True) -> Response:
    return Response(dumps(document), 200 if ok else 503, media_type="application/json")
