"""The response cache: the same inputs are answered without the model, and never anything else is."""

import asyncio

import numpy as np
import pytest
from engine_cases import engine, request, serve

from modelport.core.errors import InvalidInputError
from modelport.core.messages import InferenceRequest
from modelport.engine.settings import CacheOptions
from modelport.testing.fakes import FakeModel, Gate, echo_model, slow_model


def cached(made, model=None, version=1, digest="d", execution="inline", **options):
    served = serve(made, model, version=version, execution=execution)
    served.digest = digest
    served.front = made.cache.front(served, CacheOptions(**options), made.run).submit
    served.special = True
    return served


def counted(made):
    return {
        dict(labels)["result"]: int(values[0])
        for (_, name, labels), values in made.metrics.collect().items()
        if name == "cache_requests"
    }


async def test_the_second_time_the_model_does_not_run():
    made = engine()
    served = cached(made)
    first = await made.infer(served, request(1, 2, id="a"))
    second = await made.infer(served, request(1, 2, id="b"))
    assert (first.cache, second.cache) == ("miss", "hit")
    assert (first.id, second.id) == ("a", "b")
    assert second.outputs["y"].tolist() == [1, 2]
    assert served.loaded.calls == 1
    assert counted(made) == {"hit": 1, "miss": 1, "joined": 0}


@pytest.mark.parametrize(
    "other",
    [
        request(1, 3),
        request(1, 2, outputs=("y",)),
        InferenceRequest({"x": np.array([[1, 2]], np.float32)}),
        InferenceRequest({"x": np.array([1, 2], np.float32).view(np.int32)}),
    ],
)
async def test_whatever_differs_is_another_request(other):
    made = engine()
    shapeless = FakeModel(echo_model(shape=None).signature, lambda inputs: {"y": inputs["x"].copy()})
    shapeless.predict = lambda inputs, outputs=None: {"y": inputs["x"].copy()}
    served = cached(made, shapeless)
    await made.infer(served, request(1, 2))
    assert (await made.infer(served, other)).cache == "miss"


async def test_texts_are_told_apart_by_where_they_end():
    made = engine()
    served = cached(made, echo_model("BYTES"))

    def texts(*values):
        return InferenceRequest({"x": np.array(values, object)})

    assert (await made.infer(served, texts(b"ab", b"c"))).cache == "miss"
    assert (await made.infer(served, texts(b"a", b"bc"))).cache == "miss"
    hit = await made.infer(served, texts(b"ab", b"c"))
    assert (hit.cache, hit.outputs["y"].tolist()) == ("hit", [b"ab", b"c"])


async def test_another_artifact_never_answers_for_this_one_and_a_closed_one_is_forgotten():
    made = engine()
    one, two = cached(made, digest="one"), cached(made, version=2, digest="two")
    await made.infer(one, request(1))
    assert (await made.infer(two, request(1))).cache == "miss"
    made.model("m").remove(1)
    one.retire()
    assert [kept.served for kept in made.cache._kept.values()] == [two]


async def test_equal_requests_that_come_together_run_once():
    made, gate = engine(), Gate()
    served = cached(made, slow_model(gate), execution="pool")
    asked = [asyncio.ensure_future(made.infer(served, request(5, id=str(at)))) for at in range(4)]
    await asyncio.to_thread(gate.wait_until_reached)
    gate.open()
    outcomes = await asyncio.gather(*asked)
    assert [outcome.cache for outcome in outcomes] == ["miss", "joined", "joined", "joined"]
    assert [outcome.id for outcome in outcomes] == ["0", "1", "2", "3"]
    assert served.loaded.calls == 1
    made.close()


async def test_a_failure_is_not_kept_and_not_shared():
    made, gate = engine(), Gate()
    calls = []

    def answer(inputs):
        gate.pass_through()
        calls.append(1)
        if len(calls) == 1:
            raise InvalidInputError("the first one")
        return {"y": inputs["x"].copy()}

    served = cached(made, FakeModel(echo_model().signature, answer), execution="pool")
    asked = [asyncio.ensure_future(made.infer(served, request(5))) for _ in range(2)]
    await asyncio.to_thread(gate.wait_until_reached)
    gate.open()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(outcomes[0], InvalidInputError)
    assert outcomes[1].outputs["y"].tolist() == [5]
    made.close()


async def test_entries_age_and_the_longest_unused_go_first(monkeypatch):
    made = engine()
    served = cached(made, ttl_seconds=60, max_mb=0.00004)  # 40 bytes: ten numbers
    for value in range(12):
        await made.infer(served, request(value))
    assert (await made.infer(served, request(11))).cache == "hit"
    assert (await made.infer(served, request(0))).cache == "miss"
    now = __import__("time").monotonic()
    monkeypatch.setattr("modelport.engine.cache.monotonic", lambda: now + 61)
    assert (await made.infer(served, request(11))).cache == "miss"


async def test_what_is_kept_can_not_be_changed_by_whoever_got_it():
    made = engine()
    served = cached(made)
    first = await made.infer(served, request(1, 2))
    first.outputs["y"][0] = 99
    assert (await made.infer(served, request(1, 2))).outputs["y"].tolist() == [1, 2]
