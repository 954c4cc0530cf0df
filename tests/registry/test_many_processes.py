"""Many processes on one registry at once, and processes that are killed while they push and release."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from modelport.artifacts.local import LocalStore
from modelport.core.errors import NotFoundError
from modelport.db.opening import open_database
from modelport.registry.records import By
from modelport.registry.sql import SqlRegistry
from modelport.registry.transfers import push_packed
from modelport.testing.registry_contract import packed_file

TESTS = Path(__file__).parent.parent
KILLS = TESTS.parent / "benchmarks" / "registry_kills.py"
BY = By("ann")


def run(*words):
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_twenty_processes_push_set_aliases_and_promote(new_database, tmp_path, closing):
    processes, turns = 20, 5
    done = json.loads(run(TESTS / "registry_crowd.py", new_database, tmp_path, processes, turns))
    assert [item["error"] for item in done] == [""] * processes
    numbers = sorted(number for item in done for number in item["numbers"])
    assert numbers == list(range(1, processes * turns + 1))
    registry = closing(SqlRegistry(open_database(new_database), LocalStore(tmp_path / "store")))
    assert registry.verify().problems == ()
    for alias, kind, won, lost in (
        ("production", "alias.set", "won", "lost"),
        ("live", "promoted", "promoted", "beaten"),
    ):
        changes = changes_of(registry, alias, kind)
        assert sorted(changes) == sorted(change for item in done for change in item[won])
        assert len(changes) + sum(item[lost] for item in done) == processes * turns
        assert registry.model("fraud").aliases[alias] == changes[-1][1]
    rollouts = registry.rollouts("fraud", 1000)
    assert len(rollouts) == sum(item["started"] for item in done)
    assert sum(rollout.open for rollout in rollouts) <= 1


def changes_of(registry, alias, kind):
    """What an alias named before and after each change; each goes on from the one before it."""
    events = [event for event in registry.history("fraud", limit=1000) if (event.kind, event.subject) == (kind, alias)]
    changes = [[event.detail["before"] or 0, event.version] for event in reversed(events)]
    assert changes == [[0 if not at else changes[at - 1][1], change[1]] for at, change in enumerate(changes)]
    return changes


def test_killed_processes_lose_nothing(new_database):
    said = run(KILLS, "--rounds", 30, "--registry", new_database)
    assert "history verifies" in said


class Meddling(LocalStore):
    """A store from which something is collected between the look whether it is there and the version's making."""

    meddle = staticmethod(lambda: None)

    def finish(self, digest, size):
        super().finish(digest, size)
        self.meddle()


def test_what_is_collected_while_it_is_pushed_is_sent_again(new_database, tmp_path, closing):
    database = closing(open_database(new_database))
    collector = SqlRegistry(database, LocalStore(tmp_path / "store"))
    store, calls = Meddling(tmp_path / "store"), []

    def meddle():
        calls.append(0)
        if len(calls) == 1:  # the model's file has come, the manifest not yet
            assert collector.collect(-3600).contents == 1

    store.meddle = meddle
    made = push_packed(SqlRegistry(database, store), "fraud", packed_file(tmp_path, b"one"), BY)
    assert made.number == 1
    assert b"".join(store.read(made.digest)) == b"one"
    assert len(calls) > 2


def test_a_collection_that_crashed_leaves_nothing_that_the_next_does_not_take(new_database, tmp_path, closing):
    registry = closing(SqlRegistry(open_database(new_database), LocalStore(tmp_path / "store")))
    for content in (b"one", b"two"):
        push_packed(registry, "fraud", packed_file(tmp_path, content), BY)
    registry.delete_version("fraud", 1, BY)
    remove, removed = registry.store.remove, []

    def crash(digest):
        remove(digest)
        removed.append(digest)
        raise KeyboardInterrupt

    registry.store.remove = crash
    with pytest.raises(KeyboardInterrupt):
        registry.collect(-3600)
    registry.store.remove = remove
    assert len(removed) == 1
    assert registry.collect(-3600).contents == 1
    assert registry.collect(-3600).contents == 0
    assert b"".join(registry.store.read(registry.version("fraud", 2).digest)) == b"two"
    with pytest.raises(NotFoundError):
        registry.version("fraud", 1)
