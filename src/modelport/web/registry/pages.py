"""The routes of the registry's pages. They are made in threads, for a registry may take its time or be away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from modelport.core.errors import Kind, ModelportError
from modelport.registry.base import Registry
from modelport.web.catalog import Catalog, ModelView
from modelport.web.page import Renderer, wants_html
from modelport.web.registry.comparing import comparison
from modelport.web.registry.evaluations import evaluation, evaluations
from modelport.web.registry.models import model, version
from modelport.web.registry.overview import overview
from modelport.web.registry.promoting import promotion, rollback
from modelport.web.registry.rollouts import rollout, rollouts
from modelport.web.registry.timeline import timeline
from modelport.web.registry.visit import View, Visit
from modelport.wire.http import STATUS

_MODEL = "/registry/models/{name}"
_VIEWS: dict[str, Callable[[Visit], View]] = {
    "/registry": overview,
    _MODEL: model,
    _MODEL + "/versions/{version}": version,
    _MODEL + "/compare": comparison,
    _MODEL + "/promote": promotion,
    _MODEL + "/rollback": rollback,
    _MODEL + "/evaluations": evaluations,
    "/registry/rollouts": rollouts,
    "/registry/rollouts/{id}": rollout,
    "/registry/history": timeline,
    "/registry/evaluations/{id}": evaluation,
}
#: What is told above an error, by its kind.
_TITLES = {
    Kind.NOT_FOUND: "Not found",
    Kind.INVALID_INPUT: "That can't be shown",
    Kind.UNAVAILABLE: "The registry can't be reached",
}


def registry_routes(catalog: Catalog, opened: Callable[[], Registry], renderer: Renderer) -> list[BaseRoute]:
    """The pages over the registry that `opened` gives, which may raise what opening it raises. All only read."""
    pages = RegistryPages(catalog, opened, renderer)
    return [Route(path, pages.endpoint(make)) for path, make in _VIEWS.items()]


class RegistryPages:
    """Makes endpoints of views. What this server serves is read on the event loop, everything else in a thread."""

    def __init__(self, catalog: Catalog, opened: Callable[[], Registry], renderer: Renderer) -> None:
        self._catalog = catalog
        self._opened = opened
        self._renderer = renderer

    def endpoint(self, make: Callable[[Visit], View]) -> Callable[[Request], Awaitable[Response]]:
        """What answers a request with the page that `make` says."""

        async def answer(request: Request) -> Response:
            served = {model.name: model for model in self._catalog.models()}
            return await run_in_threadpool(self._answer, make, request, served)

        return answer

    def _answer(self, make: Callable[[Visit], View], request: Request, served: dict[str, ModelView]) -> Response:
        several = parse_qs(request.url.query, keep_blank_values=True)
        try:
            view = make(Visit(self._opened(), request.path_params, request.query_params, served, several))
        except ModelportError as error:
            return self._trouble(request, error)
        return self._renderer.page(request, view.template, view.values)

    def _trouble(self, request: Request, error: ModelportError) -> Response:
        status = STATUS[error.kind]
        if not wants_html(request):
            body = {"error": str(error), "kind": error.kind.value}
            return JSONResponse(body, status_code=status, headers={"Vary": "Accept"})
        values = {
            "title": _TITLES.get(error.kind, "Something went wrong"),
            "text": str(error),
            "status": status,
            "away": error.kind is Kind.UNAVAILABLE,
        }
        return self._renderer.page(request, "registry/trouble.html", values, status)
