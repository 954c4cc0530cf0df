"""The runner without a server around it: what it does not do twice, and what it does not understand."""

import asyncio
import time

import pytest

from modelport.registry.opening import RegistrySettings
from modelport.registry.releases import RolloutPlan
from modelport.release.jobs.messages import Heard, Task
from modelport.release.jobs.requests import done_before, submit_promotion
from modelport.release.jobs.runner import Runner
from modelport.release.promotion.promoting import promote
from modelport.release.promotion.wish import Wish
from release.cancer_models import BY, open_sqlite, push


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def registry(home, cancer):
    made = open_sqlite(home)
    for _ in range(2):
        push(made, cancer / "good.onnx")
    yield made
    made.close()


@pytest.fixture
def run(registry, home):
    """Runs a runner until the job is over."""

    async def until_over(number):
        runner = Runner(lambda: registry, lambda job: Task(job, RegistrySettings(str(home))))
        running = asyncio.create_task(runner.run())
        end = time.monotonic() + 30
        while registry.job(number).state in ("queued", "running") and time.monotonic() < end:
            await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return registry.job(number)

    return until_over


async def test_a_promotion_that_was_made_is_not_made_again_after_it_was_taken_back(registry, run):
    registry.promote("fraud", 1, BY)
    job = submit_promotion(registry, Wish("fraud", 2), BY)
    assert registry.take_job("a server that dies", 0.01).id == job.id
    promote(registry, Wish("fraud", 2), BY)  # the last that it did
    assert registry.rollback("fraud", BY) == 1
    done = await run(job.id)
    assert (done.state, done.attempts, done.result["version"], done.result["before"]) == ("done", 2, 2, 1)
    assert registry.model("fraud").aliases == {"production": 1}


async def test_a_rollout_that_was_begun_is_not_begun_again(registry, run):
    registry.promote("fraud", 1, BY)
    wish = Wish("fraud", 2, rollout=RolloutPlan(2))
    job = submit_promotion(registry, wish, BY)
    registry.take_job("a server that dies", 0.01)
    begun = promote(registry, wish, BY).rollout
    done = await run(job.id)
    assert (done.state, done.result["rollout"]["id"], done.result["before"]) == ("done", begun.id, 1)
    assert len(registry.rollouts("fraud")) == 1


async def test_a_promotion_that_was_not_made_is_made(registry, run):
    promote(registry, Wish("fraud", 2), BY)
    registry.promote("fraud", 1, BY)
    job = submit_promotion(registry, Wish("fraud", 2), BY)
    registry.take_job("a server that dies", 0.01)
    assert done_before(registry, registry.job(job.id)) is None
    assert (await run(job.id)).result["before"] == 1
    assert registry.model("fraud").aliases == {"production": 2}


async def test_a_job_that_nobody_understands_fails(registry, run):
    strange = registry.submit_job("bake", "a cake", {"sugar": 2}, BY)
    failed = await run(strange.id)
    assert failed.result["error"] == "this Modelport does no jobs of the kind 'bake'; it does promote, evaluate"
    broken = registry.submit_job("promote", "fraud@1", {"wish": {"model": "fraud"}}, BY)
    assert "what this Modelport does not understand" in (await run(broken.id)).result["error"]


def test_lines_that_are_none_are_passed_over():
    heard = Heard()
    for line in (b'{"done": 1, "total": 2, "text": "a"}\n', b'{"done": 3,', b"\xff\n", b'{"done": "x"}'):
        heard.take(line)
    assert (heard.latest.done, heard.latest.text, heard.end) == (1, "a", None)
    heard.take(b'{"result": {"version": 1}}\n')
    assert heard.end.result == {"version": 1}
