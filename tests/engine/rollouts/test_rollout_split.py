import numpy as np
import pytest
from rollout_cases import Plan, Record, ask, counts, model, rig, take, until

from modelport.core.deadline import Deadline
from modelport.core.errors import (
    CancelledError,
    DeadlineExceededError,
    InvalidInputError,
    ModelFailedError,
    OverloadedError,
)
from modelport.core.messages import InferenceRequest
from modelport.core.request_id import parse_request_id
from modelport.engine.rollouts.share import place_of
from modelport.testing.fakes import Gate

KEYS = [b"k%d" % number for number in range(400)]


def test_a_server_without_rollouts_has_no_splits():
    engine = rig()
    assert not engine.splits
    assert engine.choose(engine.find("m"), None, {}.get, b"") is None


@pytest.mark.parametrize("percent", [0.0, 5.0, 50.0, 100.0])
def test_who_goes_where_is_decided_by_the_key(percent):
    engine = rig(Record(percent=percent))
    for key in KEYS:
        assert take(engine, key).served.version == (2 if place_of(1, key) < percent else 1)


def test_a_request_without_a_key_is_decided_by_its_bytes():
    engine = rig(Record())
    chosen = {body: take(engine, body=body).served.version for body in KEYS}
    assert chosen == {body: 2 if place_of(1, body) < 50 else 1 for body in KEYS}


def test_the_plan_may_name_another_header():
    engine = rig(Record(plan=Plan(key="X-User")))
    headers = {b"x-user": b"ann", b"x-routing-key": b"bob"}
    ticket = engine.choose(engine.find("m"), None, headers.get, b"")
    assert ticket.place == place_of(1, b"ann")


def test_who_was_with_the_candidate_stays_there():
    engine = rig(Record().at(5.0))
    before = {key for key in KEYS if take(engine, key).served.version == 2}
    engine.rollouts.set([Record().at(25.0)])
    after = {key for key in KEYS if take(engine, key).served.version == 2}
    assert before
    assert before < after


def test_explicit_versions_are_never_split():
    engine = rig(Record(percent=100.0), aliases={"production": 1, "old": 1})
    for asked in (1, 2, "old"):
        ticket = take(engine, b"k", asked)
        assert ticket.served.version == (2 if asked == 2 else 1)
        assert ticket.side is None
        assert parse_request_id(ticket.id).rollout == 0
    assert take(engine, b"k", "production").served.version == 2
    assert take(engine, b"k").served.version == 2


def test_a_rollout_of_another_alias_splits_those_who_name_it():
    engine = rig(Record(alias="staging", percent=100.0), aliases={"production": 1, "staging": 1})
    assert take(engine, b"k", "staging").served.version == 2
    assert take(engine, b"k").served.version == 1
    assert take(engine, b"k").side is None


def test_where_the_candidate_is_not_ready_the_baseline_answers():
    engine = rig(Record(percent=100.0))
    engine.model("m").remove(2)
    ticket = take(engine, b"k")
    assert ticket.served.version == 1
    assert parse_request_id(ticket.id) == parse_request_id(ticket.id.replace("1-2-", "1-1-"))


async def test_both_sides_are_counted():
    engine = rig(Record())
    for key in KEYS[:60]:
        ticket, outcome = await ask(engine, 3.0, key=key)
        assert outcome.version == ticket.served.version
        assert ticket.id.startswith(f"1-{outcome.version}-")
    expected = sum(place_of(1, key) < 50 for key in KEYS[:60])
    assert counts(engine, 2).requests == sum(counts(engine, 2).latency) == expected
    assert counts(engine, 1).requests == sum(counts(engine, 1).latency) == 60 - expected
    assert counts(engine, 1).errors == counts(engine, 2).errors == 0


async def test_counts_go_on_when_the_percentage_changes_and_end_with_the_rollout():
    engine = rig(Record(percent=100.0))
    await ask(engine)
    engine.rollouts.set([Record(percent=25.0), Record(id=2, model="other")])
    assert counts(engine, 2).requests == 1
    engine.rollouts.set([])
    assert not engine.splits
    assert counts(engine, 2).requests == 1, "once more after its end"
    assert engine.rollouts.counted() == []


def fail(x):
    raise ValueError("no")


async def test_the_versions_errors_are_counted_and_the_callers_are_not():
    engine = rig(Record(percent=100.0), answers=(lambda x: x, fail))
    _, outcome = await ask(engine)
    assert isinstance(outcome, ModelFailedError)
    assert (counts(engine, 2).requests, counts(engine, 2).errors) == (1, 1)
    for error in (InvalidInputError("x"), CancelledError("x")):
        take(engine, b"k").failed(error)
    assert (counts(engine, 2).requests, counts(engine, 2).errors) == (1, 1)
    for error in (OverloadedError("x"), DeadlineExceededError("x")):
        take(engine, b"k").failed(error)
    assert (counts(engine, 2).requests, counts(engine, 2).errors) == (3, 3)


