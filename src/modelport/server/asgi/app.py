"""The ASGI app: routers side by side, errors in one form, documentation that works without the internet."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from modelport import __version__
from modelport.core.errors import Kind, ModelportError
from modelport.wire.http import STATUS, error_headers
from modelport.wire.json_tensors import dumps


def create_app(routers: Iterable[APIRouter], routes: Iterable[BaseRoute] = ()) -> FastAPI:
    """An app of these routers (which appear in the API's documentation) and these further routes (which do not)."""
    app: FastAPI = FastAPIOffline(
        title="Modelport",
        version=__version__,
        summary="Inference in every dialect, and the management of what is served.",
        static_url="/static-docs",
        redoc_url=None,
    )
    for router in routers:
        app.include_router(router)
    app.router.routes.extend(routes)
    app.add_exception_handler(ModelportError, _modelport_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    return app


def _error(status: int, text: str, kind: str, headers: dict[str, str] | None = None) -> Response:
    return Response(dumps({"error": text, "kind": kind}), status, headers, "application/json")


def _modelport_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ModelportError)
    headers = {name.decode(): value.decode() for name, value in error_headers(error)}
    return _error(STATUS[error.kind], str(error), error.kind, headers)


def _http_error(request: Request, error: Exception) -> Response:
    """Unknown paths and methods, named."""
    assert isinstance(error, HTTPException)
    target = f"{request.method} {request.url.path[:200]}"
    headers = dict(error.headers or {})
    if error.status_code == 404:
        return _error(404, f"nothing answers {target}; see / for what is served and /docs for the API", Kind.NOT_FOUND)
    if error.status_code == 405:
        allowed = f"; use {headers['Allow']}" if "Allow" in headers else ""
        return _error(405, f"{target} is not answered{allowed}", Kind.UNSUPPORTED, headers)
    return _error(error.status_code, str(error.detail), Kind.INVALID_INPUT, headers)


def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _error(400, f"{where}: {first['msg']}", Kind.INVALID_INPUT)
