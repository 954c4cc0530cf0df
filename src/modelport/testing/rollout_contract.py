"""The contract of registries: rollouts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from modelport.core.errors import ConflictError, InvalidInputError, NotFoundError
from modelport.registry.base import Registry
from modelport.registry.records import By
from modelport.registry.releases import RolloutChange, RolloutPlan, RolloutRecord
from modelport.testing.promotion_contract import production
from modelport.testing.registry_suite import BY, OpenRegistry, Push, RegistrySuite

PLAN = RolloutPlan(2, steps=(5.0, 25.0, 100.0), every=60.0, abort_if="error_rate > 1%", key="x-user", min_requests=7)
Start = Callable[..., RolloutRecord]


class RolloutContract(RegistrySuite):
    """A part of `RegistryContract`."""

    @pytest.fixture
    def start(self, registry: Registry, push: Push) -> Start:
        """Starts a rollout of version 2 beside version 1: `start(steps=(50.0,))`; there is a version 3."""
        for _ in range(3):
            push()
        registry.promote("fraud", 1, BY)
        return lambda **words: registry.start_rollout("fraud", replace(PLAN, **words), By("bob", "try it"))

    def test_a_rollout_comes_back_with_all_that_was_said(self, open_registry: OpenRegistry, start: Start) -> None:
        made = start()
        registry = open_registry()
        assert registry.rollout(made.id) == made
        assert registry.rollouts() == registry.rollouts("fraud") == [made]
        assert (made.model, made.alias, made.baseline, made.candidate) == ("fraud", "production", 1, 2)
        assert (made.plan, made.state, made.step, made.percent, made.open) == (PLAN, "running", 0, 5.0, True)
        assert (made.created_by, made.why, made.reason, made.figures) == ("bob", "try it", "", {})
        assert made.step_since == made.created_at == made.changed_at
        event = registry.history("fraud")[0]
        assert (event.kind, event.version, event.subject) == ("rollout.started", 2, "production")
        assert (event.detail["rollout"], event.detail["baseline"], event.detail["plan"]["key"]) == (
            made.id,
            1,
            "x-user",
        )
        assert registry.verify().problems == ()

    def test_it_goes_step_by_step_and_is_promoted(self, registry: Registry, start: Start) -> None:
        made = start()
        second = registry.change_rollout(made.id, RolloutChange("running", 0, step=1, figures={"p99": 1.5}), BY)
        assert (second.step, second.percent, second.figures) == (1, 25.0, {"p99": 1.5})
        assert second.step_since == second.changed_at > made.step_since
        registry.change_rollout(made.id, RolloutChange("running", 1, step=2), BY)
        last = registry.change_rollout(made.id, RolloutChange("running", 2, "promoted", reason="all is well"), BY)
        assert (last.state, last.reason, last.open, last.percent) == ("promoted", "all is well", False, 100.0)
        assert last.figures == {"p99": 1.5}  # the last ones there were
        assert production(registry) == 2
        promoted, ended, advanced = registry.history("fraud")[:3]
        assert (promoted.kind, ended.kind, advanced.kind) == ("promoted", "rollout.promoted", "rollout.advanced")
        assert promoted.detail == {"before": 1, "rollout": made.id, "forced": False}
        assert registry.rollback("fraud", BY) == 1
        assert registry.verify().problems == ()

    def test_it_is_paused_resumed_and_aborted(self, registry: Registry, start: Start) -> None:
        made = start()
        changes = [
            RolloutChange(state="paused", reason="lunch"),
            RolloutChange("paused", state="running"),
            RolloutChange(state="aborted", reason="error_rate 4% > 1%", figures={"error_rate": 0.04}),
        ]
        found = [registry.change_rollout(made.id, change, BY) for change in changes]
        assert [item.state for item in found] == ["paused", "running", "aborted"]
        assert [item.reason for item in found] == ["lunch", "", "error_rate 4% > 1%"]
        assert found[0].step_since == made.step_since < found[1].step_since  # a step that is resumed begins anew
        kinds = [event.kind for event in registry.history("fraud")[:3]]
        assert kinds == ["rollout.aborted", "rollout.resumed", "rollout.paused"]
        assert registry.history("fraud")[0].detail["figures"] == {"error_rate": 0.04}
        assert production(registry) == 1
        assert registry.verify().problems == ()

    def test_it_changes_only_from_what_is_expected(self, registry: Registry, start: Start) -> None:
        made = start()
        registry.change_rollout(made.id, RolloutChange("running", 0, step=1), BY)
        for change in (RolloutChange("running", 0, step=1), RolloutChange("paused", 1, step=2)):
            with pytest.raises(ConflictError, match="running at step 1"):
                registry.change_rollout(made.id, change, BY)
        before = registry.head()
        same = registry.change_rollout(made.id, RolloutChange("running", 1, figures={"n": 3}), BY)
        assert (same.figures, registry.head()) == ({"n": 3}, before)
        with pytest.raises(InvalidInputError, match="steps 0 to 2"):
            registry.change_rollout(made.id, RolloutChange(step=3), BY)
        registry.change_rollout(made.id, RolloutChange(state="ended"), BY)
        with pytest.raises(ConflictError, match="is over"):
            registry.change_rollout(made.id, RolloutChange(state="running"), BY)
        with pytest.raises(NotFoundError, match="no rollout 99"):
            registry.change_rollout(99, RolloutChange(state="ended"), BY)
        with pytest.raises(NotFoundError, match="no rollout"):
            registry.rollout(2**70)

    @pytest.mark.parametrize(
        "words",
        [
            {"steps": ()},
            {"steps": (5.0, 5.0)},
            {"steps": (50.0, 5.0)},
            {"steps": (0.0,)},
            {"steps": (101.0,)},
            {"every": 0.0},
            {"min_requests": -1},
            {"kind": "wild"},
            {"alias": "no way"},
            {"key": "x" * 300},
            {"abort_if": "\0"},
        ],
        ids=str,
    )
    def test_a_plan_that_can_not_be_is_refused(self, registry: Registry, start: Start, words: dict[str, Any]) -> None:
        with pytest.raises(InvalidInputError):
            start(**words)
        assert registry.rollouts() == []

    def test_one_at_a_time_and_beside_something_else(self, registry: Registry, start: Start) -> None:
        for change, said in (({"candidate": 1}, "fraud@1 already"), ({"alias": "staging"}, "no version yet")):
            with pytest.raises(ConflictError, match=said):
                start(**change)
        with pytest.raises(NotFoundError, match="no version 9"):
            start(candidate=9)
        first = start()
        with pytest.raises(ConflictError, match=f"the rollout {first.id} of fraud@2 is running"):
            start(candidate=3)
        registry.set_alias("fraud", "staging", 1, BY)
        other = start(alias="staging", kind="shadow")
        assert [item.id for item in registry.rollouts("fraud")] == [other.id, first.id]
        assert [item.id for item in registry.rollouts("fraud", 1)] == [other.id]
        [model] = registry.desired().models
        assert model.rollout == first  # that of production

    def test_going_back_aborts_it(self, registry: Registry, start: Start) -> None:
        made = start()
        assert registry.rollback("fraud", By("eve", "no")) == 1
        found = registry.rollout(made.id)
        assert (found.state, found.reason) == ("aborted", "rolled back by eve")
        event = registry.history("fraud")[0]
        assert (event.kind, event.who, event.why) == ("rollout.aborted", "eve", "no")
        assert production(registry) == 1
        assert registry.verify().problems == ()

    @pytest.mark.parametrize("version", [1, 2, 3])
    def test_a_promotion_ends_it(self, registry: Registry, start: Start, version: int) -> None:
        made = start()
        registry.promote("fraud", version, By("eve"))
        found = registry.rollout(made.id)
        assert found.state == ("promoted" if version == 2 else "ended")
        assert ("superseded" in found.reason) == (version != 2)
        assert production(registry) == version
        assert registry.verify().problems == ()

    def test_an_alias_that_moves_or_goes_ends_it(self, registry: Registry, start: Start) -> None:
        first = start()
        registry.set_alias("fraud", "production", 1, BY)  # no change
        assert registry.rollout(first.id).open
        registry.set_alias("fraud", "production", 3, BY)
        second = start()
        registry.remove_alias("fraud", "production", BY)
        assert [registry.rollout(item.id).state for item in (first, second)] == ["ended", "ended"]
        assert registry.verify().problems == ()

    def test_its_versions_are_not_deleted(self, registry: Registry, start: Start) -> None:
        made = start()
        with pytest.raises(ConflictError, match=r"fraud@2 is in use: a rollout \(running\)"):
            registry.delete_version("fraud", 2, BY)
        registry.delete_version("fraud", 3, BY)
        registry.change_rollout(made.id, RolloutChange(state="ended"), BY)
        registry.delete_version("fraud", 2, BY)
        assert registry.rollout(made.id).candidate == 2
        assert registry.verify().problems == ()
