"""What `registry_kills.py` kills while versions go out: promotions, rollbacks, rollouts, gates, evaluations and jobs.

Each change has a word of its own as its reason. One that was acknowledged has to stand in the history, under that word.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from modelport.artifacts.uploads import send_bytes
from modelport.core.errors import ConflictError, NotFoundError
from modelport.registry.records import By, EventRecord
from modelport.registry.releases import GateRules, Observation, RolloutChange, RolloutPlan
from modelport.registry.sql import SqlRegistry

Acknowledge = Callable[[str], None]
NAME = "fraud"


def release_forever(registry: SqlRegistry, _: Path, acknowledge: Acknowledge) -> None:
    """Promote any version, or go back; evaluate, and change the gates; ask for jobs, and do them."""
    actions = (promote, promote, roll_back, evaluate, change_gates, ask_for_job, do_job)
    for action in _any_of(actions):
        attempt(registry, action, acknowledge)


def roll_out_forever(registry: SqlRegistry, _: Path, acknowledge: Acknowledge) -> None:
    """Begin rollouts, count, take them on, and end them in every way."""
    for action in _any_of((begin, advance, advance, count, end, roll_back)):
        attempt(registry, action, acknowledge)


def attempt(registry: SqlRegistry, action: Callable[[SqlRegistry, By], str], acknowledge: Acknowledge) -> None:
    """Do it once, and say so when it was acknowledged. That another was faster is no failure."""
    by = By("kills", secrets.token_hex(8))
    try:
        done = action(registry, by)
    except NotFoundError:
        time.sleep(0.01)  # nothing was pushed yet
    except ConflictError:
        pass
    else:
        acknowledge(done)


def promote(registry: SqlRegistry, by: By) -> str:
    """Any version but the one that is there."""
    model = registry.model(NAME)
    present = model.aliases.get("production", 0)
    wanted = random.choice([number for number in range(1, (model.latest or 1) + 1) if number != present] or [1])
    if wanted == present:
        return "nothing"
    registry.promote(NAME, wanted, by, expect=present)
    return f"changed {by.why}"


def roll_back(registry: SqlRegistry, by: By) -> str:
    """Back to what was there, or out of the rollout."""
    registry.rollback(NAME, by)
    return f"changed {by.why}"


def begin(registry: SqlRegistry, by: By) -> str:
    """A rollout of any version."""
    latest = registry.model(NAME).latest or 1
    registry.start_rollout(NAME, RolloutPlan(random.randint(1, latest), steps=(5.0, 25.0, 100.0)), by)
    return f"changed {by.why}"


def advance(registry: SqlRegistry, by: By) -> str:
    """The open rollout to its next step, or to its end."""
    rollout = next((item for item in registry.rollouts(NAME, 5) if item.open), None)
    if rollout is None:
        return "nothing"
    expected = {"expect_state": rollout.state, "expect_step": rollout.step}
    if rollout.step + 1 < len(rollout.plan.steps):
        change = RolloutChange(**expected, step=rollout.step + 1, figures={"requests": 100})
    else:
        change = RolloutChange(**expected, state="promoted")
    registry.change_rollout(rollout.id, change, by)
    return f"changed {by.why}"


def end(registry: SqlRegistry, by: By) -> str:
    """Pause, resume or end the newest rollout."""
    for rollout in registry.rollouts(NAME, 1):
        state = random.choice([state for state in ("running", "paused", "aborted", "ended") if state != rollout.state])
        registry.change_rollout(rollout.id, RolloutChange(rollout.state, state=state), by)
        return f"changed {by.why}"
    return "nothing"


def count(registry: SqlRegistry, _: By) -> str:
    """What a server would have counted."""
    for rollout in registry.rollouts(NAME, 1):
        registry.observe([Observation(rollout.id, "a", rollout.candidate, random.randrange(1000), 0, (1, 2, 3))])
    return "counted"


def evaluate(registry: SqlRegistry, by: By) -> str:
    """Keep an evaluation of the newest version."""
    latest = registry.version(NAME).number
    registry.record_evaluation(NAME, latest, {"n": [0.5] * 100}, {"accuracy": 0.5}, "test.csv", "0" * 64, by)
    return f"changed {by.why}"


def change_gates(registry: SqlRegistry, by: By) -> str:
    """Gates with data of their own, which is collected when others take their place."""
    data = send_bytes(registry.store, by.why.encode())
    registry.set_gates(NAME, GateRules((f"accuracy > 0.{random.randrange(100)}",), data), by)
    return f"changed {by.why}"


def ask_for_job(registry: SqlRegistry, by: By) -> str:
    """A job of which nobody knows more."""
    return f"asked {registry.submit_job('test', NAME, {}, by).id}"


def do_job(registry: SqlRegistry, by: By) -> str:
    """The next job, in two reports."""
    job = registry.take_job(by.why, 0.05)
    if job is None:
        return "nothing"
    for at in (1, 2):
        if not registry.report_job(job.id, by.why, at, 2, "", 0.05):
            return "nothing"
    registry.finish_job(job.id, by.why, "done", {"by": by.why})
    return f"finished {job.id} {by.why}"


def look(registry: SqlRegistry, lines: list[str]) -> list[str]:
    """What is wrong, in words."""
    words = {event.why for event in _events(registry)}
    problems = [
        f"acknowledged, but not in the history: {word}" for word in _after(lines, "changed") if word not in words
    ]
    problems += _jobs(registry, lines)
    rules = registry.gates(NAME)
    if rules is not None and registry.store.size(rules.data) is None:
        problems.append("the gates' data is not in the store")
    open_ = [rollout for rollout in registry.rollouts(NAME, 1000) if rollout.open]
    named = registry.model(NAME).aliases.get("production", 0)
    if len(open_) > 1 or any(rollout.baseline != named for rollout in open_):
        problems.append(f"production names {named}, beside the rollouts {open_}")
    return problems


def _jobs(registry: SqlRegistry, lines: list[str]) -> Iterator[str]:
    for id_ in _after(lines, "asked"):
        try:
            registry.job(int(id_))
        except NotFoundError:
            yield f"acknowledged, but not there: job {id_}"
    for id_, worker in (rest.split() for rest in _after(lines, "finished")):
        job = registry.job(int(id_))
        if (job.state, job.result) != ("done", {"by": worker}):
            yield f"acknowledged, but not so: job {id_} is done"


def _any_of(actions: tuple[Callable[[SqlRegistry, By], str], ...]) -> Iterator[Callable[[SqlRegistry, By], str]]:
    chance = random.Random(secrets.randbits(64))  # a forked process would draw as its siblings do
    random.seed(secrets.randbits(64))
    while True:
        yield chance.choice(actions)


def _after(lines: list[str], word: str) -> list[str]:
    return [line.partition(" ")[2] for line in lines if line.startswith(f"{word} ")]


def _events(registry: SqlRegistry) -> Iterator[EventRecord]:
    before = None
    while page := registry.history(None, before, 1000):
        yield from page
        before = page[-1].seq
