"""The registry contract in databases of both kinds, and over HTTP."""

import pytest

from modelport.artifacts.local import LocalStore
from modelport.client.registry import RemoteRegistry
from modelport.db.opening import open_database
from modelport.registry.sql import SqlRegistry
from modelport.testing.registry_contract import RegistryContract


class TestSqlRegistry(RegistryContract):
    @pytest.fixture
    def open_registry(self, new_database, tmp_path, closing):
        return lambda: closing(SqlRegistry(open_database(new_database), LocalStore(tmp_path / "store")))


class TestRemoteRegistry(RegistryContract):
    @pytest.fixture
    def open_registry(self, registry_server, closing):
        return lambda: closing(RemoteRegistry(registry_server.url))
