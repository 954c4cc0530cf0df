"""What every registry must hold to, as a pytest suite: subclass `RegistryContract` and say how to open one.

class TestMyRegistry(RegistryContract):
    @pytest.fixture
    def open_registry(self):
        return lambda: MyRegistry(...)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelport.artifacts.manifest import Manifest
from modelport.core.errors import ConflictError, InvalidInputError, ModelportError, NotFoundError
from modelport.registry.base import Registry
from modelport.registry.records import By, NewVersion, VersionRecord
from modelport.registry.transfers import pull, push_packed
from modelport.testing.count_contract import CountContract
from modelport.testing.gate_contract import GateContract
from modelport.testing.job_contract import JobContract
from modelport.testing.promotion_contract import PromotionContract
from modelport.testing.registry_suite import BY, OpenRegistry, packed_file
from modelport.testing.rollout_contract import RolloutContract

__all__ = ["RegistryContract", "packed_file"]


class RegistryContract(PromotionContract, RolloutContract, GateContract, CountContract, JobContract):
    """The suite. Override the fixture `open_registry`."""

    def test_a_version_comes_back_with_all_that_was_said(
        self, open_registry: OpenRegistry, push: Callable[..., VersionRecord], tmp_path: Path
    ) -> None:
        made = push(description="a first try", tags={"team": "risk"}, alias="staging")
        registry = open_registry()
        found = registry.version("fraud", 1)
        assert found == made == registry.version("fraud") == registry.version("fraud", "staging")
        assert (found.number, found.format, found.size, found.created_by) == (1, "onnx", 3, "ann")
        assert (found.description, found.tags, found.aliases) == ("a first try", {"team": "risk"}, ("staging",))
        assert found.metrics == {"accuracy": 0.98}
        assert isinstance(found.manifest, Manifest)
        assert found.manifest.signature is not None
        assert found.manifest.signature["inputs"][0]["shape"] == [-1, 4]
        assert found.manifest.environment.packages["numpy"]
        version, path = pull(registry, "fraud", "staging", tmp_path / "out")
        assert version == found
        assert path.read_bytes() == b"one"

    def test_numbers_go_up_and_are_never_used_again(
        self, registry: Registry, push: Callable[..., VersionRecord]
    ) -> None:
        assert [push(content=content).number for content in (b"one", b"two", b"two")] == [1, 2, 3]
        assert push("other").number == 1
        registry.delete_version("fraud", 3, BY)
        assert registry.version("fraud").number == 2
        assert push().number == 4
        assert [version.number for version in registry.versions("fraud")] == [4, 2, 1]
        registry.delete_model("fraud", BY)
        with pytest.raises(NotFoundError):
            registry.model("fraud")
        assert push().number == 5
        assert [version.number for version in registry.versions("fraud")] == [5]
        assert registry.verify().problems == ()

    def test_lists_go_on_where_they_ended(self, registry: Registry, push: Callable[..., VersionRecord]) -> None:
        for name in ("a", "b", "c"):
            push(name)
        assert [model.name for model in registry.models(limit=2)] == ["a", "b"]
        assert [model.name for model in registry.models("b", 2)] == ["c"]
        for _ in range(4):
            push("c")
        assert [version.number for version in registry.versions("c", limit=2)] == [5, 4]
        assert [version.number for version in registry.versions("c", 4, 2)] == [3, 2]
        last = registry.history(limit=3)
        assert [event.seq for event in registry.history(before=last[-1].seq, limit=2)] == [
            last[-1].seq - 1,
            last[-1].seq - 2,
        ]
        assert {event.model for event in registry.history("c", limit=1000)} == {"c"}

    def test_a_models_record_says_what_there_is(self, registry: Registry, push: Callable[..., VersionRecord]) -> None:
        push()
        push(content=b"two")
        registry.set_alias("fraud", "production", 1, BY)
        registry.set_tags("fraud", None, {"team": "risk"}, BY)
        registry.describe("fraud", None, "tells fraud", BY)
        model = registry.model("fraud")
        assert (model.versions, model.latest, model.description) == (2, 2, "tells fraud")
        assert (model.aliases, model.tags, model.created_by) == ({"production": 1}, {"team": "risk"}, "ann")
        assert registry.models() == [model]

    def test_an_alias_moves_and_goes(self, registry: Registry, push: Callable[..., VersionRecord]) -> None:
        push()
        push()
        registry.set_alias("fraud", "production", 1, BY)
        registry.set_alias("fraud", "production", 2, BY)
        assert registry.version("fraud", "production").number == 2
        assert registry.version("fraud", 1).aliases == ()
        registry.remove_alias("fraud", "production", BY)
        with pytest.raises(NotFoundError, match="production"):
            registry.version("fraud", "production")
        with pytest.raises(NotFoundError):
            registry.remove_alias("fraud", "production", BY)
        with pytest.raises(NotFoundError, match="no version 9"):
            registry.set_alias("fraud", "production", 9, BY)

    def test_an_alias_changes_only_from_what_is_expected(
        self, registry: Registry, push: Callable[..., VersionRecord]
    ) -> None:
        push()
        push()
        with pytest.raises(ConflictError, match="no version"):
            registry.set_alias("fraud", "production", 2, BY, expect=1)
        registry.set_alias("fraud", "production", 1, BY, expect=0)
        registry.set_alias("fraud", "production", 2, BY, expect=1)
        changes: tuple[Callable[[], None], ...] = (
            lambda: registry.set_alias("fraud", "production", 1, BY, expect=1),
            lambda: registry.set_alias("fraud", "production", 1, BY, expect=0),
            lambda: registry.remove_alias("fraud", "production", BY, expect=1),
        )
        for change in changes:
            with pytest.raises(ConflictError, match="version 2"):
                change()
        assert registry.version("fraud", "production").number == 2

    def test_tags_and_descriptions_are_set_and_removed(
        self, registry: Registry, push: Callable[..., VersionRecord]
    ) -> None:
        push(tags={"a": "1", "b": "2"})
        registry.set_tags("fraud", 1, {"a": None, "b": "3", "c": "ünïcode", "d": None}, BY)
        assert registry.version("fraud", 1).tags == {"b": "3", "c": "ünïcode"}
        registry.describe("fraud", 1, "better", BY)
        assert registry.version("fraud", 1).description == "better"
        kinds = [event.kind for event in registry.history("fraud")]
        assert kinds == ["described", "tag.set", "tag.set", "tag.removed", "version.pushed", "model.created"]

    def test_what_is_in_use_is_not_deleted(self, registry: Registry, push: Callable[..., VersionRecord]) -> None:
        push(alias="production")
        push()
        deletions: tuple[Callable[[], None], ...] = (
            lambda: registry.delete_version("fraud", 1, BY),
            lambda: registry.delete_model("fraud", BY),
        )
        for delete in deletions:
            with pytest.raises(ConflictError, match="fraud@1 is in use: the alias production"):
                delete()
        assert [version.number for version in registry.versions("fraud")] == [2, 1]
        registry.delete_version("fraud", 2, BY)
        with pytest.raises(NotFoundError, match="fraud@2 was deleted"):
            registry.version("fraud", 2)
        registry.remove_alias("fraud", "production", BY)
        registry.delete_version("fraud", 1, BY)
        with pytest.raises(NotFoundError, match="no versions"):
            registry.version("fraud")

    def test_the_history_says_who_when_what_and_why(
        self, registry: Registry, push: Callable[..., VersionRecord]
    ) -> None:
        push()
        registry.set_alias("fraud", "production", 1, By("bob", "it is better"))
        alias, pushed, created = registry.history("fraud")
        assert (alias.kind, alias.subject, alias.version, alias.who, alias.why) == (
            "alias.set",
            "production",
            1,
            "bob",
            "it is better",
        )
        assert (pushed.kind, pushed.version, pushed.who, created.kind) == ("version.pushed", 1, "ann", "model.created")
        assert (alias.previous, pushed.previous) == (pushed.hash, created.hash)
        assert abs(datetime.fromisoformat(alias.at).timestamp() - time.time()) < 60
        with pytest.raises(NotFoundError, match="frau'"):
            registry.history("frau")

    def test_what_changes_nothing_makes_no_event(self, registry: Registry, push: Callable[..., VersionRecord]) -> None:
        push(tags={"a": "1"}, alias="production")
        before = registry.history()
        registry.set_alias("fraud", "production", 1, BY)
        registry.set_tags("fraud", 1, {"a": "1", "b": None}, BY)
        registry.describe("fraud", 1, "", BY)
        assert registry.history() == before

    def test_the_past_is_known(self, registry: Registry, push: Callable[..., VersionRecord]) -> None:
        start = datetime.now(UTC).isoformat()
        for number, who in ((1, "ann"), (2, "bob")):
            push()
            registry.set_alias("fraud", "production", number, By(who))
        events = [event for event in registry.history("fraud") if event.kind == "alias.set"]
        registry.remove_alias("fraud", "production", BY)
        assert registry.aliases_at("fraud", start) == []
        [first] = registry.aliases_at("fraud", events[1].at)
        assert (first.alias, first.version, first.who, first.since) == ("production", 1, "ann", events[1].at)
        [second] = registry.aliases_at("fraud", events[0].at)
        assert (second.version, second.who) == (2, "bob")
        assert registry.aliases_at("fraud", datetime.now(UTC).isoformat()) == []
        with pytest.raises(InvalidInputError, match="tuesday"):
            registry.aliases_at("fraud", "tuesday")

    def test_the_history_verifies(self, registry: Registry, push: Callable[..., VersionRecord]) -> None:
        assert registry.verify().events == 0
        push(alias="staging", tags={"a": "1"})
        first = registry.verify()
        assert (first.events, first.problems) == (3, ())
        push()
        assert registry.verify(first.head).problems == ()
        other = first.head[:-1] + ("0" if first.head[-1] != "0" else "1")
        assert len(registry.verify(other).problems) == 1
        assert len(registry.verify("99" + first.head[1:]).problems) == 1
        with pytest.raises(InvalidInputError):
            registry.verify("what")

    def test_the_same_push_twice_is_one_version(self, registry: Registry, push: Callable[..., VersionRecord]) -> None:
        manifest = push().manifest
        assert manifest is not None
        new = NewVersion(manifest, alias="staging", push_id="the same")
        first = registry.push("fraud", new, BY)
        assert registry.push("fraud", new, BY) == first
        assert registry.model("fraud").versions == 2

    def test_a_version_without_its_files_is_refused(self, registry: Registry, tmp_path: Path) -> None:
        packed = packed_file(tmp_path, b"never sent")
        with pytest.raises(ConflictError, match=r"model\.bin"):
            registry.push("fraud", NewVersion(packed.manifest), BY)
        with pytest.raises(NotFoundError):
            registry.model("fraud")

    def test_names_that_can_not_be_are_refused(self, registry: Registry, push: Callable[..., VersionRecord]) -> None:
        push()
        bad: tuple[Callable[[], object], ...] = (
            lambda: push("a/b"),
            lambda: push(alias="3"),
            lambda: push(alias="latest"),
            lambda: push(tags={"": "x"}),
            lambda: push(description="\0"),
            lambda: registry.set_alias("fraud", "no way", 1, BY),
            lambda: registry.set_tags("fraud", 1, {"no way": "x"}, BY),
            lambda: registry.describe("fraud", 1, "\0", BY),
            lambda: registry.describe("fraud", 1, "x", By("\0")),
        )
        for call in bad:
            with pytest.raises(InvalidInputError):
                call()
        assert registry.model("fraud").versions == 1
        assert registry.verify().problems == ()

    @pytest.mark.parametrize("name", ["fraud2", "no such", "a/b", "%2e", "ü" * 300])
    def test_a_model_that_is_not_there_is_said_so(
        self, registry: Registry, push: Callable[..., VersionRecord], name: str
    ) -> None:
        push()
        for call in (
            lambda: registry.model(name),
            lambda: registry.version(name, 1),
            lambda: registry.versions(name),
            lambda: registry.set_alias(name, "production", 1, BY),
            lambda: registry.delete_model(name, BY),
        ):
            with pytest.raises(ModelportError) as raised:
                call()
            assert raised.value.kind == "not_found"
        with pytest.raises(NotFoundError):
            registry.version("fraud", 2**40)

    def test_pushes_at_once_get_numbers_without_gaps(self, open_registry: OpenRegistry, tmp_path: Path) -> None:
        barrier = threading.Barrier(6)

        def work(item: int) -> list[int]:
            registry = open_registry()
            packed = packed_file(tmp_path / str(item), f"content {item}".encode())
            barrier.wait(30)
            return [push_packed(registry, "fraud", packed, BY).number for _ in range(4)]

        with ThreadPoolExecutor(6) as pool:
            numbers = [number for made in pool.map(work, range(6)) for number in made]
        assert sorted(numbers) == list(range(1, 25))
        assert open_registry().verify().problems == ()

    def test_of_changes_at_once_one_wins(self, open_registry: OpenRegistry, push: Callable[..., VersionRecord]) -> None:
        for _ in range(5):
            push()
        barrier = threading.Barrier(4)

        def work(number: int) -> Mapping[int, bool]:
            registry, won = open_registry(), {}
            for turn in range(4):
                barrier.wait(30)
                present = registry.model("fraud").aliases.get("production", 0)
                barrier.wait(30)
                try:
                    registry.set_alias("fraud", "production", (present + number) % 5 + 1, BY, expect=present)
                    won[turn] = True
                except ConflictError:
                    won[turn] = False
            return won

        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(work, range(4)))
        changes = [event for event in open_registry().history("fraud") if event.kind == "alias.set"]
        assert len(changes) == 4
        assert [sum(won[turn] for won in results) for turn in range(4)] == [1, 1, 1, 1]
