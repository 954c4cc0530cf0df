"""Whoever changes the history, or the registry behind its back, is found out."""

import hashlib
import json

import pytest
import sqlalchemy as sa

from modelport.artifacts.local import LocalStore
from modelport.core.errors import ConflictError
from modelport.db.opening import open_database
from modelport.db.schema import aliases, chain, events, rollout_versions, rollouts, tags, version_files, versions
from modelport.registry.events import event_hash
from modelport.registry.records import By
from modelport.registry.sql import SqlRegistry
from modelport.registry.transfers import push_packed
from modelport.testing.registry_contract import packed_file

BY = By("ann", "because")


@pytest.fixture
def database(new_database, closing):
    return closing(open_database(new_database))


@pytest.fixture
def registry(database, tmp_path):
    registry = SqlRegistry(database, LocalStore(tmp_path / "store"))
    for content in (b"one", b"two", b"three"):
        push_packed(registry, "fraud", packed_file(tmp_path, content), BY)
    registry.set_alias("fraud", "production", 1, BY)
    registry.set_alias("fraud", "production", 2, BY)
    assert registry.verify().problems == ()
    return registry


def change(**values):
    return lambda seq: sa.update(events).where(events.c.seq == seq).values(**values)


@pytest.mark.parametrize("seq", [1, 3, 6])
@pytest.mark.parametrize(
    "values",
    [
        {"who": "eve"},
        {"why": ""},
        {"at": 1},
        {"kind": "described"},
        {"model": "frauds"},
        {"version": 9},
        {"subject": "x"},
        {"detail": '{"x":1}'},
        {"previous": "1" * 64},
        {"hash": "1" * 64},
    ],
    ids=lambda values: next(iter(values)),
)
def test_a_changed_event_is_found(registry, database, seq, values):
    with database.write() as connection:
        connection.execute(change(**values)(seq))
    problems = registry.verify().problems
    assert any(f"event {seq} " in problem for problem in problems), problems


@pytest.mark.parametrize("seq", [1, 3, 5, 6])
def test_a_missing_event_is_found(registry, database, seq):
    with database.write() as connection:
        connection.execute(sa.delete(events).where(events.c.seq == seq))
    assert any("missing" in problem for problem in registry.verify().problems)


def test_events_that_changed_places_are_found(registry, database):
    with database.write() as connection:
        for old, new in ((2, 100), (3, 2), (100, 3)):
            connection.execute(sa.update(events).where(events.c.seq == old).values(seq=new))
    problems = registry.verify().problems
    assert any("event 2 " in problem for problem in problems)
    assert any("event 3 " in problem for problem in problems)


def test_an_event_that_was_written_anew_with_a_right_hash_is_found(registry, database):
    with database.write() as connection:
        row = connection.execute(sa.select(events).where(events.c.seq == 3)).one()._asdict() | {"who": "eve"}
        connection.execute(change(who="eve", hash=event_hash(row))(3))
    assert any("event 4 does not follow on event 3" in problem for problem in registry.verify().problems)


def test_a_history_that_was_written_anew_is_found_by_what_was_noted_down(registry, database):
    noted = registry.verify().head
    with database.write() as connection:
        previous = "0" * 64
        for row in connection.execute(sa.select(events).order_by(events.c.seq)).all():
            forged = row._asdict() | {"who": "eve", "previous": previous}
            previous = event_hash(forged)
            connection.execute(change(who="eve", previous=forged["previous"], hash=previous)(row.seq))
        connection.execute(sa.update(chain).values(hash=previous))
    assert registry.verify().problems == ()
    assert registry.verify(noted).problems != ()


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (sa.delete(aliases), "the alias production of fraud"),
        (sa.update(versions).where(versions.c.number == 2).values(digest="1" * 64), "fraud@2"),
        (sa.update(versions).where(versions.c.number == 2).values(metrics='{"accuracy":1.0}'), "fraud@2"),
        (sa.update(versions).where(versions.c.number == 3).values(manifest='{"digest":"","metrics":{}}'), "fraud@3"),
        (sa.update(versions).where(versions.c.number == 3).values(number=4), "fraud@3"),
        (sa.update(versions).where(versions.c.number == 1).values(deleted_at=5), "fraud@1"),
    ],
)
def test_a_registry_that_is_not_what_its_history_says_is_found(registry, database, statement, found):
    with database.write() as connection:
        connection.execute(statement)
    assert any(found in problem for problem in registry.verify().problems)


def test_a_deleted_versions_content_goes_and_no_other(registry, database, tmp_path):
    registry.delete_version("fraud", 3, BY)
    gone = registry.collect(-3600)
    assert gone.contents == 2  # the file and its manifest
    assert registry.collect(-3600).contents == 0
    for number in (1, 2):
        manifest = registry.version("fraud", number).manifest
        assert b"".join(registry.store.read(manifest.files[0].sha256))
    with database.read() as connection:
        assert len(connection.execute(sa.select(version_files)).all()) == 2
        assert connection.execute(sa.select(tags)).all() == []


def test_the_hash_is_what_the_documentation_says(registry):
    names = ("at", "detail", "kind", "model", "previous", "seq", "subject", "version", "who", "why")
    with registry._database.read() as connection:
        rows = [row._asdict() for row in connection.execute(sa.select(events).order_by(events.c.seq))]
    assert rows[0]["previous"] == "0" * 64
    for row in rows:
        text = json.dumps({name: row[name] for name in names}, separators=(",", ":"), ensure_ascii=False)
        assert row["hash"] == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(("state", "kept"), [("running", True), ("paused", True), ("done", False)])
def test_a_version_that_a_rollout_uses_is_not_deleted(registry, database, state, kept):
    with database.write() as connection:
        version = connection.execute(sa.select(versions).where(versions.c.number == 3)).one()
        when = {"created_at": 1, "created_by": "ann", "changed_at": 1}
        made = {"model_id": version.model_id, "alias": "production", "state": state, "document": "{}", **when}
        rollout = connection.execute(sa.insert(rollouts).values(made)).inserted_primary_key[0]
        connection.execute(sa.insert(rollout_versions).values(rollout_id=rollout, version_id=version.id, role="canary"))
    if kept:
        with pytest.raises(ConflictError, match=f"fraud@3 is in use: a rollout .{state}."):
            registry.delete_version("fraud", 3, BY)
    else:
        registry.delete_version("fraud", 3, BY)
    assert len(registry.versions("fraud")) == (3 if kept else 2)
