"""The contract of registries: promoting and going back, and what servers are told to serve."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from modelport.core.errors import ConflictError, InvalidInputError, NotFoundError
from modelport.registry.base import Registry
from modelport.registry.records import By
from modelport.registry.releases import RolloutPlan, Verdict
from modelport.testing.registry_suite import BY, OpenRegistry, Push, RegistrySuite


def production(registry: Registry) -> int:
    """What the alias names, 0 for nothing."""
    return registry.model("fraud").aliases.get("production", 0)


class PromotionContract(RegistrySuite):
    """A part of `RegistryContract`."""

    def test_a_promotion_says_what_the_gates_said(self, registry: Registry, push: Push) -> None:
        push()
        push()
        verdicts = (Verdict("accuracy >= 0.9", True, "0.98"), Verdict("p99_ms <= 20", False, "31"))
        registry.promote("fraud", 1, BY)
        registry.promote("fraud", 2, By("bob", "it is late"), expect=1, verdicts=verdicts, forced=True)
        assert production(registry) == 2
        event = registry.history("fraud")[0]
        assert (event.kind, event.version, event.subject, event.who) == ("promoted", 2, "production", "bob")
        assert event.why == "it is late"
        assert event.detail == {
            "before": 1,
            "forced": True,
            "verdicts": [
                {"gate": "accuracy >= 0.9", "passed": True, "why": "0.98"},
                {"gate": "p99_ms <= 20", "passed": False, "why": "31"},
            ],
        }
        registry.promote("fraud", 2, BY)  # it is there already
        assert registry.history("fraud")[0] == event
        assert registry.verify().problems == ()

    def test_a_promotion_only_from_what_is_expected(self, registry: Registry, push: Push) -> None:
        push()
        push()
        with pytest.raises(ConflictError, match="no version"):
            registry.promote("fraud", 1, BY, expect=2)
        registry.promote("fraud", 1, BY, expect=0)
        with pytest.raises(ConflictError, match="version 1, not none"):
            registry.promote("fraud", 2, BY, expect=0)
        registry.promote("fraud", 2, BY, "staging", 0)
        assert registry.model("fraud").aliases == {"production": 1, "staging": 2}
        with pytest.raises(NotFoundError, match="no version 9"):
            registry.promote("fraud", 9, BY)
        with pytest.raises(InvalidInputError):
            registry.promote("fraud", 2, BY, "no way")
        with pytest.raises(NotFoundError):
            registry.promote("frau", 1, BY)

    def test_going_back_is_a_stack(self, registry: Registry, push: Push) -> None:
        for _ in range(3):
            push()
        with pytest.raises(ConflictError, match="nothing"):
            registry.rollback("fraud", BY)
        for number in (1, 2, 3):
            registry.promote("fraud", number, BY)
        assert registry.rollback("fraud", By("bob", "it is wrong")) == 2
        event = registry.history("fraud")[0]
        assert (event.kind, event.version, event.subject, event.detail) == (
            "rolled_back",
            2,
            "production",
            {"before": 3},
        )
        assert registry.rollback("fraud", BY) == 1
        registry.promote("fraud", 3, BY)
        assert registry.rollback("fraud", BY) == 1
        assert production(registry) == 1
        with pytest.raises(ConflictError, match="nothing before version 1"):
            registry.rollback("fraud", BY)
        assert registry.verify().problems == ()

    def test_an_alias_that_was_set_goes_back_too_and_a_removed_one_does_not(
        self, registry: Registry, push: Push
    ) -> None:
        push()
        push()
        registry.set_alias("fraud", "staging", 1, BY)
        registry.set_alias("fraud", "staging", 2, BY)
        assert registry.rollback("fraud", BY, "staging") == 1
        registry.remove_alias("fraud", "staging", BY)
        registry.set_alias("fraud", "staging", 2, BY)
        with pytest.raises(ConflictError, match="nothing before version 2"):
            registry.rollback("fraud", BY, "staging")
        assert registry.verify().problems == ()

    def test_nothing_goes_back_to_a_version_that_was_deleted(self, registry: Registry, push: Push) -> None:
        for _ in range(3):
            push()
        for number in (1, 2, 1, 3):
            registry.promote("fraud", number, BY)
        registry.promote("fraud", 2, BY, "staging")
        registry.rollback("fraud", BY)
        registry.remove_alias("fraud", "staging", BY)
        registry.delete_version("fraud", 2, BY)
        with pytest.raises(ConflictError, match="nothing before version 1"):
            registry.rollback("fraud", BY)
        registry.promote("fraud", 3, BY)
        assert registry.rollback("fraud", BY) == 1
        assert registry.verify().problems == ()

    def test_the_past_knows_promotions(self, registry: Registry, push: Push) -> None:
        push()
        push()
        registry.set_alias("fraud", "production", 1, BY)
        registry.promote("fraud", 2, By("bob", "better"))
        registry.rollback("fraud", By("eve", "worse"))
        back, promoted, was_set = registry.history("fraud")[:3]
        [first] = registry.aliases_at("fraud", was_set.at)
        [second] = registry.aliases_at("fraud", promoted.at)
        [third] = registry.aliases_at("fraud", back.at)
        assert [(item.version, item.who) for item in (first, second, third)] == [(1, "ann"), (2, "bob"), (1, "eve")]
        assert (third.since, third.why, third.seq) == (back.at, "worse", back.seq)
        registry.remove_alias("fraud", "production", BY)
        assert registry.aliases_at("fraud", datetime.now(UTC).isoformat()) == []

    def test_what_should_be_served(self, registry: Registry, push: Push) -> None:
        assert (registry.head(), registry.desired().models) == (0, ())
        for content in (b"one", b"two", b"three", b"four"):
            push(content=content)
        push("idle")
        assert registry.desired().models == ()
        registry.promote("fraud", 1, BY)
        registry.promote("fraud", 2, BY)
        registry.promote("fraud", 3, BY, "staging")
        started = registry.start_rollout("fraud", RolloutPlan(4), BY)
        found = registry.desired()
        assert found.head == registry.head() == registry.history(limit=1)[0].seq
        [model] = found.models
        assert (model.name, model.aliases) == ("fraud", {"production": 2, "staging": 3})
        assert (model.warm, model.rollout) == ((1,), started)
        assert model.versions == {number: registry.version("fraud", number).manifest for number in (1, 2, 3, 4)}
        registry.rollback("fraud", BY)  # of the rollout
        registry.rollback("fraud", BY)
        [model] = registry.desired().models
        assert (model.aliases["production"], model.warm, model.rollout) == (1, (), None)
        assert sorted(model.versions) == [1, 3]
        for alias in ("production", "staging"):
            registry.remove_alias("fraud", alias, BY)
        assert registry.desired().models == ()

    def test_of_promotions_at_once_one_wins(self, open_registry: OpenRegistry, push: Push) -> None:
        for _ in range(5):
            push()
        barrier = threading.Barrier(4)

        def work(number: int) -> list[bool]:
            registry, won = open_registry(), []
            for _ in range(4):
                barrier.wait(30)
                present = production(registry)
                barrier.wait(30)
                try:
                    registry.promote("fraud", (present + number) % 5 + 1, BY, expect=present)
                    won.append(True)
                except ConflictError:
                    won.append(False)
            return won

        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(work, range(4)))
        assert [sum(turn) for turn in zip(*results, strict=True)] == [1, 1, 1, 1]
        registry = open_registry()
        assert sum(event.kind == "promoted" for event in registry.history("fraud")) == 4
        assert registry.verify().problems == ()
