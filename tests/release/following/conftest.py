"""Registries and servers that follow them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelport.registry.opening import RegistrySettings, open_registry
from modelport.registry.sql import SqlRegistry
from postgres import Postgres


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def open_settings() -> Iterator[Callable[[RegistrySettings], SqlRegistry]]:
    """Opens registries, until the test ends."""
    opened: list[SqlRegistry] = []

    def make(settings: RegistrySettings) -> SqlRegistry:
        opened.append(open_registry(settings))
        return opened[-1]

    yield make
    for registry in opened:
        registry.close()


@pytest.fixture
def registry(home: Path, open_settings: Callable[[RegistrySettings], SqlRegistry]) -> SqlRegistry:
    """An empty registry in `home`."""
    return open_settings(RegistrySettings(str(home)))


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that a test may stop."""
    pytest.importorskip("psycopg")
    server = Postgres()
    yield server
    server.stop()
