"""Promotions with real models over SQLite: what gates let pass, what they refuse, and what is written down."""

from dataclasses import replace

import msgspec
import pytest

from modelport.core.errors import ConflictError, ForbiddenError, InvalidInputError, InvalidModelError, NotFoundError
from modelport.evaluate.results import evaluation_from_json
from modelport.registry.records import By
from modelport.registry.releases import RolloutPlan
from modelport.release.promotion.datasets import store_data
from modelport.release.promotion.promoting import LOADS, promote
from modelport.release.promotion.wish import RefusedError, Wish
from modelport.runtimes.trust import parse_trust
from release.cancer_models import BY, push, with_golden

BUILT_IN = "signature compatible with production"


def production(registry):
    return registry.model("fraud").aliases.get("production")


def newest_event(registry):
    return registry.history("fraud", limit=1)[0]


def test_the_first_version_has_nothing_to_be_compared_with(registry, set_gates):
    set_gates("accuracy >= production - 0.005", "accuracy >= 0.9")
    made = promote(registry, Wish("fraud", 1), BY)
    assert [(item.gate, item.passed) for item in made.verdicts] == [
        ("accuracy >= production - 0.005", True),
        ("accuracy >= 0.9", True),
        (BUILT_IN, True),
    ]
    assert made.verdicts[0].why == "there is no version yet to compare with"
    assert (made.before, made.forced, production(registry)) == (None, False, 1)


def test_a_worse_version_is_refused_with_the_figures(registry, set_gates, cancer):
    set_gates("accuracy >= production - 0.005", "p99_ms <= 10000")
    promote(registry, Wish("fraud", 1), BY)
    bad = push(registry, cancer / "bad.onnx")
    with pytest.raises(RefusedError) as refused:
        promote(registry, Wish("fraud", bad), BY)
    assert "fraud@2 is not promoted: 1 of 3 gates refused" in str(refused.value)
    assert "accuracy >= production - 0.005: accuracy 0.3" in str(refused.value)
    assert "production 0.9" in str(refused.value)
    assert [item.passed for item in refused.value.verdicts] == [False, True, True]
    assert production(registry) == 1


def test_the_evaluation_of_a_refused_version_is_kept(registry, set_gates, cancer):
    set_gates("accuracy >= production")
    promote(registry, Wish("fraud", 1), BY)
    bad = push(registry, cancer / "bad.onnx")
    with pytest.raises(RefusedError):
        promote(registry, Wish("fraud", bad), BY)
    [kept] = registry.evaluations("fraud", bad)
    assert (kept.dataset, kept.created_by) == ("test.csv", "ann")
    assert kept.metrics["accuracy"] < 0.5
    assert kept.metrics["p99_ms"] > 0
    document = registry.evaluation(kept.id).document
    assert [(item["gate"], item["passed"]) for item in document["gates"]] == [
        ("accuracy >= production", False),
        (BUILT_IN, True),
    ]
    evaluation = evaluation_from_json(msgspec.json.encode(document))
    assert evaluation.comparison.other.model.version == "1"
    assert evaluation.data.rows == 284


def test_force_promotes_and_is_written_down(registry, set_gates, cancer):
    set_gates("accuracy >= production")
    promote(registry, Wish("fraud", 1), BY)
    bad = push(registry, cancer / "bad.onnx")
    made = promote(registry, Wish("fraud", bad, force=True), By("bob", "the other one leaks"))
    assert (made.forced, production(registry)) == (True, 2)
    event = newest_event(registry)
    assert (event.kind, event.version, event.who, event.why) == ("promoted", 2, "bob", "the other one leaks")
    assert event.detail["forced"] is True
    assert event.detail["before"] == 1
    assert [item["passed"] for item in event.detail["verdicts"]] == [False, True]


def test_force_without_need_is_no_force(registry):
    assert promote(registry, Wish("fraud", 1, force=True), BY).forced is False
    assert newest_event(registry).detail["forced"] is False


def test_another_signature_is_refused_unless_a_gate_allows_it(registry, set_gates, cancer):
    promote(registry, Wish("fraud", 1), BY)
    narrow = push(registry, cancer / "narrow.onnx")
    with pytest.raises(RefusedError, match=r"input 'X' took \[-1, 30\], and takes \[-1, 20\] now"):
        promote(registry, Wish("fraud", narrow), BY)
    set_gates("signature == any", data=False)
    assert promote(registry, Wish("fraud", narrow), BY).verdicts[0].passed
    assert production(registry) == narrow


