import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conducting_cases import ANN, Counting, start

from modelport.core.errors import ConflictError
from modelport.registry.releases import RolloutChange
from modelport.release.conducting import conductor as conducting
from modelport.release.conducting.conductor import Conductor
from modelport.release.conducting.reporting import report

RULE = "error_rate > 1% or p99 > 2x or disagreement > 2%"


def kinds(registry):
    return [event.kind for event in registry.history("m")]


def aliases(registry):
    return registry.model("m").aliases


def test_a_bad_version_is_taken_back_with_the_figures(registry):
    rollout = start(registry, abort_if=RULE)
    Counting(registry, rollout.id).add(1, 1000).add(2, 60, errors=9).tell()
    became = Conductor(registry, "c").look(rollout.id)
    assert became.state == "aborted"
    assert became.reason == "at 5 %: error_rate is 15 % of 60 requests: past error_rate > 1%"
    assert became.figures["candidate"]["error_rate"] == 0.15
    assert became.figures["baseline"]["requests"] == 1000
    assert registry.rollout(rollout.id).state == "aborted"
    assert aliases(registry) == {"production": 1}
    assert "rollout.aborted" in kinds(registry)
    shown = report(registry, rollout.id)
    assert (shown.rule.standing, shown.rule.terms[0].holds) == ("holds", True)
    assert "because at 5 %" in shown.next


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        ({"requests": 100, "ms": 2.6}, "p99 is 3.14 ms"),
        ({"requests": 100, "compared": 60, "disagreed": 2}, "disagreement is 3.33 % of 60 compared"),
    ],
)
def test_slow_and_disagreeing_versions_are_taken_back(registry, bad, word):
    rollout = start(registry, abort_if=RULE)
    Counting(registry, rollout.id).add(1, 1000).add(2, **bad).tell()
    became = Conductor(registry, "c").look(rollout.id)
    assert became.state == "aborted"
    assert word in became.reason


def test_nothing_is_judged_before_enough_requests_came(registry):
    rollout = start(registry, abort_if=RULE, every=0.001)
    counting = Counting(registry, rollout.id).add(1, 1000).add(2, 49, errors=49)
    counting.tell()
    assert Conductor(registry, "c").look(rollout.id) is None
    assert report(registry, rollout.id).rule.standing == "not known yet"
    counting.add(2, 1).tell()
    assert Conductor(registry, "c").look(rollout.id).state == "aborted"


def test_the_counts_of_all_servers_are_added_up_those_of_dead_ones_too(registry):
    rollout = start(registry, abort_if=RULE)
    for server in ("a:1:x", "b:1:x", "gone:9:x"):
        Counting(registry, rollout.id, server).add(1, 1000).add(2, 20, errors=1).tell()
    assert Conductor(registry, "c").look(rollout.id).state == "aborted"
    assert report(registry, rollout.id).servers == 3


def test_a_good_version_goes_from_step_to_step_and_into_production(registry):
    rollout = start(registry, steps=(5.0, 25.0, 100.0), every=0.001, abort_if=RULE)
    counting = Counting(registry, rollout.id)
    went = []
    for _ in range(3):
        counting.add(1, 200).add(2, 60).tell()
        became = Conductor(registry, "c").look(rollout.id)  # each time another server's
        went.append((became.state, became.percent))
    assert went == [("running", 25.0), ("running", 100.0), ("promoted", 100.0)]
    assert aliases(registry) == {"production": 2}
    assert kinds(registry)[:4] == ["promoted", "rollout.promoted", "rollout.advanced", "rollout.advanced"]
    assert registry.verify().problems == ()


def test_a_step_lasts_as_long_as_it_should(registry):
    rollout = start(registry, steps=(5.0, 100.0), every=3600.0)
    assert Conductor(registry, "c").look(rollout.id) is None
    shown = report(registry, rollout.id)
    assert 3500 < shown.step.seconds_left <= 3600
    assert shown.next.startswith("100 %, after 3")


def test_a_step_that_is_to_be_judged_is_not_left_unjudged(registry):
    rollout = start(registry, steps=(5.0, 100.0), every=0.001, abort_if=RULE)
    counting = Counting(registry, rollout.id).add(2, 49)
    counting.tell()
    assert Conductor(registry, "c").look(rollout.id) is None
    assert report(registry, rollout.id).next == "100 %, after 49 of 50 requests of the candidate at 5 %"
    counting.add(2, 1).tell()
    assert Conductor(registry, "c").look(rollout.id).percent == 100.0
    assert Conductor(registry, "c").look(rollout.id) is None, "the next step has seen no request yet"


def test_without_a_rule_time_alone_counts(registry):
    rollout = start(registry, steps=(5.0, 100.0), every=0.001)
    assert Conductor(registry, "c").look(rollout.id).percent == 100.0
    time.sleep(0.01)
    assert Conductor(registry, "c").look(rollout.id).state == "promoted"


@pytest.mark.parametrize(("kind", "last"), [("canary", 50.0), ("shadow", 100.0), ("ab", 100.0)])
def test_what_stays_at_its_last_step(registry, kind, last):
    rollout = start(registry, kind=kind, steps=(last,), every=0.001)
    time.sleep(0.01)
    assert Conductor(registry, "c").look(rollout.id) is None
    assert registry.rollout(rollout.id).state == "running"
    assert report(registry, rollout.id).next.startswith(f"nothing: it stays at {last:g} %")


