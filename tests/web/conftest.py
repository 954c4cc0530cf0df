"""A browser for the pages' end-to-end tests, and clients of a server whose predictions are made up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fake_catalog import FakeCatalog, everything
from fake_server import FakeServer, running
from playwright.sync_api import sync_playwright

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

    def __init__(self, catalog: FakeCatalog, root_path: str) -> None:
        self._app = FakeServer(catalog).app()
        self._root_path = root_path

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, root_path=self._root_path)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.get(path, headers=headers)

        return asyncio.run(ask())


@pytest.fixture
def client() -> Callable[..., Client]:
    """A client of the pages over a catalog (that of all fakes, where none is given)."""

    def make(*models: Any, catalog: FakeCatalog | None = None, root_path: str = "") -> Client:
        return Client(catalog or (FakeCatalog(list(models)) if models else everything()), root_path)

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
    """Open a path of the fake server; fails on console errors, on errors in scripts and on requests to other hosts.

    `expected` are parts of console messages that a test provokes itself.
    """
    contexts: list[Any] = []
    problems: list[str] = []
    server.calls.clear()
    server.answer = None

    def make(path: str, *, expected: tuple[str, ...] = (), **options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: problems.append(_complaint(message, expected)))
        page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
        page.on("request", lambda request: problems.append(_foreign(request.url, server.url)))
        page.goto(server.url + path)
        page.wait_for_selector("html[lang]")
        return page

    yield make
    for context in contexts:
        context.close()
    assert [problem for problem in problems if problem] == []


def _complaint(message: Any, expected: tuple[str, ...]) -> str:
    if message.type not in ("error", "warning") or any(part in message.text for part in expected):
        return ""
    return f"console {message.type}: {message.text}"


def _foreign(url: str, own: str) -> str:
    return "" if url.startswith((own + "/", "blob:" + own + "/", "data:")) else f"request to {url}"
