"""Finding versions, running requests on the loop, in batches and in threads, and closing."""

import asyncio
import logging
import threading
import time

import numpy as np
import pytest
from engine_cases import engine, request, serve, settle

from modelport.core.deadline import Deadline
from modelport.core.errors import (
    DeadlineExceededError,
    InvalidInputError,
    ModelFailedError,
    NotFoundError,
    OverloadedError,
    UnavailableError,
)
from modelport.testing.fakes import FakeModel, Gate, echo_model, failing_model, slow_model

EXECUTIONS = ["inline", "tick", "pool"]


def test_the_newest_version_answers_unless_one_is_named():
    made = engine()
    one, two = serve(made), serve(made, version=2)
    assert made.find("m") is two
    assert made.find(None) is two
    assert made.find("m", 1) is one
    assert [item.version for item in made.model("m").versions] == [1, 2]
    made.model("m").remove(2)
    assert made.find("m") is one


def test_what_is_not_there_is_named_with_what_is():
    made = engine()
    with pytest.raises(NotFoundError, match="served are: none"):
        made.find("m")
    with pytest.raises(NotFoundError, match="exactly one served model; served are: none"):
        made.find(None)
    serve(made, name="fraud")
    with pytest.raises(
        NotFoundError, match=r"no model 'frued' is served \(did you mean 'fraud'\?\); served are: fraud"
    ):
        made.find("frued")
    with pytest.raises(NotFoundError, match="model 'fraud' has no version 7; ready are: 1"):
        made.find("fraud", 7)
    serve(made, name="digits")
    with pytest.raises(NotFoundError, match="served are: digits, fraud; say /models/NAME/predict"):
        made.find(None)
    chosen = engine(default_model="fraud")
    serve(chosen, name="digits")
    fraud = serve(chosen, name="fraud")
    assert chosen.find(None) is fraud
    with pytest.raises(NotFoundError) as raised:
        made.find("x" * 100_000)
    assert len(str(raised.value)) < 1000


def test_models_that_do_not_answer_yet_or_any_more():
    made = engine()
    model = made.expect("m")
    assert (model.state, made.ready) == ("loading", False)
    for version in (None, 1):
        with pytest.raises(UnavailableError, match="model 'm' is loading"):
            made.find("m", version)
    model.failure = InvalidInputError("broken file")
    assert (model.state, made.ready) == ("failed", False)
    with pytest.raises(UnavailableError, match="model 'm' failed to load: broken file"):
        made.find("m")
    model.loading = True
    assert model.state == "loading"
    serve(made)
    assert (model.state, made.ready) == ("ready", True)
    made.starting = True
    assert not made.ready
    with pytest.raises(UnavailableError, match="starting"):
        made.find("other")


@pytest.mark.parametrize("execution", EXECUTIONS)
async def test_a_request_is_answered_with_its_id_and_its_outputs(execution):
    made = engine()
    served = serve(made, execution=execution)
    asked = request(1, 2, id="7", outputs=("y",))
    response = await made.infer(served, asked)
    assert (response.model, response.version, response.id) == ("m", 1, "7")
    assert response.outputs["y"].tolist() == [1, 2]
    assert 0 < asked.started <= asked.finished
    assert served.inflight == 0
    made.close()
    assert served.loaded.closed


@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (InvalidInputError("too long"), pytest.raises(InvalidInputError, match="too long")),
        (ZeroDivisionError("by zero"), pytest.raises(ModelFailedError, match="'m' failed: ZeroDivisionError: by zero")),
        (MemoryError(), pytest.raises(ModelFailedError, match="MemoryError")),
        (RecursionError(), pytest.raises(ModelFailedError, match="RecursionError")),
    ],
)
async def test_what_a_model_raises_is_the_requests_error_and_nothing_else_breaks(execution, error, raised):
    made = engine()
    served = serve(made, failing_model(error=error), execution=execution)
    with raised:
        await made.infer(served, request())
    assert (await made.infer(serve(made, version=2, execution=execution), request(5))).outputs["y"].tolist() == [5]
    assert served.inflight == made.scheduler.waiting == 0
    made.close()


