"""TensorFlow Serving over REST: the states and the metadata of models. KServe's v1 protocol has the same paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response

from modelport.core.errors import ModelportError
from modelport.core.references import parse_version
from modelport.engine.engine import Engine
from modelport.server.named_signatures import with_signatures
from modelport.server.repository import Repository
from modelport.server.tensorflow_serving import model_status
from modelport.wire.http import error_headers
from modelport.wire.json_tensors import dumps
from modelport.wire.quoting import error_text
from modelport.wire.tensorflow_serving import STATUS
from modelport.wire.tensorflow_serving_messages import ModelSpec, servable_error
from modelport.wire.tensorflow_serving_metadata import metadata_document, status_document


def tensorflow_serving_router(engine: Engine, repository: Repository) -> APIRouter:
    """`GET /v1/models…`."""
    router = APIRouter(prefix="/v1/models", tags=["tensorflow serving"])

    @router.get("", summary="The models that are served (KServe v1)")
    async def models() -> Response:
        return _json({"models": [model.name for model in engine.models()]})

    @router.get("/{model}", summary="The states of a model's versions")
    @router.get("/{model}/versions/{version}", summary="The state of a version")
    @router.get("/{model}/labels/{label}", summary="The state of the version with a label")
    async def status(model: str, version: str | None = None, label: str = "") -> Response:
        return _answer(lambda: _status(engine, repository, _spec(model, version, label)))

    @router.get("/{model}/metadata", summary="A model's signatures")
    @router.get("/{model}/versions/{version}/metadata", summary="A version's signatures")
    @router.get("/{model}/labels/{label}/metadata", summary="The signatures of the version with a label")
    async def metadata(model: str, version: str | None = None, label: str = "") -> Response:
        return _answer(lambda: _metadata(engine, _spec(model, version, label)))

    return router


def _spec(model: str, version: str | None, label: str) -> ModelSpec:
    return ModelSpec(model, None if version is None else parse_version(version), label)


def _status(engine: Engine, repository: Repository, spec: ModelSpec) -> dict[str, Any]:
    """The states, and what KServe's clients look for beside them."""
    states = status_document(model_status(engine, repository, spec))
    return {"name": spec.name, "ready": engine.model(spec.name).state == "ready", **states}


def _metadata(engine: Engine, spec: ModelSpec) -> dict[str, Any]:
    spec.check()
    try:
        served = with_signatures(engine.find(spec.name, spec.asked))
    except ModelportError as error:
        raise servable_error(error, spec) from None
    return metadata_document(served.model, served.version, served.signature)


def _answer(make: Callable[[], dict[str, Any]]) -> Response:
    """What `make` gives, or its error in TensorFlow Serving's form."""
    try:
        return _json(make())
    except ModelportError as error:
        headers = {name.decode(): value.decode() for name, value in error_headers(error)}
        return _json({"error": error_text(error)}, STATUS[error.kind], headers)


def _json(document: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(dumps(document), status, headers, "application/json")
