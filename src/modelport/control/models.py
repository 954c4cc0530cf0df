"""`/api/v1/models`: what is served, with everything that is known about it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from modelport.core.description import signature_to_dict
from modelport.engine.engine import Engine
from modelport.engine.served import ServedModel, ServedVersion
from modelport.release.following.follower import Follower


def models_router(engine: Engine, follower: Follower | None = None) -> APIRouter:
    """Reading what is served, and what a registry that is followed wants of it."""
    router = APIRouter(prefix="/api/v1", tags=["management"])

    @router.get("/models", summary="All models")
    async def models() -> dict[str, Any]:
        found = [model_document(model) for model in engine.models()]
        if follower is None:
            return {"models": found}
        desired = follower.desired_documents()
        found = [{**document, "desired": desired.get(document["name"])} for document in found]
        return {"models": found, "following": follower.document()}

    @router.get("/models/{model}", summary="One model, with the signatures of its versions")
    async def model(model: str) -> dict[str, Any]:
        found = model_document(engine.model(model))
        return found if follower is None else {**found, "desired": follower.desired_documents().get(model)}

    return router


def model_document(model: ServedModel) -> dict[str, Any]:
    """A model as JSON. `aliases` are what names mean here now; `preferred` should answer where none is named."""
    return {
        "name": model.name,
        "state": model.state,
        "error": model.error,
        "default_version": None if model.default is None else model.default.version,
        "preferred": model.preferred or None,
        "aliases": dict(model.aliases),
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
