import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from rollout_cases import Plan, Record, ask, counts, model, rig, until

from modelport.engine.lifecycle.background import may_raise_priority
from modelport.engine.rollouts.latencies import quantile
from modelport.engine.rollouts.mirror import LONGEST, MOST_BYTES, lasting
from modelport.testing.fakes import Gate

SHADOW = Record(plan=Plan("shadow"), percent=100.0)


async def test_what_there_is_no_room_for_is_dropped_and_counted():
    gate = Gate()
    engine = rig(SHADOW, answers=(lambda x: x, lambda x: (gate.pass_through(), x)[1]))
    await ask(engine)
    await until(lambda: engine.model("m").by_number[2].inflight == 1)
    for _ in range(LONGEST + 5):
        _, outcome = await ask(engine)
        assert outcome.version == 1
    gate.open()
    engine.rollouts.close()
    assert counts(engine, 2).dropped == 6
    engine.close()


async def test_large_copies_wait_one_at_a_time():
    gate = Gate()
    engine = rig(SHADOW, answers=(lambda x: x, lambda x: (gate.pass_through(), x)[1]))
    large = np.zeros(MOST_BYTES // 4 + 1, np.float32)
    await ask(engine, *large[:1])
    for _ in range(2):
        ticket, outcome = await ask(engine)
        outcome.outputs["y"] = large
        ticket.split.mirror(ticket, type("R", (), {"inputs": {"x": large}, "outputs": None})(), outcome)
    gate.open()
    engine.rollouts.close()
    assert counts(engine, 2).dropped == 2
    engine.close()


async def test_a_version_is_not_closed_while_a_copy_runs_on_it():
    gate = Gate()
    engine = rig(SHADOW, answers=(lambda x: x, lambda x: (gate.pass_through(), x)[1]))
    await ask(engine)
    candidate = engine.model("m").remove(2)
    candidate.retire()
    assert not candidate.loaded.closed
    gate.open()
    await until(lambda: candidate.loaded.closed)
    engine.close()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads have no priority of their own here")
async def test_copies_are_run_at_the_lowest_priority_and_callers_are_not():
    seen = {}

    def note(name, x):
        seen[name] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), os.sched_getscheduler(0)
        return x

    engine = rig(SHADOW, answers=(lambda x: note("caller", x), lambda x: note("copy", x)))
    normal, policy = os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), os.sched_getscheduler(0)
    for _ in range(2):  # the second one finds its thread as the first one did
        seen.clear()
        await ask(engine)
        await until(lambda: "copy" in seen)
        copy = (normal, os.SCHED_IDLE) if may_raise_priority() else (10, policy)
        assert seen == {"caller": (normal, policy), "copy": copy}
    engine.close()


async def test_a_copy_is_of_the_request_as_it_was():
    seen, gate = [], Gate()
    engine = rig(SHADOW, answers=(lambda x: x * 2, lambda x: (gate.pass_through(), seen.append(x.copy()), x * 2)[2]))
    await ask(engine)
    await until(lambda: engine.model("m").by_number[2].inflight == 1)
    memory = bytearray(np.array([7.0], np.float32).tobytes())
    ticket, outcome = await ask(engine, 7.0)
    del ticket, outcome
    shared = np.frombuffer(memory, np.float32)
    kept = lasting(shared)
    memory[:] = bytes(4)
    assert kept[0] == 7.0
    gate.open()
    await until(lambda: len(seen) == 2)
    assert [float(x[0]) for x in seen] == [1.0, 7.0]
    await until(lambda: counts(engine, 2).compared == 2)
    assert counts(engine, 2).disagreed == 0
    engine.close()


def test_memory_that_nobody_writes_to_is_not_copied():
    own = np.arange(4.0)
    assert lasting(own[1:]).base is own
    received = np.frombuffer(own.tobytes(), np.float64)
    assert lasting(received) is received
    view = np.frombuffer(memoryview(own.tobytes()), np.float64)
    assert lasting(view) is view
    assert lasting(np.frombuffer(bytearray(32), np.float64)).base is None


@pytest.mark.parametrize(("execution", "counted"), [("inline", False), ("process", True)])
async def test_waiting_for_the_processor_is_not_held_against_a_shadow(execution, counted):
    """What sleeps uses no processor; a process of its own is not run at low priority, and its time is its time."""
    engine = rig(SHADOW, answers=(lambda x: x, lambda x: (time.sleep(0.1), x)[1]))
    engine.model("m").by_number[2].execution = execution
    await ask(engine)
    await until(lambda: counts(engine, 2))
    assert (quantile(counts(engine, 2).latency, 0.5) > 0.08) is counted
    engine.close()


async def test_a_copy_that_the_candidate_does_not_take_is_its_error():
    engine = rig(SHADOW, answers=(model(), model(datatype="FP64")))
    await ask(engine)
    await until(lambda: counts(engine, 2))
    assert (counts(engine, 2).errors, counts(engine, 2).compared) == (1, 0)
    engine.close()