def test_a_caller_who_left_after_the_deadline_was_let_down():
    engine = rig(Record(percent=100.0))
    ticket = take(engine, b"k")
    ticket.request = InferenceRequest({}, deadline=Deadline.after(-1))
    ticket.failed(CancelledError("x"))
    assert counts(engine, 2).errors == 1


def test_a_candidate_that_takes_other_inputs_is_to_blame_for_its_refusals():
    engine = rig(Record(percent=100.0), answers=(model(), model(datatype="FP64")))
    take(engine, b"k").failed(InvalidInputError("x"))
    assert counts(engine, 2).errors == 1


async def test_a_canarys_answers_are_compared_with_the_baselines():
    engine = rig(Record(percent=100.0), answers=(lambda x: x, lambda x: np.where(x > 2, x + 1, x)))
    for value in (1.0, 3.0):
        _, outcome = await ask(engine, value)
        assert outcome.version == 2
        await until(lambda value=value: (counts(engine, 2) and counts(engine, 2).compared) == (1 if value < 2 else 2))
    assert counts(engine, 2).disagreed == 1
    assert counts(engine, 1) is None, "runs for comparison are no requests of the baseline"
    engine.close()


async def test_the_callers_answer_is_the_baselines_in_a_shadow():
    engine = rig(Record(plan=Plan("shadow"), percent=100.0), answers=(lambda x: x, lambda x: x + 1))
    ticket, outcome = await ask(engine, 5.0)
    assert (ticket.served.version, outcome.version, outcome.outputs["y"][0]) == (1, 1, 5.0)
    await until(lambda: counts(engine, 2))
    seen = counts(engine, 2)
    assert (seen.requests, seen.errors, seen.compared, seen.disagreed) == (1, 0, 1, 1)
    assert counts(engine, 1).requests == 1
    engine.close()


async def test_a_shadow_gets_its_percentage_only():
    engine = rig(Record(plan=Plan("shadow"), percent=0.0))
    await ask(engine, key=b"k")
    engine.rollouts.set([Record(plan=Plan("shadow"), percent=100.0)])
    await ask(engine, key=b"k")
    await until(lambda: counts(engine, 2))
    assert (counts(engine, 2).requests, counts(engine, 1).requests) == (1, 2)
    engine.close()


async def test_a_failing_shadow_counts_errors_and_nobody_notices():
    engine = rig(Record(plan=Plan("shadow"), percent=100.0), answers=(lambda x: x, fail))
    _, outcome = await ask(engine, 5.0)
    assert outcome.version == 1
    await until(lambda: counts(engine, 2))
    seen = counts(engine, 2)
    assert (seen.requests, seen.errors, seen.compared) == (1, 1, 0)
    engine.close()


def picky(x):
    if x[0] > 2:
        raise InvalidInputError("too large for me")
    return x


async def test_what_the_candidate_calls_bad_and_the_baseline_takes_is_the_candidates_error():
    engine = rig(Record(percent=100.0), answers=(lambda x: x, picky))
    for _ in range(3):
        _, outcome = await ask(engine, 5.0)
        assert isinstance(outcome, InvalidInputError)
    await until(lambda: counts(engine, 2))
    await until(lambda: counts(engine, 2).errors == 3)
    assert (counts(engine, 2).requests, counts(engine, 2).compared) == (3, 0)
    engine.close()


async def test_what_both_call_bad_is_the_callers_doing():
    engine = rig(Record(percent=100.0), answers=(picky, picky))
    await ask(engine, 5.0)
    baseline = engine.model("m").by_number[1]
    await until(lambda: baseline.loaded.calls == 1 and not baseline.inflight)
    assert counts(engine, 2) is None
    engine.close()


async def test_refusals_that_are_not_looked_into_share_the_fate_of_the_next():
    gate = Gate()
    engine = rig(Record(percent=100.0), answers=(lambda x: (gate.pass_through(), x)[1], picky))
    for _ in range(40):
        await ask(engine, 5.0)
    gate.open()
    await until(lambda: counts(engine, 2) and engine.model("m").by_number[1].inflight == 0, 60)
    before = counts(engine, 2).errors
    await ask(engine, 5.0)
    await until(lambda: counts(engine, 2).errors == 41)
    assert before < 41
    engine.close()
