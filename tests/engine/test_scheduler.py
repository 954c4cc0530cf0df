"""Dear models in threads: what waits is the next batch; limits, priorities, deadlines, cancellation, streams."""

import asyncio
import threading

import numpy as np
import pytest
from engine_cases import engine, request, serve

from modelport.core.deadline import Deadline
from modelport.core.errors import (
    CancelledError,
    DeadlineExceededError,
    InvalidInputError,
    ModelFailedError,
    OverloadedError,
    UnavailableError,
)
from modelport.core.messages import InferenceRequest
from modelport.engine.settings import ServingOptions
from modelport.testing.fakes import FakeModel, Gate, echo_model, slow_model


def joined(made, model, **options):
    """A dear version whose rows may be joined, in batches that pay."""
    served = serve(made, model, execution="pool")
    served.options = ServingOptions(**options)
    served.joinable = True
    for rows in (1, 2, 4, 8):
        served.curve.observe(rows, 5.0)
    return served


async def behind_the_first(made, served, gate, requests):
    """Submit while one prediction runs; gives the outcomes of all, the first one's before."""
    first = asyncio.ensure_future(made.infer(served, request(0)))
    await asyncio.to_thread(gate.wait_until_reached)
    rest = [asyncio.ensure_future(made.infer(served, item)) for item in requests]
    await asyncio.sleep(0)
    gate.open()
    return await asyncio.gather(first, *rest, return_exceptions=True)


async def test_what_waits_runs_as_one_batch_and_each_gets_its_rows():
    made, gate = engine(pool_threads=1), Gate()
    served = joined(made, slow_model(gate))
    asked = [request(1), request(2, 3), request(4, id="last")]
    outcomes = await behind_the_first(made, served, gate, asked)
    assert served.loaded.rows == [1, 4]
    assert [outcome.outputs["y"].tolist() for outcome in outcomes] == [[0], [1], [2, 3], [4]]
    assert outcomes[3].id == "last"
    assert asked[0].started == asked[2].started
    assert served.inflight == made.scheduler.waiting == 0
    made.close()


async def test_what_arrives_in_one_pass_is_one_batch_from_the_beginning():
    made = engine(pool_threads=1)
    served = joined(made, echo_model())
    await asyncio.gather(*(made.infer(served, request(value)) for value in range(5)))
    assert served.loaded.rows == [5]
    made.close()


@pytest.mark.parametrize(
    ("options", "rows"),
    [({"max_batch": 3}, [1, 3, 3, 1]), ({"batching": False}, [1] * 8), ({"max_batch": 1}, [1] * 8), ({}, [1, 7])],
)
async def test_a_models_own_options_bound_its_batches(options, rows):
    made, gate = engine(pool_threads=1), Gate()
    served = joined(made, slow_model(gate), **options)
    await behind_the_first(made, served, gate, [request(value) for value in range(7)])
    assert served.loaded.rows == rows
    made.close()


async def test_batches_end_where_they_do_not_pay():
    made, gate = engine(pool_threads=1), Gate()
    served = serve(made, slow_model(gate), execution="pool")
    served.joinable = True
    for rows in (1, 2, 4):
        served.curve.observe(rows, 5.0 * rows)
    await behind_the_first(made, served, gate, [request(value) for value in range(4)])
    assert served.loaded.rows == [1] * 5
    made.close()


async def test_only_requests_of_one_kind_are_joined_and_none_is_lost():
    made, gate = engine(pool_threads=1), Gate()
    served = joined(made, slow_model(gate, shape=(-1, -1)))

    def wide(columns, value):
        return InferenceRequest({"x": np.full((1, columns), value, np.float32)})

    first = asyncio.ensure_future(made.infer(served, wide(2, 0)))
    await asyncio.to_thread(gate.wait_until_reached)
    rest = [asyncio.ensure_future(made.infer(served, wide(2 + at % 2, at))) for at in range(6)]
    await asyncio.sleep(0)
    gate.open()
    await first
    outcomes = await asyncio.gather(*rest)
    assert [outcome.outputs["y"].tolist() for outcome in outcomes] == [[[at] * (2 + at % 2)] for at in range(6)]
    assert served.loaded.rows == [1, 3, 3]
    made.close()


