"""Whoever changes the history, or the registry behind its back, is found out."""

import hashlib
import json

import pytest
import sqlalchemy as sa

from modelport.artifacts.local import LocalStore
from modelport.artifacts.uploads import send_bytes
from modelport.db.opening import open_database
from modelport.db.schema import (
    aliases,
    chain,
    evaluations,
    events,
    gates,
    rollouts,
    tags,
    version_files,
    versions,
)
from modelport.registry.events import event_hash
from modelport.registry.records import By
from modelport.registry.releases import GateRules, RolloutChange, RolloutPlan
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
    registry.promote("fraud", 3, BY)
    registry.rollback("fraud", BY)
    registry.set_gates("fraud", GateRules(("accuracy > 0.9",)), BY)
    registry.record_evaluation("fraud", 2, {"slices": {}}, {"accuracy": 0.5}, "test.csv", "0" * 64, BY)
    started = registry.start_rollout("fraud", RolloutPlan(1, steps=(5.0, 50.0)), BY)
    registry.change_rollout(started.id, RolloutChange(step=1), BY)
    assert registry.verify().problems == ()
    return registry


def change(**values):
    return lambda seq: sa.update(events).where(events.c.seq == seq).values(**values)


def replaced(column, old, new):
    return sa.update(column.table).values({column: sa.func.replace(column, old, new)})


@pytest.mark.parametrize("seq", [1, 3, 6, 7, 11])
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
        {"detail": "[]"},
        {"detail": "}"},
        {"previous": "1" * 64},
        {"hash": "1" * 64},
    ],
    ids=str,
)
def test_a_changed_event_is_found(registry, database, seq, values):
    with database.write() as connection:
        connection.execute(change(**values)(seq))
    problems = registry.verify().problems
    assert any(f"event {seq} " in problem for problem in problems), problems


@pytest.mark.parametrize("seq", [1, 3, 5, 11])
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
        (sa.update(versions).where(versions.c.number == 3).values(manifest="{"), "fraud@3"),
        (sa.update(aliases).values(past="x"), "the alias production of fraud"),
        (sa.update(rollouts).values(document="[]"), "the rollout 1"),
        (sa.update(aliases).values(past="[3]"), "the alias production of fraud"),
        (sa.update(rollouts).values(state="ended"), "the rollout 1"),
        (sa.update(rollouts).values(alias="staging"), "the rollout 1"),
        (replaced(rollouts.c.document, '"step":1', '"step":0'), "the rollout 1"),
        (replaced(rollouts.c.document, "50.0", "51.0"), "the rollout 1"),
        (sa.update(gates).values(data="0" * 64), "the gates of fraud"),
        (replaced(gates.c.document, "0.9", "0.1"), "the gates of fraud"),
        (sa.delete(gates), "the gates of fraud"),
        (sa.delete(evaluations), "the evaluation 1"),
        (replaced(evaluations.c.metrics, "0.5", "0.9"), "the evaluation 1"),
        (replaced(evaluations.c.document, "slices", "sliced"), "the evaluation 1"),
    ],
)
def test_a_registry_that_is_not_what_its_history_says_is_found(registry, database, statement, found):
    with database.write() as connection:
        connection.execute(statement)
    assert any(found in problem for problem in registry.verify().problems)


def test_a_deleted_versions_content_goes_and_no_other(registry, database, tmp_path):
    registry.delete_version("fraud", 3, BY)
    kept = send_bytes(registry.store, b"labelled data")
    asked = send_bytes(registry.store, b"a job's data")
    registry.set_gates("fraud", GateRules((), kept), BY)
    job = registry.submit_job("evaluate", "fraud@1", {"data": {"sha256": asked}}, BY)
    gone = registry.collect(-3600)
    assert gone.contents == 2  # the file and its manifest
    assert registry.collect(-3600).contents == 0
    assert [registry.store.size(digest) for digest in (kept, asked)] == [13, 12]
    registry.cancel_job(job.id, BY)
    registry.set_gates("fraud", None, BY)
    assert registry.collect(-3600).contents == 2  # what only gates and a job had named
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


def test_what_the_events_can_not_have_told_is_found(registry, database):
    """Written with right hashes, as by somebody who wrote the whole history anew."""
    with database.write() as connection:
        previous = "0" * 64
        for row in connection.execute(sa.select(events).order_by(events.c.seq)).all():
            forged = row._asdict() | {"previous": previous}
            forged["version"] = 1 if row.kind == "rolled_back" else row.version
            forged["detail"] = (
                row.detail.replace('"rollout":1', '"rollout":2') if "advanced" in row.kind else row.detail
            )
            previous = forged["hash"] = event_hash(forged)
            connection.execute(change(**forged)(row.seq))
        connection.execute(sa.update(chain).values(hash=previous))
    said = " ".join(registry.verify().problems)
    assert "goes back to fraud@1, which production did not name before" in said
    assert "the rollout 2, which never began" in said
