"""The contract of registries: gates, and evaluations."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from modelport.artifacts.uploads import send_bytes
from modelport.core.errors import ConflictError, InvalidInputError, NotFoundError
from modelport.registry.base import Registry
from modelport.registry.records import By
from modelport.registry.releases import GateRules
from modelport.testing.registry_suite import BY, Push, RegistrySuite

RULES = GateRules(("accuracy >= production - 0.005", "p99_ms <= 20"), label="species")


class GateContract(RegistrySuite):
    """A part of `RegistryContract`."""

    def test_gates_come_back_and_go(self, registry: Registry, push: Push) -> None:
        push()
        assert registry.gates("fraud") is None
        digest = send_bytes(registry.store, b"a,b\n1,2\n")
        rules = replace(RULES, data=digest, data_name="test.csv")
        registry.set_gates("fraud", rules, By("bob", "be careful"))
        found = registry.gates("fraud")
        assert found is not None
        assert replace(found, changed_at="", changed_by="") == rules
        event = registry.history("fraud")[0]
        assert (found.changed_at, found.changed_by) == (event.at, "bob")
        assert (event.kind, event.why, event.detail["data"]) == ("gates.set", "be careful", digest)
        registry.set_gates("fraud", found, BY)  # no change
        assert registry.history("fraud")[0] == event
        registry.set_gates("fraud", RULES, BY)
        registry.set_gates("fraud", None, BY)
        assert registry.gates("fraud") is None
        assert registry.history("fraud")[0].kind == "gates.removed"
        assert registry.verify().problems == ()

    def test_gates_that_can_not_be_are_refused(self, registry: Registry, push: Push) -> None:
        push()
        with pytest.raises(ConflictError, match=r"test\.csv .* is not in the store"):
            registry.set_gates("fraud", replace(RULES, data=hashlib.sha256().hexdigest(), data_name="test.csv"), BY)
        for wrong in (replace(RULES, data="x"), replace(RULES, label="\0"), replace(RULES, rules=("a > 1",) * 200)):
            with pytest.raises(InvalidInputError):
                registry.set_gates("fraud", wrong, BY)
        for name in ("frau", "a/b"):
            with pytest.raises(NotFoundError):
                registry.set_gates(name, RULES, BY)
            with pytest.raises(NotFoundError):
                registry.gates(name)
        assert registry.gates("fraud") is None

    def test_a_deleted_models_gates_do_not_come_back(self, registry: Registry, push: Push) -> None:
        push()
        registry.set_gates("fraud", RULES, BY)
        registry.delete_model("fraud", BY)
        push()
        assert registry.gates("fraud") is None
        assert registry.verify().problems == ()

    def test_an_evaluation_is_kept_whole(self, registry: Registry, push: Push) -> None:
        push()
        push()
        document = {"confusion": [[1, 2], [3, 4]], "slices": {"ü": None}}
        metrics = {"accuracy": 0.75, "roc_auc": float("nan"), "p99_ms": float("inf")}
        made = registry.record_evaluation("fraud", 2, document, metrics, "test.csv", "0" * 64, By("bob"))
        assert (made.model, made.version, made.dataset, made.dataset_digest) == ("fraud", 2, "test.csv", "0" * 64)
        assert (made.metrics, made.document, made.created_by) == ({"accuracy": 0.75}, document, "bob")
        assert registry.evaluation(made.id) == made
        event = registry.history("fraud")[0]
        assert (event.kind, event.version, event.subject) == ("evaluated", 2, "test.csv")
        assert (event.detail["evaluation"], event.at) == (made.id, made.created_at)
        assert registry.verify().problems == ()

    def test_evaluations_are_listed_newest_first(self, registry: Registry, push: Push) -> None:
        for name in ("fraud", "fraud", "other"):
            push(name)
        one, two, three = (
            registry.record_evaluation(name, number, {}, {"n": 1.0}, "x" * 300, "", BY)
            for name, number in (("fraud", 1), ("fraud", 2), ("fraud", 1))
        )
        registry.record_evaluation("other", 1, {}, {}, "", "", BY)
        assert registry.evaluations("fraud") == [replace(item, document=None) for item in (three, two, one)]
        assert [item.id for item in registry.evaluations("fraud", 1)] == [three.id, one.id]
        assert [item.id for item in registry.evaluations("fraud", limit=1)] == [three.id]
        registry.delete_version("fraud", 1, BY)
        assert [item.id for item in registry.evaluations("fraud", 1)] == [three.id, one.id]
        with pytest.raises(NotFoundError, match="no evaluation 99"):
            registry.evaluation(99)
        with pytest.raises(NotFoundError):
            registry.record_evaluation("fraud", 1, {}, {}, "", "", BY)
        with pytest.raises(InvalidInputError, match="JSON"):
            registry.record_evaluation("fraud", 2, {"what": object()}, {}, "", "", BY)
        assert registry.verify().problems == ()