@pytest.mark.parametrize("execution", EXECUTIONS)
async def test_a_request_whose_deadline_has_passed_is_not_begun(execution):
    made = engine()
    served = serve(made, execution=execution)
    outcomes = await asyncio.gather(
        made.infer(served, request(1)),
        made.infer(served, request(2, deadline=Deadline.after(-0.001))),
        made.infer(served, request(3, deadline=Deadline.after(60))),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], DeadlineExceededError)
    assert [outcomes[at].outputs["y"].tolist() for at in (0, 2)] == [[1], [3]]
    assert sum(served.loaded.rows) == 2
    made.close()


async def test_large_requests_go_to_the_pool_however_cheap_the_model_is():
    made = engine(inline_bytes=8)
    threads = []

    def answer(inputs):
        threads.append(threading.current_thread())
        return {"y": inputs["x"]}

    for execution in ("inline", "tick"):
        served = serve(made, FakeModel(echo_model().signature, answer), execution=execution)
        await made.infer(served, request(1, 2))
        await made.infer(served, request(1, 2, 3))
    main = threading.main_thread()
    assert [thread is main for thread in threads] == [True, False, True, False]
    made.close()


def dear(times):
    """A model whose predictions take so many milliseconds, one after the other."""
    left = iter(times)

    def answer(inputs):
        end = time.perf_counter() + next(left) / 1e3
        while time.perf_counter() < end:
            pass
        return {"y": inputs["x"]}

    return FakeModel(echo_model().signature, answer)


async def run(made, served, count):
    for _ in range(count):
        await made.infer(served, request())


async def test_a_model_that_proves_dear_moves_to_the_pool(caplog):
    caplog.set_level(logging.INFO)
    made = engine(inline_ms=0.5)
    served = serve(made, dear([4] * 4))
    await run(made, served, 2)
    assert served.execution == "inline"
    await run(made, served, 2)
    assert served.execution == "pool"
    assert "m@1 takes long: it runs in threads from now on" in caplog.text
    made.close()


async def test_a_hiccup_of_the_host_does_not_move_a_cheap_model():
    made = engine(inline_ms=0.5)
    served = serve(made, dear(([4] + [0] * 20) * 5))
    await run(made, served, 105)
    assert served.execution == "inline"


async def test_a_prediction_that_blocks_the_loop_for_long_is_one_too_many():
    made = engine(inline_ms=0.05)
    served = serve(made, dear([30]))
    await run(made, served, 1)
    assert served.execution == "pool"


async def test_a_full_queue_refuses_and_comes_free_again():
    made, gate = engine(pool_threads=1, queue=2), Gate()
    served = serve(made, slow_model(gate), execution="pool")
    held = [asyncio.create_task(made.infer(served, request(number))) for number in range(3)]
    await settle()
    with pytest.raises(OverloadedError, match="2 requests wait already"):
        await made.infer(served, request())
    assert served.inflight == 3
    gate.open()
    assert [answer.outputs["y"].tolist() for answer in await asyncio.gather(*held)] == [[0], [1], [2]]
    assert (await made.infer(served, request(9))).outputs["y"].tolist() == [9]
    made.close()


async def test_a_retired_version_closes_after_its_last_request():
    made, gate = engine(pool_threads=2), Gate()
    served = serve(made, slow_model(gate), execution="pool")
    held = [asyncio.create_task(made.infer(served, request(number))) for number in range(2)]
    assert await asyncio.to_thread(gate.wait_until_reached)
    newer = serve(made, version=2)
    made.model("m").remove(1)
    served.retire()
    assert not served.loaded.closed
    assert made.find("m") is newer
    gate.open()
    await asyncio.gather(*held)
    assert served.loaded.closed
    assert not newer.loaded.closed
    made.close()
    assert newer.loaded.closed


async def test_a_retired_version_answers_what_waits_for_its_tick():
    made = engine()
    served = serve(made, execution="tick")
    held = [asyncio.create_task(made.infer(served, request(number))) for number in range(3)]
    await asyncio.sleep(0)
    assert len(served.waiting) == 3
    served.retire()
    assert not served.loaded.closed
    assert [answer.outputs["y"].tolist() for answer in await asyncio.gather(*held)] == [[0], [1], [2]]
    assert served.loaded.closed


