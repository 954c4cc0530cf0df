"""The engine's counters as Triton's statistics: batches, failures, several batch sizes."""

import asyncio

from engine_cases import engine, request, serve, settle

from modelport.engine.metrics.executions import Executions
from modelport.engine.metrics.exposition import exposition
from modelport.engine.metrics.statistics import statistics
from modelport.testing.fakes import failing_model


def of(made, version=1):
    return statistics(made.metrics, [("m", version)])[0]


async def test_a_batch_of_requests_is_one_execution():
    made = engine()
    served = serve(made, execution="tick")
    await asyncio.gather(*(made.infer(served, request(at)) for at in range(4)))
    await made.infer(served, request(1, 2))
    found = of(made)
    assert found["execution_count"] == 2
    assert {item["batch_size"]: item["compute_infer"]["count"] for item in found["batch_stats"]} == {4: 1, 2: 1}
    assert found["last_inference"] > 1e12
    made.close()


async def test_failures_are_counted_with_their_time():
    made = engine()
    for execution in ("inline", "tick", "pool"):
        served = serve(made, failing_model(), execution=execution)
        await asyncio.gather(*(made.infer(served, request(1)) for _ in range(2)), return_exceptions=True)
        await settle()
    found = of(made)
    assert found["inference_stats"]["fail"]["count"] == 6
    assert found["inference_stats"]["fail"]["ns"] > 0
    assert (found["execution_count"], found["inference_stats"]["success"]["count"]) == (0, 0)
    assert "modelport_executions_failed_total" in exposition(made.metrics)
    made.close()


def test_what_was_never_asked_is_all_zero():
    made = engine()
    serve(made)
    found = of(made)
    assert (found["inference_count"], found["last_inference"], found["batch_stats"]) == (0, 0, [])


def test_batch_sizes_are_bounded():
    made = engine()
    served = serve(made)
    counted = Executions(made.metrics, "m", 1)
    for size in range(1, 200):
        done = request(*range(size))
        done.started, done.finished = 1, 2
        counted.count(served, done, None)
    found = of(made)
    assert found["execution_count"] == 199
    assert len(found["batch_stats"]) == 64


async def test_large_requests_leave_the_pool_once_the_model_proved_quick():
    made = engine(inline_bytes=8, inline_ms=1000)
    served = serve(made)
    await made.infer(served, request(1, 2, 3))
    assert served.proven_bytes == 12
    answered = []
    made.submit(served, request(1, 2, 3), answered.append)
    assert len(answered) == 1  # on this thread
    made.submit(served, request(1, 2, 3, 4), answered.append)
    assert len(answered) == 1  # larger than what was proved: in a thread
    while made.scheduler.waiting:
        await asyncio.sleep(0.01)
    made.close()
