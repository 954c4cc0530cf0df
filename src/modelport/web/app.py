"""The routes of the pages: `/`, `/models/{name}`, `/models/{name}/versions/{version}`, their files, the registry's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from modelport.core.description import signature_to_dict
from modelport.core.errors import Kind
from modelport.core.nearest import did_you_mean
from modelport.registry.base import Registry
from modelport.web.assets import Assets
from modelport.web.catalog import Catalog, ModelView, VersionView
from modelport.web.form import form_sections
from modelport.web.page import Renderer, model_path, root_path, wants_html


def web_routes(catalog: Catalog, registry: Callable[[], Registry] | None = None) -> list[BaseRoute]:
    """The pages over what `catalog` serves, to be added to the server's ASGI app. All are GET and change nothing.

    `registry` gives the registry each time that it is asked, in threads; without it there are no pages of one.
    """
    assets = Assets()
    renderer = Renderer(assets, registry=registry is not None)
    pages = Pages(catalog, renderer)
    return [
        *_registry_routes(catalog, registry, renderer),
        Route("/", pages.models, name="pages:models"),
        Route("/models/{name}", pages.model, name="pages:model"),
        Route("/models/{name}/versions/{version}", pages.version, name="pages:version"),
        Route("/static/{path:path}", assets.serve, name="pages:static"),
        Route("/favicon.ico", assets.icon, name="pages:icon"),
    ]


def _registry_routes(
    catalog: Catalog, registry: Callable[[], Registry] | None, renderer: Renderer
) -> Sequence[BaseRoute]:
    if registry is None:
        return ()
    from modelport.web.registry.pages import registry_routes  # noqa: PLC0415 - who serves files needs none of it

    return registry_routes(catalog, registry, renderer)


class Pages:
    """The endpoints. Each reads the catalog afresh, so that a page shows what is served at this moment."""

    def __init__(self, catalog: Catalog, renderer: Renderer) -> None:
        self._catalog = catalog
        self._renderer = renderer

    async def models(self, request: Request) -> Response:
        """What is served."""
        models = self._catalog.models()
        marks = {model.name: _mark(model) for model in models}
        return self._renderer.page(
            request, "models.html", {"models": models, "marks": marks, "states": states_text(models)}
        )

    async def model(self, request: Request) -> Response:
        """A model by the version that answers by default; where none does, why not."""
        name = request.path_params["name"]
        models = self._catalog.models()
        model = _named(models, name)
        if model is None:
            return self._missing_model(request, name, models)
        return self._model_page(request, model, model.default, None)

    async def version(self, request: Request) -> Response:
        """One version of a model."""
        name, wanted = request.path_params["name"], request.path_params["version"]
        models = self._catalog.models()
        model = _named(models, name)
        if model is None:
            return self._missing_model(request, name, models)
        for version in model.versions:
            if str(version.version) == wanted:
                return self._model_page(request, model, version, version.version)
        known = ", ".join(str(version.version) for version in model.versions) or "none"
        text = f"model {name!r} has no version {wanted!r}; the versions that are loaded: {known}"
        return self._missing(request, text, f"/models/{model_path(name)}", name)

    def _model_page(
        self, request: Request, model: ModelView, version: VersionView | None, number: int | None
    ) -> Response:
        values: dict[str, Any] = {"model": model, "version": version, "states": states_text([model])}
        if version is not None:
            path = model_path(model.name, number)
            values["path"] = path
            values["pinned"] = number is not None
            values["sections"] = form_sections(version.signature)
            values["data"] = {
                "model": model.name,
                "version": number,
                "root": root_path(request),
                "predict": f"/models/{path}/predict",
                "infer": f"/v2/models/{path}/infer",
                "signature": signature_to_dict(version.signature),
            }
        return self._renderer.page(request, "model.html", values)

    def _missing_model(self, request: Request, name: str, models: Sequence[ModelView]) -> Response:
        names = [model.name for model in models]
        guess = did_you_mean(name, names)
        text = f"no model {name!r} is served here{guess}"
        near = next((known for known in names if guess and repr(known) in guess), None)
        link = ("/", "all models") if near is None else (f"/models/{model_path(near)}", near)
        return self._missing(request, text, *link)

    def _missing(self, request: Request, text: str, link: str, link_text: str) -> Response:
        if not wants_html(request):
            body = {"error": text, "kind": Kind.NOT_FOUND.value}
            return JSONResponse(body, status_code=404, headers={"Vary": "Accept"})
        values = {"text": text, "link": link, "link_text": link_text}
        return self._renderer.page(request, "missing.html", values, status=404)


def states_text(models: Sequence[ModelView]) -> str:
    """The states in one text: a page that shows a loading model asks for itself until this changes."""
    return " ".join(f"{model_path(model.name)}={model.state}:{len(model.versions)}" for model in models)


def _named(models: Sequence[ModelView], name: str) -> ModelView | None:
    return next((model for model in models if model.name == name), None)


def _mark(model: ModelView) -> str:
    """Which picture stands before a model's name: the kind of its first input."""
    sections = form_sections(model.default.signature) if model.default else []
    return sections[0].kind if sections else "json"
