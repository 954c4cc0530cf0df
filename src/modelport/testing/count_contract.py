"""The contract of registries: what servers counted of rollouts, and how requests turned out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modelport.core.errors import InvalidInputError, NotFoundError
from modelport.registry.base import Registry
from modelport.registry.releases import Observation, Outcome, RolloutPlan
from modelport.testing.registry_suite import BY, Push, RegistrySuite


class CountContract(RegistrySuite):
    """A part of `RegistryContract`."""

    def test_the_last_that_a_server_counted_is_kept(self, registry: Registry, push: Push) -> None:
        push()
        push()
        registry.promote("fraud", 1, BY)
        rollout, before = registry.start_rollout("fraud", RolloutPlan(2), BY).id, registry.head()
        first = Observation(rollout, "a:1", 2, 10, 1, (3, 4, 3), 9, 2, 1)
        other = Observation(rollout, "b:1", 2, 7, 0, (7, 0, 0))
        registry.observe([first, other, replace(first, version=1, disagreed=0)])
        registry.observe([replace(first, requests=20, latency=(5, 5, 10))])
        registry.observe([])
        found = registry.observations(rollout)
        assert all(item.at for item in found)
        assert [replace(item, at="") for item in found] == [
            replace(first, version=1, disagreed=0),
            replace(first, requests=20, latency=(5, 5, 10)),
            other,
        ]
        assert registry.head() == before
        with pytest.raises(NotFoundError, match="no rollout 99"):
            registry.observe([replace(first, rollout=99)])
        with pytest.raises(NotFoundError, match="no rollout 99"):
            registry.observations(99)
        for wrong in (replace(first, requests=-1), replace(first, server=""), replace(first, latency=(-1,))):
            with pytest.raises(InvalidInputError):
                registry.observe([wrong])

    def test_outcomes_are_added_up_by_version(self, registry: Registry, push: Push) -> None:
        push()
        push()
        assert registry.outcomes("fraud") == []
        given = [Outcome("a", 1), Outcome("b", 0, "it was none"), Outcome("c", 1)]
        assert registry.give_feedback("fraud", 1, None, given) == 3
        assert registry.give_feedback("fraud", 2, 7, [Outcome("d", 0.5), Outcome("d", 2.5)]) == 1
        first, second = registry.outcomes("fraud")
        assert (first.version, first.count) == (1, 3)
        assert [first.mean, first.variance] == pytest.approx([2 / 3, 1 / 3])
        assert (second.version, second.count, second.mean, second.variance) == (2, 1, 2.5, 0.0)
        assert registry.outcomes("fraud", 7) == [second]
        assert registry.outcomes("fraud", 8) == []

    def test_an_outcome_replaces_the_one_before_it(self, registry: Registry, push: Push) -> None:
        push()
        before = registry.head()
        registry.give_feedback("fraud", 1, None, [Outcome("a", 1), Outcome("b", 1)])
        registry.give_feedback("fraud", 1, None, [Outcome("a", 0)])
        [found] = registry.outcomes("fraud")
        assert (found.count, found.mean) == (2, 0.5)
        assert registry.head() == before

    def test_feedback_on_what_is_not_there_is_refused(self, registry: Registry, push: Push) -> None:
        push()
        with pytest.raises(NotFoundError, match="no version 2"):
            registry.give_feedback("fraud", 2, None, [Outcome("a", 1)])
        with pytest.raises(NotFoundError):
            registry.give_feedback("frau", 1, None, [Outcome("a", 1)])
        for wrong in (Outcome("", 1), Outcome("a", float("nan")), Outcome("a" * 300, 1), Outcome("a", 1, "\0")):
            with pytest.raises(InvalidInputError):
                registry.give_feedback("fraud", 1, None, [wrong])
        assert registry.outcomes("fraud") == []