@pytest.mark.parametrize("execution", EXECUTIONS)
async def test_a_model_that_fails_to_close_harms_nobody(execution, caplog):
    made = engine()
    served = serve(made, execution=execution)
    served.loaded.close = lambda: 1 / 0
    held = asyncio.create_task(made.infer(served, request(4)))
    await asyncio.sleep(0)
    served.retire()
    assert (await held).outputs["y"].tolist() == [4]
    assert "closing m@1 failed" in caplog.text
    made.close()


async def test_closing_refuses_what_waits_and_finishes_what_runs():
    made, gate = engine(pool_threads=1), Gate()
    served = serve(made, slow_model(gate), execution="pool")
    held = [asyncio.create_task(made.infer(served, request(number))) for number in range(3)]
    assert await asyncio.to_thread(gate.wait_until_reached)
    threading.Timer(0.05, gate.open).start()
    made.close()
    outcomes = await asyncio.wait_for(asyncio.gather(*held, return_exceptions=True), 5)
    assert outcomes[0].outputs["y"].tolist() == [0]
    assert all(isinstance(outcome, UnavailableError) for outcome in outcomes[1:])
    assert served.loaded.closed
    with pytest.raises(UnavailableError, match="shutting down"):
        await made.infer(served, request())


async def test_a_caller_that_went_away_leaves_nothing_behind():
    made, gate = engine(pool_threads=1), Gate()
    served = serve(made, slow_model(gate), execution="pool")
    held = asyncio.create_task(made.infer(served, request()))
    assert await asyncio.to_thread(gate.wait_until_reached)
    held.cancel()
    gate.open()
    await asyncio.gather(held, return_exceptions=True)
    for _ in range(200):
        if made.scheduler.waiting == 0:
            break
        await asyncio.sleep(0.01)
    assert made.scheduler.waiting == served.inflight == 0
    made.close()


async def test_requests_of_one_pass_are_one_batch_and_each_gets_its_own_rows():
    made = engine(tick_requests=4)
    served = serve(made, echo_model("FP32", (-1, 2)), execution="tick")

    def ask(rows, base):
        asked = request(outputs=None)
        asked.inputs = {"x": np.arange(2 * rows, dtype=np.float32).reshape(rows, 2) + base}
        return made.infer(served, asked)

    sizes = [1, 3, 2, 1, 5, 1]
    answers = await asyncio.gather(*(ask(rows, 100 * at) for at, rows in enumerate(sizes)))
    for at, (rows, answer) in enumerate(zip(sizes, answers, strict=True)):
        assert answer.outputs["y"].tolist() == (np.arange(2 * rows).reshape(rows, 2) + 100 * at).tolist()
    assert served.loaded.rows == [7, 6]


async def test_a_bad_request_in_a_batch_fails_alone():
    def answer(inputs):
        if (inputs["x"] < 0).any():
            raise InvalidInputError("negative")
        return {"y": np.sqrt(inputs["x"])}

    made = engine()
    served = serve(made, FakeModel(echo_model().signature, answer), execution="tick")
    outcomes = await asyncio.gather(*(made.infer(served, request(v)) for v in (4, -1, 9)), return_exceptions=True)
    assert outcomes[0].outputs["y"].tolist() == [2]
    assert isinstance(outcomes[1], InvalidInputError)
    assert outcomes[2].outputs["y"].tolist() == [3]


async def test_a_batch_whose_answer_has_other_rows_is_run_again_one_by_one():
    made = engine()
    served = serve(
        made, FakeModel(echo_model().signature, lambda inputs: {"y": inputs["x"].sum(keepdims=True)}), execution="tick"
    )
    answers = await asyncio.gather(*(made.infer(served, request(v)) for v in (1, 2, 3)))
    assert [answer.outputs["y"].tolist() for answer in answers] == [[1], [2], [3]]


async def test_requests_that_are_over_leave_their_batch_to_the_others():
    made = engine()
    served = serve(made, execution="tick")
    gone, late = request(1, 2), request(3, 4, deadline=Deadline.after(-1))
    gone.cancelled = True
    asked = [request(5, 6), gone, request(7, 8), late, request(9, 10)]
    outcomes = await asyncio.gather(*(made.infer(served, item) for item in asked), return_exceptions=True)
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "BatchedResponse", "CancelledError", "BatchedResponse", "DeadlineExceededError", "BatchedResponse",
    ]  # fmt: skip
    assert served.loaded.rows == [6]
