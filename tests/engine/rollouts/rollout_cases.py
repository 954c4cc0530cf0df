"""Rollouts as an engine sees them, and versions to split between."""

import asyncio
from dataclasses import dataclass, field, replace

import numpy as np

from modelport.core.signature import Signature, TensorSpec
from modelport.engine import Engine, ServedVersion
from modelport.testing.fakes import FakeModel


@dataclass(frozen=True)
class Plan:
    kind: str = "canary"
    key: str = ""


@dataclass(frozen=True)
class Record:
    id: int = 1
    model: str = "m"
    alias: str = "production"
    baseline: int = 1
    candidate: int = 2
    percent: float = 50.0
    plan: Plan = field(default_factory=Plan)

    def at(self, percent):
        return replace(self, percent=percent)


def model(answer=lambda x: x, datatype="FP32"):
    """A model of one input and one output that answers by a function of an array."""
    signature = Signature((TensorSpec("x", datatype, (-1,)),), (TensorSpec("y", "FP32", (-1,)),))
    return FakeModel(signature, lambda inputs: {"y": np.asarray(answer(inputs["x"]), np.float32)})


def rig(*records, answers=(lambda x: x, lambda x: x), **more):
    """An engine with versions 1, 2 … that answer so, of which 1 is the one that answers by default."""
    engine = Engine()
    for number, answer in enumerate(answers, 1):
        made = answer if isinstance(answer, FakeModel) else model(answer)
        served = ServedVersion("m", number, made, "", None, engine.metrics, more.get("execution", "inline"))
        engine.expect("m").add(served)
    engine.model("m").direct(more.get("aliases", {"production": 1}), 1)
    engine.rollouts.set(records)
    return engine


def take(engine, key=b"", asked=None, body=b""):
    headers = {b"x-routing-key": key} if key else {}
    return engine.choose(engine.find("m", asked), asked, headers.get, body)


async def ask(engine, *values, key=b"", asked=None):
    """One request as an inference path makes it: its ticket and its outcome."""
    from modelport.core.errors import ModelportError
    from modelport.core.messages import InferenceRequest

    ticket = take(engine, key, asked)
    request = ticket.request = InferenceRequest({"x": np.array(values or (1.0,), np.float32)})
    try:
        outcome = await engine.infer(ticket.served, request)
    except ModelportError as error:
        ticket.failed(error)
        return ticket, error
    ticket.answered(request, outcome)
    return ticket, outcome


async def until(holds, seconds=20.0):
    """Wait until something holds."""
    for _ in range(int(seconds / 0.01)):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to hold")


def counts(engine, version):
    found = [item for item in engine.rollouts.counted() if item.version == version]
    return found[0] if found else None