def test_data_that_does_not_fit_refuses_and_says_so(registry, set_gates, cancer):
    set_gates("accuracy >= 0.5")
    promote(registry, Wish("fraud", 1), BY)
    narrow = push(registry, cancer / "narrow.onnx")
    with pytest.raises(RefusedError, match=r"accuracy >= 0.5: fraud@2 could not be measured: test.csv: .*20 values"):
        promote(registry, Wish("fraud", narrow), BY)
    assert registry.evaluations("fraud", narrow) == []


def test_golden_requests_go_with_a_version_and_are_asked(registry, cancer, tmp_path):
    good = cancer / "good.onnx"
    wrong = push(registry, with_golden(tmp_path / "wrong", good, right=False))
    with pytest.raises(RefusedError, match=r"golden == ok: .*output 'label' at \[0\]: expected"):
        promote(registry, Wish("fraud", wrong), BY)
    right = push(registry, with_golden(tmp_path / "right", good, right=True))
    made = promote(registry, Wish("fraud", right), BY)
    assert made.verdicts[0].why == "the golden requests gave what they should"
    manifest = registry.version("fraud", right).manifest
    assert [file.path for file in manifest.files] == ["golden.json", "good.onnx", "modelport.toml"]
    assert manifest.golden == ("golden.json",)
    assert manifest.digest == registry.version("fraud", 1).digest


def test_golden_requests_may_be_demanded(registry, set_gates):
    set_gates("golden == ok", data=False)
    with pytest.raises(RefusedError, match="no golden requests are stored with the version"):
        promote(registry, Wish("fraud", 1), BY)


def test_a_gate_that_needs_data_is_not_passed_over(registry, set_gates):
    set_gates("accuracy >= 0.1", data=False)
    with pytest.raises(RefusedError, match="no labelled data is stored for it: modelport gate fraud --data FILE"):
        promote(registry, Wish("fraud", 1), BY)


def test_a_gate_that_means_nothing_on_this_data_refuses(registry, set_gates):
    set_gates("rmse <= 1", "f1.rose > 0", "accuracy > 0")
    with pytest.raises(RefusedError) as refused:
        promote(registry, Wish("fraud", 1), BY)
    assert [item.passed for item in refused.value.verdicts] == [False, False, True, True]
    assert "it can't be judged: the evaluation of fraud has no rmse" in str(refused.value)


def test_gates_may_speak_of_slices(registry, set_gates):
    set_gates("slice[label=0].accuracy >= 0.5")
    assert promote(registry, Wish("fraud", 1), BY).verdicts[0].why.startswith("slice[label=0].accuracy 0.9")


def test_gates_and_data_of_this_time_only(registry, cancer):
    stored = store_data(registry.store, cancer / "test.csv", "label")
    with pytest.raises(RefusedError, match=r"accuracy > 0\.999"):
        promote(registry, Wish("fraud", 1, gates=("accuracy > 0.999",), data=stored), BY)
    assert registry.gates("fraud") is None
    with pytest.raises(InvalidInputError, match="did you mean 'accuracy'"):
        promote(registry, Wish("fraud", 1, gates=("acuracy > 0.9",)), BY)


def test_what_was_promoted_already_is_left_as_it_is(registry):
    promote(registry, Wish("fraud", 1), BY)
    before = newest_event(registry).seq
    assert promote(registry, Wish("fraud", 1), BY).already
    assert newest_event(registry).seq == before


def test_another_alias_has_a_baseline_of_its_own(registry, set_gates, cancer):
    set_gates("accuracy >= production")
    promote(registry, Wish("fraud", 1), BY)
    bad = push(registry, cancer / "bad.onnx")
    assert promote(registry, Wish("fraud", bad, alias="staging"), BY).before is None
    assert registry.model("fraud").aliases == {"production": 1, "staging": bad}


def test_who_changes_the_alias_meanwhile_wins(registry, cancer):
    second, third = (push(registry, cancer / "good.onnx") for _ in range(2))
    promote(registry, Wish("fraud", 1), BY)

    def meanwhile(done, total, text):
        if text == "changing the registry":
            registry.set_alias("fraud", "production", third, By("bob"))

    with pytest.raises(ConflictError, match=f"names version {third}, not version 1"):
        promote(registry, Wish("fraud", second), BY, meanwhile)
    assert production(registry) == third