async def test_a_request_that_fails_in_a_batch_fails_alone():
    made, gate = engine(pool_threads=1), Gate()

    def answer(inputs):
        gate.pass_through()
        if (inputs["x"] == 13).any():
            raise InvalidInputError("thirteen")
        return {"y": inputs["x"].copy()}

    served = joined(made, FakeModel(echo_model().signature, answer))
    outcomes = await behind_the_first(made, served, gate, [request(value) for value in (1, 2, 13, 4, 5, 6, 7, 8)])
    assert isinstance(outcomes[3], InvalidInputError)
    good = [outcome.outputs["y"].tolist() for at, outcome in enumerate(outcomes) if at != 3]
    assert good == [[0], [1], [2], [4], [5], [6], [7], [8]]
    assert served.loaded.rows == [1, 8, 4, 2, 2, 1, 1, 4], "halves, not one by one"
    made.close()


async def test_outputs_that_are_not_rows_are_computed_one_by_one():
    made, gate = engine(pool_threads=1), Gate()

    def answer(inputs):
        gate.pass_through()
        return {"y": inputs["x"].sum(keepdims=True)}

    served = joined(made, FakeModel(echo_model().signature, answer))
    outcomes = await behind_the_first(made, served, gate, [request(1), request(2)])
    assert [outcome.outputs["y"].tolist() for outcome in outcomes] == [[0], [1], [2]]
    made.close()


async def test_interactive_requests_run_before_bulk_ones_and_displace_them():
    made, gate = engine(pool_threads=1, queue=3), Gate()
    served = serve(made, slow_model(gate), execution="pool")
    order = []

    async def ask(value, priority):
        await made.infer(served, request(value, priority=priority))
        order.append(value)

    first = asyncio.ensure_future(ask(0, 0))
    await asyncio.to_thread(gate.wait_until_reached)
    rest = [asyncio.ensure_future(ask(*item)) for item in ((1, 1), (2, 1), (3, 0), (4, 0))]
    await asyncio.sleep(0)
    gate.open()
    outcomes = await asyncio.gather(first, *rest, return_exceptions=True)
    assert order == [0, 3, 4, 1]
    assert isinstance(outcomes[2], OverloadedError)
    assert "interactive requests go before" in str(outcomes[2])
    made.close()


async def test_a_deadline_that_passes_while_waiting_costs_no_prediction():
    made, gate = engine(pool_threads=1), Gate()
    served = joined(made, slow_model(gate))
    late = request(1, deadline=Deadline.after(0.05))
    first = asyncio.ensure_future(made.infer(served, request(0)))
    await asyncio.to_thread(gate.wait_until_reached)
    rest = [asyncio.ensure_future(made.infer(served, item)) for item in (late, request(2), request(3))]
    await asyncio.sleep(0.06)
    gate.open()
    outcomes = await asyncio.gather(first, *rest, return_exceptions=True)
    assert isinstance(outcomes[1], DeadlineExceededError)
    assert [outcomes[at].outputs["y"].tolist() for at in (0, 2, 3)] == [[0], [2], [3]]
    assert served.loaded.rows == [1, 2]
    made.close()


