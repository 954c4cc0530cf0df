"""A registry that an older Modelport made goes on with all that it has."""

import hashlib

import pytest
import sqlalchemy as sa

from modelport.artifacts.local import LocalStore
from modelport.artifacts.uploads import send_bytes
from modelport.core.errors import ConflictError
from modelport.db.migrating import upgrade
from modelport.db.opening import make_engine, open_database
from modelport.db.schema import HEAD
from modelport.registry.records import By
from modelport.registry.releases import GateRules, RolloutPlan
from modelport.registry.sql import SqlRegistry
from modelport.registry.transfers import push_packed
from modelport.testing.registry_contract import packed_file

BY = By("ann")
#: Those that the first migration made, parents first.
TABLES = ("models", "versions", "version_files", "aliases", "tags", "events", "chain")


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "store")


@pytest.fixture
def recent(tmp_path, store, closing):
    """A registry with all that the first Modelport's could have."""
    registry = closing(SqlRegistry(open_database(tmp_path / "recent.db"), store))
    for content in (b"one", b"two", b"three", b"four"):
        push_packed(registry, "fraud", packed_file(tmp_path, content), BY, tags={"team": "risk"})
    for number in (1, 2, 1, 3, 4):
        registry.set_alias("fraud", "production", number, BY)
    registry.set_alias("fraud", "gone", 3, BY)
    registry.remove_alias("fraud", "gone", BY)
    registry.set_alias("fraud", "gone", 1, BY)
    registry.delete_version("fraud", 2, BY)
    push_packed(registry, "deleted", packed_file(tmp_path, b"five"), BY, alias="production")
    registry.remove_alias("deleted", "production", BY)
    registry.delete_model("deleted", BY)
    registry.describe("fraud", None, "finds fraud", BY)
    return registry


@pytest.fixture
def old(new_database, recent):
    """The URL of a database as the first migration made it, with the same in it."""
    open_database(new_database).close()  # the file's folder, and its mode
    engine = make_engine(new_database)
    with engine.connect().execution_options(modelport_write=True) as connection, connection.begin():
        metadata = sa.MetaData()
        metadata.reflect(connection)
        metadata.drop_all(connection)
        upgrade(connection, "0001")
        connection.execute(sa.text("DELETE FROM chain"))
        made = sa.MetaData()
        made.reflect(connection)
        with recent._database.read() as reading:
            for name in TABLES:
                columns = [column.name for column in made.tables[name].columns]
                rows = reading.execute(sa.text(f"SELECT {', '.join(columns)} FROM {name}")).mappings()
                connection.execute(sa.insert(made.tables[name]), [dict(row) for row in rows])
    engine.dispose()
    return new_database


def test_it_has_all_that_it_had(old, recent, store, closing):
    registry = closing(SqlRegistry(open_database(old), store))
    with registry._database.read() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == HEAD
    assert registry.verify() == recent.verify()
    assert registry.verify().problems == ()
    assert registry.models() == recent.models()
    assert registry.versions("fraud") == recent.versions("fraud")
    assert registry.history(limit=1000) == recent.history(limit=1000)
    assert registry.desired() == recent.desired()


def test_its_aliases_go_back_to_what_they_named(old, store, closing):
    registry = closing(SqlRegistry(open_database(old), store))
    assert [registry.rollback("fraud", BY) for _ in range(2)] == [3, 1]
    for alias in ("production", "gone"):
        with pytest.raises(ConflictError, match="nothing before version 1"):
            registry.rollback("fraud", BY, alias)
    assert registry.verify().problems == ()


def test_it_takes_all_that_is_new(old, store, closing):
    registry = closing(SqlRegistry(open_database(old), store))
    registry.start_rollout("fraud", RolloutPlan(3), BY)
    registry.promote("fraud", 3, BY)
    registry.set_gates("fraud", GateRules(("accuracy > 0.9",), send_bytes(store, b"data")), BY)
    registry.record_evaluation("fraud", 3, {}, {"accuracy": 1.0}, "data", hashlib.sha256(b"data").hexdigest(), BY)
    assert registry.submit_job("evaluate", "fraud@3", {}, BY).id == 1
    assert registry.verify().problems == ()
