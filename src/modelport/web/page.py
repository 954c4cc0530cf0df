"""Rendering: templates to HTML responses with the headers that keep a page's content from doing harm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from modelport.web import words
from modelport.web.assets import Assets
from modelport.web.registry import wording

#: `default-src 'self'` forbids inline scripts and styles; data for scripts travels in `application/json` blocks, which
#: no browser executes. Pictures and recordings that a person chooses are shown by blob: addresses.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
    "Vary": "Accept",
}


class Renderer:
    """Turns a template and its values into a page. Everything that a template prints is escaped."""

    def __init__(self, assets: Assets, *, registry: bool = False) -> None:
        """`registry`: whether there are pages of a registry to lead to."""
        self._assets = assets
        self._environment = Environment(
            loader=PackageLoader("modelport.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals.update(words=words, said=wording, model_path=model_path, registry=registry)

    def page(self, request: Request, template: str, values: Mapping[str, Any], status: int = 200) -> HTMLResponse:
        """The template's page. `root` is the path that a proxy has put before the server's own paths."""
        root = root_path(request)
        text = self._environment.get_template(template).render(
            values, root=root, asset=lambda name: root + self._assets.address(name)
        )
        return HTMLResponse(text, status_code=status, headers=HEADERS)


def root_path(request: Request) -> str:
    """What stands before the server's paths behind a proxy: `/ml`, usually nothing."""
    root: str = request.scope.get("root_path", "")
    return root.rstrip("/")


def model_path(name: str, version: int | None = None) -> str:
    """The path of a model or version, below its prefix: `fraud`, `fraud/versions/2`."""
    path = quote(name, safe="")
    return path if version is None else f"{path}/versions/{version}"


def wants_html(request: Request) -> bool:
    """Whether a browser asks: programs that accept anything get JSON."""
    return "text/html" in request.headers.get("accept", "").lower()