async def test_who_can_not_be_answered_in_time_is_told_at_once():
    made, gate = engine(pool_threads=1), Gate()
    served = serve(made, slow_model(gate), execution="pool")
    served.curve.observe(1, 1000.0)
    first = asyncio.ensure_future(made.infer(served, request(0)))
    await asyncio.to_thread(gate.wait_until_reached)
    waits = asyncio.ensure_future(made.infer(served, request(1)))
    await asyncio.sleep(0)
    told = r"an answer would take about (2\.9..|3\.000) s, and the deadline is in 0\.[01]"
    with pytest.raises(OverloadedError, match=told):
        await made.infer(served, request(2, deadline=Deadline.after(0.1)))
    patient = asyncio.ensure_future(made.infer(served, request(3, deadline=Deadline.after(60))))
    await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(first, waits, patient)
    assert served.loaded.calls == 3
    made.close()


async def test_what_nobody_waits_for_any_more_is_not_computed():
    made, gate = engine(pool_threads=1), Gate()
    served = joined(made, slow_model(gate))
    gone = request(1)
    first = asyncio.ensure_future(made.infer(served, request(0)))
    await asyncio.to_thread(gate.wait_until_reached)
    rest = [asyncio.ensure_future(made.infer(served, item)) for item in (gone, request(2))]
    await asyncio.sleep(0)
    gone.cancelled = True
    gate.open()
    outcomes = await asyncio.gather(first, *rest, return_exceptions=True)
    assert isinstance(outcomes[1], CancelledError)
    assert served.loaded.rows == [1, 1]
    made.close()


async def test_a_delay_waits_for_a_full_batch_and_no_longer():
    made = engine(pool_threads=1, max_delay_ms=60_000)
    served = joined(made, echo_model(), max_batch=3)
    rest = []
    for value in range(3):
        rest.append(asyncio.ensure_future(made.infer(served, request(value))))
        await asyncio.sleep(0.01)
    await asyncio.gather(*rest)
    assert served.loaded.rows == [3]
    made.close()
    made = engine(pool_threads=1, max_delay_ms=20)
    served = joined(made, echo_model())
    await made.infer(served, request(1))
    assert served.loaded.rows == [1]
    made.close()


async def test_a_slow_model_does_not_stand_before_a_fast_one():
    made, gate = engine(pool_threads=1), Gate()
    slow = serve(made, slow_model(gate), name="slow", execution="pool")
    fast = serve(made, echo_model(), name="fast", execution="pool")
    stuck = [asyncio.ensure_future(made.infer(slow, request(0))) for _ in range(20)]
    await asyncio.to_thread(gate.wait_until_reached)
    for value in range(5):
        assert (await made.infer(fast, request(value))).outputs["y"].tolist() == [value]
    gate.open()
    await asyncio.gather(*stuck)
    made.close()


async def test_as_many_run_at_once_as_the_model_says():
    made = engine(pool_threads=1)
    barrier = threading.Barrier(3, timeout=10)

    def answer(inputs):
        barrier.wait()
        return {"y": inputs["x"]}

    served = serve(made, FakeModel(echo_model().signature, answer), execution="pool")
    served.options = ServingOptions(concurrency=3)
    await asyncio.gather(*(made.infer(served, request(value)) for value in range(3)))
    made.close()


async def test_closing_refuses_what_waits_and_ends_the_threads():
    made, gate = engine(pool_threads=1), Gate()
    served = serve(made, slow_model(gate), name="closing", execution="pool")
    first = asyncio.ensure_future(made.infer(served, request(0)))
    await asyncio.to_thread(gate.wait_until_reached)
    second = asyncio.ensure_future(made.infer(served, request(1)))
    await asyncio.sleep(0)
    gate.open()
    made.close()
    outcomes = await asyncio.gather(first, second, return_exceptions=True)
    assert outcomes[0].outputs["y"].tolist() == [0]
    assert isinstance(outcomes[1], UnavailableError)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("predict-closing")]
    with pytest.raises(UnavailableError):
        await made.infer(served, request(2))


async def test_a_retired_version_ends_its_threads():
    made = engine()
    served = serve(made, name="retired", execution="pool")
    await made.infer(served, request(1))
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("predict-retired")]
    served.retire()
    for thread in threads:
        await asyncio.to_thread(thread.join, 10)
    assert threads
    assert not any(thread.is_alive() for thread in threads)
    assert served.loaded.closed