def test_a_paused_rollout_does_not_go_on_but_is_still_judged(registry):
    rollout = start(registry, steps=(5.0, 100.0), every=0.001, abort_if=RULE)
    registry.change_rollout(rollout.id, change=RolloutChange(state="paused"), by=ANN)
    counting = Counting(registry, rollout.id).add(1, 100).add(2, 100)
    counting.tell()
    assert Conductor(registry, "c").look(rollout.id) is None
    counting.add(2, 100, errors=100).tell()
    assert Conductor(registry, "c").look(rollout.id).state == "aborted"


def test_earlier_steps_do_not_excuse_a_fault(registry):
    rollout = start(registry, steps=(5.0, 25.0), every=0.001, abort_if=RULE)
    counting = Counting(registry, rollout.id).add(1, 5000).add(2, 10_000)
    counting.tell()
    assert Conductor(registry, "c").look(rollout.id).percent == 25.0
    counting.add(2, 50, errors=5).tell()  # 0.05 % of all
    became = Conductor(registry, "c").look(rollout.id)  # who was not there before
    assert became.state == "aborted"
    assert became.reason == "at 25 %: error_rate is 10 % of 50 requests: past error_rate > 1%"


def test_a_step_that_somebody_let_it_go_to_counts_from_then_on(registry):
    rollout = start(registry, steps=(5.0, 25.0), every=3600.0, abort_if=RULE)
    counting = Counting(registry, rollout.id).add(1, 5000).add(2, 10_000)
    counting.tell()
    registry.change_rollout(rollout.id, change=RolloutChange(step=1), by=ANN)
    assert (Conductor(registry, "c").look(rollout.id).step, kinds(registry)[0]) == (1, "rollout.advanced")
    assert Conductor(registry, "c").look(rollout.id) is None
    assert report(registry, rollout.id).step.candidate.requests == 0
    counting.add(2, 50, errors=5).tell()
    assert Conductor(registry, "c").look(rollout.id).state == "aborted"


def test_a_fault_late_in_a_long_step_is_seen(registry, monkeypatch):
    rollout = start(registry, steps=(25.0,), every=3600.0, abort_if=RULE)
    counting = Counting(registry, rollout.id).add(1, 5000).add(2, 100_000)
    counting.tell()
    conductor = Conductor(registry, "c")
    assert conductor.look(rollout.id) is None
    counting.add(2, 100, errors=3).tell()  # chance shows that now and then
    assert conductor.look(rollout.id) is None
    counting.add(2, 100, errors=20).tell()
    assert conductor.look(rollout.id).state == "aborted"


def test_at_a_hundred_per_cent_the_baseline_is_what_it_was(registry):
    rollout = start(registry, steps=(50.0, 100.0), every=0.001, abort_if=RULE)
    counting = Counting(registry, rollout.id).add(1, 500, ms=1.0).add(2, 500, ms=1.0)
    counting.tell()
    assert Conductor(registry, "c").look(rollout.id).percent == 100.0
    counting.add(2, 200, ms=5.0).tell()
    became = Conductor(registry, "c").look(rollout.id)
    assert became.state == "aborted"
    assert "of the baseline's 500)" in became.reason


def test_of_many_who_look_at_once_one_makes_the_change(registry):
    rollout = start(registry, steps=(5.0, 25.0, 100.0), every=0.001, abort_if=RULE)
    Counting(registry, rollout.id).add(1, 200).add(2, 60).tell()
    together = threading.Barrier(8)

    def look(number):
        together.wait()
        return Conductor(registry, f"c{number}").look(rollout.id)

    with ThreadPoolExecutor(8) as threads:
        became = [item for item in threads.map(look, range(8)) if item is not None]
    assert len(became) == 1
    assert registry.rollout(rollout.id).step == 1
    assert kinds(registry).count("rollout.advanced") == 1


def test_anothers_change_wins(registry, monkeypatch):
    rollout = start(registry, abort_if=RULE)
    Counting(registry, rollout.id).add(1, 1000).add(2, 60, errors=9).tell()
    judge = conducting.judge

    def judged_late(*arguments):
        if registry.rollout(rollout.id).open:
            registry.rollback("m", ANN)
        return judge(*arguments)

    monkeypatch.setattr(conducting, "judge", judged_late)
    assert Conductor(registry, "c").look(rollout.id) is None
    assert registry.rollout(rollout.id).reason != ""
    assert kinds(registry).count("rollout.aborted") == 1
    with pytest.raises(ConflictError):
        registry.change_rollout(rollout.id, change=RolloutChange(step=0), by=ANN)


def test_what_is_over_or_gone_is_left_alone(registry):
    rollout = start(registry)
    registry.change_rollout(rollout.id, change=RolloutChange(state="ended", reason="enough"), by=ANN)
    conductor = Conductor(registry, "c")
    assert conductor.look(rollout.id) is None
    assert conductor.look(999) is None
    assert report(registry, rollout.id).next == "nothing: it was ended, because enough"


def test_a_rule_that_nobody_checked_is_not_judged_and_does_not_stop_the_rest(registry):
    rollout = start(registry, steps=(5.0, 100.0), every=0.001, abort_if="p99 is bad", min_requests=1)
    Counting(registry, rollout.id).add(2, 5, errors=5).tell()
    assert Conductor(registry, "c").look(rollout.id).percent == 100.0
