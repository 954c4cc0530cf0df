"""Where the tests' registries are: SQLite, and a PostgreSQL of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelport.artifacts.local import LocalStore
from modelport.db.opening import open_database
from modelport.registry.sql import SqlRegistry
from postgres import Postgres
from registry_serving import RegistryServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests, which make databases of their own."""
    pytest.importorskip("psycopg")
    server = Postgres()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'home' / 'registry.db'}"
    return request.getfixturevalue("postgres").database()


@pytest.fixture
def closing() -> Iterator[Callable]:
    """Closes what was opened when the test ends: `closing(open_database(url))`."""
    opened = []

    def remember(item):
        opened.append(item)
        return item

    yield remember
    for item in opened:
        item.close()


@pytest.fixture
def registry_server(tmp_path: Path, closing: Callable) -> Iterator[RegistryServer]:
    """A server of an empty registry, whose uploads have small parts."""
    home = tmp_path / "server"
    server = RegistryServer(
        lambda: closing(SqlRegistry(open_database(home / "registry.db"), LocalStore(home / "artifacts", 1000)))
    )
    yield server
    server.stop()