class Counting(FakeModel):
    """Streams 0, 1, 2 … up to its input's value."""

    def __init__(self, error=None):
        super().__init__(echo_model().signature, lambda inputs: {"y": inputs["x"]})
        self.given, self.ended, self.error = 0, threading.Event(), error

    def stream(self, inputs, outputs=None):
        try:
            for value in range(int(inputs["x"][0])):
                self.given += 1
                yield {"y": np.array([value], np.float32)}
            if self.error:
                raise self.error
        finally:
            self.ended.set()


async def values(made, served, count, **more):
    return [item.outputs["y"].tolist()[0] async for item in made.stream(served, request(count, **more))]


async def test_a_stream_gives_all_responses_in_order_and_no_faster_than_they_are_read():
    made = engine()
    served = serve(made, Counting(), execution="pool")
    assert await values(made, served, 100) == list(range(100))
    stream = made.stream(served, request(1000))
    await anext(stream)
    await asyncio.sleep(0.05)
    assert served.loaded.given < 200
    await stream.aclose()
    assert await asyncio.to_thread(served.loaded.ended.wait, 10)
    while served.inflight:
        await asyncio.sleep(0.01)
    assert served.loaded.given < 200
    made.close()


async def test_a_stream_ends_with_its_error_and_at_its_deadline():
    made = engine()
    served = serve(made, Counting(ValueError("odd")), execution="pool")
    stream = made.stream(served, request(3))
    assert [(await anext(stream)).outputs["y"].tolist() for _ in range(3)] == [[0], [1], [2]]
    with pytest.raises(ModelFailedError, match="ValueError: odd"):
        await anext(stream)
    with pytest.raises(DeadlineExceededError):
        await values(made, served, 3, deadline=Deadline.after(-1))
    made.close()


async def test_a_model_that_does_not_stream_gives_one_response():
    made = engine()
    assert await values(made, serve(made), 7) == [7]


async def test_a_default_deadline_and_priority_come_from_the_models_options():
    made = engine()
    served = serve(made)
    served.options = ServingOptions(timeout_seconds=5, priority="bulk")
    served.special = True
    asked = request(1)
    await made.infer(served, asked)
    assert 4 < asked.deadline.remaining <= 5
    assert asked.priority == 1


async def test_batches_are_smaller_where_deadlines_are_short():
    made, gate = engine(pool_threads=1), Gate()
    served = serve(made, slow_model(gate), execution="pool")
    served.joinable = True
    for rows in (1, 2, 4, 8, 16):
        served.curve.observe(rows, 100.0 + rows)  # in 240 ms there is time for one batch to wait for, and one's own
    asked = [request(value, deadline=Deadline.after(0.24)) for value in range(8)]
    outcomes = await behind_the_first(made, served, gate, asked)
    assert served.loaded.rows == [1, 8]
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    served.loaded.rows.clear()
    made.close()
    made, gate = engine(pool_threads=1), Gate()
    served = serve(made, slow_model(gate), execution="pool")
    served.joinable = True
    for rows in (1, 2, 4, 8, 16):
        served.curve.observe(rows, 10.0 * rows**0.8)
    asked = [request(value, deadline=Deadline.after(0.1)) for value in range(8)]
    await behind_the_first(made, served, gate, asked)
    assert served.loaded.rows[:2] == [1, 6], "16 pay most, and take 92 ms"
    made.close()


@pytest.mark.parametrize("execution", ["tick", "inline"])
async def test_large_inputs_of_a_cheap_model_are_not_copied_together(execution):
    made = engine(pool_threads=1, inline_bytes=8)
    served = joined(made, echo_model())
    served.execution = execution
    await asyncio.gather(*(made.infer(served, request(value, 0, 0, 0)) for value in range(4)))
    assert served.loaded.rows == [4] * 4
    made.close()
