"""A browser for the pages' end-to-end tests, and clients of a server whose predictions are made up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browsing import opening
from fake_catalog import FakeCatalog, everything
from fake_server import FakeServer, running
from playwright.sync_api import sync_playwright
from registry_home import Home

from services import require

#: No network but the page's own, no services of the browser's maker, and it runs as any user.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Client:
    """GET requests straight to the pages' app."""

    def __init__(self, catalog: FakeCatalog, root_path: str, registry: Any = None) -> None:
        self._app = FakeServer(catalog, registry=registry).app()
        self._root_path = root_path

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, root_path=self._root_path)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.get(path, headers=headers)

        return asyncio.run(ask())


@pytest.fixture
def client() -> Callable[..., Client]:
    """A client of the pages over a catalog (that of all fakes, where none is given), and maybe a registry."""

    def make(*models: Any, catalog: FakeCatalog | None = None, root_path: str = "", registry: Any = None) -> Client:
        return Client(catalog or (FakeCatalog(list(models)) if models else everything()), root_path, registry)

    return make


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    """All of the fakes on a port of this machine."""
    with running(FakeServer(everything())) as started:
        yield started


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A running browser; skips where there is none."""
    program = require("chromium", "chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any, server: FakeServer) -> Iterator[Callable[..., Any]]:
    """Open a path of the fake server, as `opening` does."""
    server.calls.clear()
    server.answer = None
    with opening(chromium, server.url) as make:
        yield make


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty registry in a folder."""
    made = Home(tmp_path)
    yield made
    made.close()
