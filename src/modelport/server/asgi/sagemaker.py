"""SageMaker's multi-model contract, and TorchServe's registration, which has the same paths.

`POST /models` is SageMaker's with the body `{"model_name", "url"}`, otherwise TorchServe's with its parameters in the
query or the body. Source: Amazon SageMaker's "Custom Containers Contract for Multi-Model Endpoints".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response

from modelport.core.errors import ConflictError, InvalidInputError, ModelportError, NotFoundError, UnsupportedError
from modelport.core.references import check_model_name
from modelport.engine.engine import Engine
from modelport.server.asgi.model_control import ModelControl
from modelport.server.asgi.negotiation import ProgramRoute
from modelport.server.asgi.replies import body_of, response_of
from modelport.server.asgi.torchserve import TorchServeManagement, model_item
from modelport.wire import sagemaker, torchserve
from modelport.wire.json_tensors import dumps, loads
from modelport.wire.quoting import quoted

#: A request to load a model is small.
_LARGEST = 65536


def multi_model_router(engine: Engine, control: ModelControl | None = None, *, multi_model: bool = False) -> APIRouter:
    """`POST /models` and `DELETE /models/{model}`; with `multi_model` also SageMaker's `GET /models/{model}`.

    Without `control` they are refused. It has to stand before TorchServe's router, whose `GET` of a model it replaces.
    """
    router = APIRouter(tags=["sagemaker"], route_class=ProgramRoute)
    registry = _Registry(engine, control, multi_model)

    @router.post("/models", summary="Load a model (SageMaker, TorchServe)")
    async def loaded(request: Request) -> Response:
        return await registry.loaded(request)

    @router.delete("/models/{model}", summary="Unload a model (SageMaker, TorchServe)")
    @router.delete("/models/{model}/{version}", include_in_schema=False)
    async def unloaded(model: str, version: str | None = None) -> Response:
        return await registry.unloaded(model, version)

    if multi_model:
        router.add_api_route("/models/{model}", registry.one, methods=["GET"], summary="One loaded model (SageMaker)")
    return router


class _Registry:
    """Both systems' ways to load and unload. An error has the form of the system that the request speaks of."""

    def __init__(self, engine: Engine, control: ModelControl | None, multi_model: bool) -> None:
        self._engine, self._control, self._multi_model = engine, control, multi_model
        self._torchserve = TorchServeManagement(engine, control)
        self._refusal = sagemaker.refusal if multi_model else torchserve.refusal

    async def loaded(self, request: Request) -> Response:
        refusal = self._refusal
        try:
            document = await _document(request)
            if self._control is not None and "model_name" in document and not request.query_params:
                refusal = sagemaker.refusal
                return _json({"status": await _load(self._engine, self._control, document)})
            said = {**document, **request.query_params}
            status = await self._torchserve.register(_text(said.get("url")), _text(said.get("model_name")))
            return _json({"status": status})
        except ModelportError as error:
            return response_of(refusal(error))

    async def unloaded(self, model: str, version: str | None) -> Response:
        try:
            if version is not None:
                raise UnsupportedError("a single version can't be unregistered; unregister the model")
            return _json({"status": await self._torchserve.unregister(model)})
        except ModelportError as error:
            return response_of(self._refusal(error))

    async def one(self, model: str) -> Response:
        try:
            return _json(model_item(self._engine.model(model)))
        except ModelportError as error:
            return response_of(sagemaker.refusal(error))


async def _document(request: Request) -> dict[str, Any]:
    """The body as an object; an empty one where there is none."""
    body = await body_of(request, _LARGEST)
    document = loads(body) if body.strip() else {}
    if not isinstance(document, dict):
        raise InvalidInputError(f"the body must be an object with 'model_name' and 'url', not {quoted(document)}")
    return document


async def _load(engine: Engine, control: ModelControl, document: dict[str, Any]) -> str:
    """Load for SageMaker. Raises ConflictError (409) where the name is taken."""
    name, url = document.get("model_name"), document.get("url")
    if not isinstance(name, str) or not isinstance(url, str):
        raise InvalidInputError("'model_name' and 'url' must be texts: a name, and a folder such as /opt/ml/models/…")
    check_model_name(name)
    if engine.has(name):
        raise ConflictError(f"model {name!r} is loaded already")
    path = Path(url.removeprefix("file://"))
    if not path.exists():
        raise NotFoundError(f"there is nothing at {url[:200]!r}")
    await control.load(name, path)
    return f"model {name!r} is loaded"


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _json(document: Any) -> Response:
    return Response(dumps(document), media_type="application/json")