def test_progress_goes_up_to_the_end(registry, set_gates, cancer):
    set_gates("accuracy >= 0")
    promote(registry, Wish("fraud", 1), BY)
    said = []
    promote(registry, Wish("fraud", push(registry, cancer / "good.onnx")), BY, lambda *step: said.append(step))
    places = [done for done, total, _ in said if total == 100]
    assert places == sorted(places)
    assert (places[-1], len(places)) == (100, len(said))
    assert "284 rows evaluated" in {text for _, _, text in said}


def test_what_is_not_there(registry):
    with pytest.raises(NotFoundError):
        promote(registry, Wish("fraud", 7), BY)
    with pytest.raises(NotFoundError):
        promote(registry, Wish("fruad", 1), BY)
    with pytest.raises(InvalidInputError):
        promote(registry, Wish("fraud", 1, alias="latest"), BY)


def test_a_pickle_is_loaded_only_where_it_is_trusted(registry, cancer):
    pickled = push(registry, cancer / "good.pkl")
    with pytest.raises(ForbiddenError, match="--trust fraud"):
        promote(registry, Wish("fraud", pickled), BY)
    made = promote(registry, Wish("fraud", pickled), BY, trust=parse_trust(["fraud"]))
    assert (made.version, production(registry)) == (pickled, pickled)


def test_a_version_that_can_not_be_loaded(registry, cancer, tmp_path):
    pickled = push(registry, cancer / "good.pkl")
    made = promote(registry, Wish("fraud", pickled, force=True, gates=("accuracy > 0",)), BY)
    assert made.forced
    assert made.verdicts[0].gate == LOADS
    assert "nobody said that it may be trusted" in made.verdicts[0].why
    assert "fraud@2 can't be loaded" in made.verdicts[1].why


def test_damage_is_told_and_not_promoted(registry, tmp_path):
    digest = registry.version("fraud", 1).manifest.files[0].sha256
    [stored] = [path for path in (tmp_path / "home" / "artifacts").rglob("*") if path.name.endswith(digest[8:])]
    stored.chmod(0o644)
    stored.write_bytes(stored.read_bytes()[:-1] + b"?")
    with pytest.raises(InvalidModelError, match="is damaged where it is stored"):
        promote(registry, Wish("fraud", 1), BY)
    assert production(registry) is None


class TestRollouts:
    plan = RolloutPlan(0, steps=(5.0, 100.0), every=60, abort_if="error_rate > 1%")

    def test_one_begins_when_the_gates_let_it(self, registry, set_gates, cancer):
        set_gates("accuracy >= production - 0.01")
        promote(registry, Wish("fraud", 1), BY)
        second = push(registry, cancer / "good.onnx")
        made = promote(registry, Wish("fraud", second, rollout=self.plan), BY)
        assert (made.rollout.candidate, made.rollout.baseline, made.rollout.percent) == (second, 1, 5.0)
        assert made.rollout.why == "a test"
        assert production(registry) == 1
        assert promote(registry, Wish("fraud", second), BY).before == 1
        assert registry.rollout(made.rollout.id).state == "promoted"

    def test_none_begins_where_a_gate_refuses(self, registry, set_gates, cancer):
        set_gates("accuracy >= production - 0.01")
        promote(registry, Wish("fraud", 1), BY)
        bad = push(registry, cancer / "bad.onnx")
        with pytest.raises(RefusedError):
            promote(registry, Wish("fraud", bad, rollout=self.plan), BY)
        assert registry.rollouts("fraud") == []
        made = promote(registry, Wish("fraud", bad, rollout=self.plan, force=True), BY)
        assert made.rollout.why == "a test (forced, although these gates refused: accuracy >= production - 0.01)"

    def test_what_can_not_begin_is_told_before_the_work(self, registry, set_gates, cancer):
        set_gates("accuracy >= 0")
        with pytest.raises(InvalidInputError, match="names no version yet, so there is no traffic to split"):
            promote(registry, Wish("fraud", 1, rollout=self.plan), BY)
        promote(registry, Wish("fraud", 1), BY)
        second, third = (push(registry, cancer / "good.onnx") for _ in range(2))
        promote(registry, Wish("fraud", second, rollout=self.plan), BY)
        with pytest.raises(ConflictError, match="a rollout of fraud@2 is under way"):
            promote(registry, Wish("fraud", third, rollout=self.plan), BY)
        for wrong in (replace(self.plan, steps=(5.0, 1.0)), replace(self.plan, abort_if="error_rate >")):
            with pytest.raises(InvalidInputError):
                promote(registry, Wish("fraud", third, alias="production", rollout=wrong), BY)
        assert registry.evaluations("fraud", third) == []
