"""TorchServe's management API, and its inference by PUT (`curl -T picture.jpg`).

Sources: TorchServe's "Management API", its `ManagementRequestHandler`, `ApiUtils` and `DescribeModelResponse`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fastapi import APIRouter, HTTPException, Request, Response

from modelport.core.errors import InvalidInputError, ModelportError, NotFoundError, UnsupportedError
from modelport.core.references import parse_version
from modelport.engine.engine import Engine
from modelport.engine.served import ServedModel, ServedVersion
from modelport.server.asgi.model_control import ModelControl
from modelport.server.asgi.negotiation import ProgramRoute
from modelport.server.asgi.replies import body_of, infer, refusing, response_of
from modelport.server.http.routes import Routes
from modelport.wire.json_tensors import dumps
from modelport.wire.torchserve import TorchServe, TorchServeExplanations, refusal

_FIXED = (
    "Modelport sizes itself: a model's workers are the server's (--workers), and batches form as requests arrive; "
    "there is nothing to scale for a single model"
)
_NO_DEFAULT = "the newest loaded version is the default; choosing another one is not possible in this version"


class TorchServeManagement:
    """What the routes of the management API answer. Raises ModelportError for what is refused."""

    def __init__(self, engine: Engine, control: ModelControl | None) -> None:
        self._engine, self._control = engine, control

    def listed(self, limit: int, token: int) -> dict[str, Any]:
        """`{"nextPageToken": "2", "models": [{"modelName", "modelUrl"}]}`; the token is there where more follow."""
        models = [model for model in self._engine.models() if model.default is not None]
        last = token + limit
        more = {"nextPageToken": str(last)} if last < len(models) else {}
        return {**more, "models": [model_item(model) for model in models[token:last]]}

    def described(self, name: str, version: str | None) -> list[dict[str, Any]]:
        """The default version, the one named, or with `all` every one."""
        model = self._engine.model(name)
        if version == "all":
            return [_description(item) for item in model.versions]
        number = None if version is None else parse_version(version.removesuffix(".0"))
        return [_description(self._engine.find(name, number))]

    async def register(self, url: str | None, name: str | None) -> str:
        """Load a model from this machine's files. Gives TorchServe's text."""
        control = self._allowed("registering models")
        if not url:
            raise InvalidInputError("Parameter url is required.")
        if "://" in url and not url.startswith("file://"):
            raise UnsupportedError(f"{url[:200]!r} can't be fetched: models are loaded from this machine's files")
        path = Path(url.removeprefix("file://"))
        name = name or path.stem
        await control.load(name, path)
        return f'Model "{name}" Version: 1.0 registered with 1 initial workers'

    async def unregister(self, name: str) -> str:
        """Unload a model. Gives TorchServe's text."""
        control = self._allowed("unregistering models")
        self._engine.model(name)
        await control.unload(name)
        return f'Model "{name}" unregistered'

    def _allowed(self, what: str) -> ModelControl:
        if self._control is None:
            raise UnsupportedError(
                f"{what} by this API is not enabled; start the server with the models it shall serve"
            )
        return self._control


def torchserve_router(engine: Engine, limit: int, control: ModelControl | None = None) -> APIRouter:
    """The management API, `/api-description` and PUT of predictions; `limit` is the largest body in bytes."""
    router = APIRouter(tags=["torchserve"], route_class=ProgramRoute)
    management = TorchServeManagement(engine, control)
    routes = Routes((TorchServe(), TorchServeExplanations()))

    @router.get("/models", summary="List models (TorchServe, SageMaker)")
    async def listed(request: Request) -> Response:
        return _json(management.listed(_number(request, "limit", 100), _number(request, "next_page_token", 0)))

    @router.get("/models/{model}", summary="Describe a model (TorchServe)")
    @router.get("/models/{model}/{version}", summary="Describe a version, or all of them (TorchServe)")
    async def described(model: str, version: str | None = None) -> Response:
        if version in ("predict", "invoke"):  # inference, by the wrong method
            raise HTTPException(405, headers={"Allow": "POST"})
        return _attempt(lambda: management.described(model, version))

    @router.put("/models/{model}", summary="Scale workers (TorchServe; refused)")
    @router.put("/models/{model}/{version}", include_in_schema=False)
    async def scaled(model: str, version: str | None = None) -> Response:
        return _attempt(lambda: _refused(engine, model, version, _FIXED))

    @router.put("/models/{model}/{version}/set-default", summary="Set the default version (TorchServe; refused)")
    async def set_default(model: str, version: str) -> Response:
        return _attempt(lambda: _refused(engine, model, version, _NO_DEFAULT))

    @router.get("/api-description", summary="This API as OpenAPI (TorchServe)")
    @router.options("/", include_in_schema=False)
    async def description(request: Request) -> Response:
        return _json(request.app.openapi())

    @router.put("/predictions/{path:path}", summary="Predict (TorchServe: curl -T)")
    @router.put("/explanations/{path:path}", include_in_schema=False)
    async def predicted(request: Request, path: str) -> Response:
        route = routes.match(request.scope.get("raw_path") or request.url.path.encode())
        if route is None:
            raise NotFoundError(f"nothing answers PUT {unquote(request.url.path)[:200]}")
        return await refusing(refusal, _put(engine, route, request, limit))

    return router


def model_item(model: ServedModel) -> dict[str, str]:
    """A model in a list, as TorchServe and SageMaker have it. Only the file's name is told, not its folder."""
    return {"modelName": model.name, "modelUrl": "" if model.default is None else model.default.path.name}


def _description(version: ServedVersion) -> dict[str, Any]:
    """One version as TorchServe describes it. The server's own event loop or threads are its one worker."""
    began = datetime.fromtimestamp(version.loaded_at, UTC).isoformat(timespec="milliseconds")
    worker = {"id": "0", "startTime": began.replace("+00:00", "Z"), "status": "READY", "memoryUsage": 0, "gpu": False}
    return {
        "modelName": version.model,
        "modelVersion": f"{version.version}.0",
        "modelUrl": version.path.name,
        "engine": version.info.framework,
        "runtime": version.info.format,
        "minWorkers": 1,
        "maxWorkers": 1,
        "batchSize": 1,
        "maxBatchDelay": 0,
        "loadedAtStartup": True,
        "workers": [worker],
        "jobQueueStatus": {"remainingCapacity": 0, "pendingRequests": version.inflight},
    }


async def _put(engine: Engine, route: Any, request: Request, limit: int) -> Response:
    return await infer(engine, route, dict(request.scope["headers"]), await body_of(request, limit), limit)


def _refused(engine: Engine, model: str, version: str | None, why: str) -> Any:
    engine.find(model, None if version is None else parse_version(version.removesuffix(".0")))
    raise UnsupportedError(why)


def _attempt(answer: Any) -> Response:
    try:
        return _json(answer())
    except ModelportError as error:
        return response_of(refusal(error))


def _json(document: Any) -> Response:
    return Response(dumps(document), media_type="application/json")


def _number(request: Request, name: str, otherwise: int) -> int:
    """A whole number of the query; TorchServe passes over what is none."""
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise
