"""`/api/v1/models`: what is served, with everything that is known about it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from modelport.core.description import signature_to_dict
from modelport.engine.engine import Engine
from modelport.engine.served import ServedModel, ServedVersion


def models_router(engine: Engine) -> APIRouter:
    """Reading what is served."""
    router = APIRouter(prefix="/api/v1", tags=["management"])

    @router.get("/models", summary="All models")
    async def models() -> dict[str, Any]:
        return {"models": [model_document(model) for model in engine.models()]}

    @router.get("/models/{model}", summary="One model, with the signatures of its versions")
    async def model(model: str) -> dict[str, Any]:
        return model_document(engine.model(model))

    return router


def model_document(model: ServedModel) -> dict[str, Any]:
    """A model as JSON."""
    return {
        "name": model.name,
        "state": model.state,
        "error": model.error,
        "default_version": None if model.default is None else model.default.version,
        "versions": [version_document(version) for version in model.versions],
    }


def version_document(version: ServedVersion) -> dict[str, Any]:
    """A version as JSON; `cost_ms` is the measured time of one prediction, `cost_curve` that of batches."""
    return {
        "version": version.version,
        "format": version.info.format,
        "framework": version.info.framework,
        "platform": version.info.platform,
        "properties": version.info.properties,
        "digest": version.digest,
        "loaded_at": version.loaded_at,
        "execution": version.execution,
        "cost_ms": round(version.cost_ms, 4),
        "batching": version.batching,
        "cost_curve": [{"rows": rows, "ms": round(cost, 4)} for rows, cost in version.cost_curve],
        "signature": signature_to_dict(version.signature),
    }
