"""What the registry desires, read: which versions should be here, in which order, and for how long."""

from __future__ import annotations

import math

from modelport.artifacts.manifest import Manifest
from modelport.core.errors import NotFoundError
from modelport.registry.releases import Desired, DesiredModel, RolloutPlan, RolloutRecord
from modelport.release.following.remembered import Memory, Remembered
from modelport.release.following.watch import Contact
from modelport.release.following.wishing import named, next_expiry, open_rollouts, waiting_since, wanted, wishes


def rollout(baseline, candidate, state="running"):
    plan = RolloutPlan(candidate)
    when = "2026-11-03T12:00:00.000000Z"
    return RolloutRecord(
        7, "m", "production", baseline, candidate, plan, state, 0, 5.0, when, when, "ann", when, "to see"
    )


def model(name="m", numbers=(1, 2, 3), warm=(), rolled=None, **aliases):
    manifests = {number: Manifest(f"{number}.onnx", "file", "", ()) for number in numbers}
    return DesiredModel(name, aliases, manifests, warm, rolled)


def test_named_are_the_versions_of_aliases_and_open_rollouts():
    assert named(model(production=1, staging=3, warm=(2,))) == {1, 3}
    assert named(model(production=1, rolled=rollout(1, 2, "paused"))) == {1, 2}
    assert named(model(production=1, rolled=rollout(1, 2, "aborted"))) == {1}
    desired = Desired(1, (model(production=1, rolled=rollout(1, 2)), model("n", rolled=rollout(1, 2, "ended"))))
    assert [item.model for item in open_rollouts(desired)] == ["m"]


def test_a_version_waits_from_the_moment_when_nothing_named_it_any_more():
    first = Desired(1, (model(production=2, warm=(1,)),))
    since = waiting_since(first, {}, 100.0)
    assert since == {"m": {1: 100.0}}
    assert waiting_since(first, since, 200.0) == since
    assert waiting_since(Desired(2, (model(production=2, staging=1, warm=(1,)),)), since, 200.0) == {}
    assert waiting_since(Desired(3, (model(production=3, warm=(2,)),)), since, 300.0) == {"m": {2: 300.0}}
    assert waiting_since(first, {"m": {1: 900.0}}, 200.0) == {"m": {1: 200.0}}  # another machine's clock


def test_production_comes_first_and_what_waits_last_and_not_for_ever():
    desired = Desired(
        1, (model("b", production=2, staging=1, warm=(3,)), model("a", staging=1), model("c", production=1))
    )
    waiting = {"b": {3: 100.0}}
    names = [(item.model, item.number, item.warm) for item in wanted(desired, waiting, 99.0)]
    assert names == [("b", 2, False), ("c", 1, False), ("a", 1, False), ("b", 1, False), ("b", 3, True)]
    assert names[:-1] == [(item.model, item.number, item.warm) for item in wanted(desired, waiting, 100.0)]
    assert next_expiry(waiting, 99.0) == 100.0
    assert next_expiry(waiting, 100.0) == math.inf


def test_the_wishes_say_what_answers_and_what_is_missing():
    desired = Desired(1, (model(production=2, warm=(1,)), model("n", staging=1)))
    gone = NotFoundError("gone")
    found = wishes(desired, wanted(desired, {"m": {1: 100.0}}, 0.0), {("m", 2): gone})
    assert (found["m"].preferred, found["m"].versions, found["m"].warm) == (2, {1, 2}, {1})
    assert (found["m"].problems, found["m"].failure({})) == ({2: gone}, gone)
    assert (found["n"].preferred, dict(found["n"].aliases)) == (0, {"staging": 1})


def test_what_is_remembered_is_read_again_and_nothing_else_is_believed(tmp_path):
    remembered = Remembered(Desired(5, (model(production=2, warm=(1,), rolled=rollout(2, 3)),)), {"m": {1: 12.5}})
    memory = Memory(tmp_path / "cache")
    assert memory.read() is None
    memory.write(remembered)
    assert Memory(tmp_path / "cache").read() == remembered
    assert Memory(tmp_path / "cache", "postgresql://other").read() is None
    path = tmp_path / "cache" / "desired.json"
    for text in ('{"desired": 5}', path.read_text()[:-9], ""):
        path.write_text(text)
        assert memory.read() is None


def test_a_registry_that_takes_long_is_as_one_that_fails():
    contact = Contact(head=3, since=90.0, last=100.0)
    assert contact.problem(104.0) == ""
    assert contact.problem(107.0) == "it has not answered for 7 s"
    assert Contact(error="refused").problem(0.0) == "refused"
