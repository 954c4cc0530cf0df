"""Stateful models: state stays on the server, by sequence, in order, for a time."""

import asyncio
import os

import numpy as np
import pytest
from engine_cases import engine, serve

from modelport.core.errors import InvalidInputError, InvalidModelError, ModelFailedError, OverloadedError
from modelport.core.messages import InferenceRequest
from modelport.core.signature import Signature, TensorSpec
from modelport.engine.sequence_states import BUSY, OwnStates, SharedStates
from modelport.engine.sequences import SequenceOptions, Sequences, StateTensor, visible
from modelport.testing.fakes import FakeModel

SIGNATURE = Signature(
    (TensorSpec("x", "FP32", (-1,)), TensorSpec("sum_in", "FP32", (-1,))),
    (TensorSpec("y", "FP32", (-1,)), TensorSpec("sum_out", "FP32", (-1,))),
)
OPTIONS = SequenceOptions([StateTensor("sum_in", "sum_out", initial=100)])


def add(inputs):
    if (inputs["x"] == 13).any():
        raise ModelFailedError("thirteen")
    total = inputs["x"] + inputs["sum_in"]
    return {"y": total.copy(), "sum_out": total}


def stateful(made, states=None, options=OPTIONS, execution="tick"):
    served = serve(made, FakeModel(SIGNATURE, add), execution=execution)
    served.joinable = True
    served.signature = visible(SIGNATURE, options)
    served.front = Sequences(served, options, states or OwnStates(60, 100), made.run).submit
    served.special = True
    return served


async def ask(made, served, value, key=5, **flags):
    parameters = {"sequence_id": key, **{f"sequence_{name}": flag for name, flag in flags.items()}}
    response = await made.infer(served, InferenceRequest({"x": np.array([value], np.float32)}, parameters=parameters))
    assert list(response.outputs) == ["y"]
    return response.outputs["y"].tolist()[0]


@pytest.fixture(params=["own", "shared"])
def states(request, tmp_path):
    return OwnStates(60, 100) if request.param == "own" else SharedStates(tmp_path / "states", 60, 100)


@pytest.mark.parametrize("execution", ["tick", "inline", "pool"])
async def test_each_sequence_has_a_state_of_its_own(states, execution):
    made = engine()
    served = stateful(made, states, execution=execution)
    assert [spec.name for spec in served.signature.inputs] == ["x"]
    assert await ask(made, served, 1, start=True) == 101
    assert await ask(made, served, 2) == 103
    assert await ask(made, served, 10, key="five", start=True) == 110
    assert await ask(made, served, 3, end=True) == 106
    assert await ask(made, served, 1, key="five") == 111
    with pytest.raises(InvalidInputError, match="sequence 'int:5' is not under way"):
        await ask(made, served, 4)
    assert await ask(made, served, 1, start=True) == 101
    made.close()


async def test_requests_of_one_sequence_run_in_order_and_those_of_several_together(states):
    made = engine(pool_threads=1)
    served = stateful(made, states, execution="pool")
    for rows in (1, 2, 4, 8):
        served.curve.observe(rows, 5.0)
    answers = await asyncio.gather(
        *(ask(made, served, 1, key=key, start=step == 0) for step in range(3) for key in (1, 2, 3))
    )
    assert answers == [101] * 3 + [102] * 3 + [103] * 3
    assert served.loaded.rows == [3, 3, 3]
    made.close()


async def test_a_failed_request_leaves_the_state_as_it_was(states):
    made = engine()
    served = stateful(made, states)
    await ask(made, served, 1, start=True)
    with pytest.raises(ModelFailedError):
        await ask(made, served, 13)
    assert await ask(made, served, 2) == 103


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        (None, "sequence_id must be a number other than 0, or a text, not 0"),
        ({"sequence_id": True}, "not True"),
        ({"sequence_id": 5, "sequence_start": "yes"}, "sequence_start must be true or false, not 'yes'"),
        ({"sequence_id": 9}, "not under way: its first request must have the parameter sequence_start"),
    ],
)
async def test_what_a_request_must_say(parameters, text):
    made = engine()
    served = stateful(made)
    with pytest.raises(InvalidInputError, match=text):
        await made.infer(served, InferenceRequest({"x": np.ones(1, np.float32)}, parameters=parameters))


async def test_there_is_a_bound_and_idle_sequences_are_forgotten(tmp_path, monkeypatch):
    for states in (OwnStates(60, 2), SharedStates(tmp_path / "s", 60, 2)):
        made = engine()
        served = stateful(made, states)
        await ask(made, served, 1, key=1, start=True)
        await ask(made, served, 1, key=2, start=True)
        with pytest.raises(OverloadedError, match="2 sequences are under way"):
            await ask(made, served, 1, key=3, start=True)
        for name in ("monotonic", "time"):
            now = getattr(__import__("time"), name)()
            monkeypatch.setattr(f"modelport.engine.sequence_states.time.{name}", lambda now=now: now + 61)
        with pytest.raises(InvalidInputError, match="not under way"):
            await ask(made, served, 1, key=1)
        await ask(made, served, 1, key=3, start=True)
        monkeypatch.undo()


def test_a_state_that_another_worker_has_is_busy_and_one_of_a_dead_worker_comes_back(tmp_path):
    here = SharedStates(tmp_path, 60, 10)
    here.take("a", new=True)
    assert here.take("a", new=False) is BUSY
    here.give("a", {"s": np.arange(3, dtype=np.int64)})
    taken = next(path for path in tmp_path.iterdir())
    dead = os.fork()
    if not dead:
        os._exit(0)
    os.waitpid(dead, 0)
    taken.rename(tmp_path / f"{taken.name}.taken.{dead}")
    assert here.take("a", new=False)["s"].tolist() == [0, 1, 2]
    here.drop("a")
    assert here.take("a", new=False) is None


async def test_a_busy_sequence_is_waited_for(tmp_path):
    made = engine()
    here, other = SharedStates(tmp_path, 60, 10), SharedStates(tmp_path, 60, 10)
    served = stateful(made, here)
    await ask(made, served, 1, start=True)
    state = other.take("int:5", new=False)
    waiting = asyncio.ensure_future(ask(made, served, 2))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    other.give("int:5", state)
    assert await waiting == 103


def test_states_that_do_not_fit_are_refused():
    with pytest.raises(InvalidModelError, match="unknown output 'z'"):
        visible(SIGNATURE, SequenceOptions([StateTensor("sum_in", "z")]))
    with pytest.raises(InvalidModelError, match="has no state"):
        visible(SIGNATURE, SequenceOptions())
