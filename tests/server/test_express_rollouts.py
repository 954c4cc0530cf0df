"""The express way and rollouts: it does not split requests, so it stands aside; those of a shadow it takes.

What a shadow needs of them it is told: how many were answered, how long that took, and rows for copies.
"""

import asyncio
import json
from dataclasses import dataclass

import numpy as np
import pytest

from modelport.core.signature import Signature, TensorSpec
from modelport.engine import Engine, ServedVersion
from modelport.engine.rollouts.mirror import LONGEST
from modelport.native import collect
from modelport.server.http.express import Express
from modelport.server.http.routes import Route
from modelport.testing.fakes import FakeModel
from modelport.wire.open_inference import OpenInference

pytestmark = pytest.mark.skipif(collect is None, reason="the extension was not built: it wants a C compiler")
ROUTE, NAMED, STAGED = (Route(OpenInference(), "m", version) for version in (None, 1, "staging"))


def body_of(*rows):
    return json.dumps({"inputs": [{"name": "x", "shape": [len(rows), 1], "datatype": "FP32", "data": rows}]}).encode()


def head_of(route, body):
    version = "" if route.version is None else f"/versions/{route.version}"
    return f"POST /v2/models/m{version}/infer HTTP/1.1\r\ncontent-length: {len(body)}".encode()


@dataclass(frozen=True)
class Plan:
    kind: str
    key: str = ""


@dataclass(frozen=True)
class Rollout:
    plan: Plan
    model: str = "m"
    id: int = 1
    alias: str = "production"
    baseline: int = 1
    candidate: int = 2
    percent: float = 5.0


class Connection:
    """What is answered one by one, which only happens where a model fails."""

    def __init__(self):
        self.statuses = []

    def reply_express(self, exchange):
        self.statuses.append(exchange.reply.status)


class Rig:
    """An engine whose version 1 answers what it is given, and fails for 13; version 2 answers `wrong` differently."""

    def __init__(self):
        self.engine = Engine()
        self.seen = []
        signature = Signature((TensorSpec("x", "FP32", (-1, 1)),), (TensorSpec("y", "FP32", (-1, 1)),))
        for version, answer in ((1, self.baseline), (2, self.candidate)):
            served = ServedVersion(
                "m", version, FakeModel(signature, answer), "d" * 64, None, self.engine.metrics, "tick"
            )
            self.engine.expect("m").add(served)
        self.engine.model("m").direct({"production": 1, "staging": 1}, 1)
        self.express = Express(self.engine, 64, 1 << 20)
        self.connection = Connection()
        self.gate = self.express.gate(self.connection, lambda: None)
        self.gate.open([].append)

    def baseline(self, inputs):
        if 13 in inputs["x"]:
            raise ValueError("unlucky")
        return {"y": np.copy(inputs["x"])}

    def candidate(self, inputs):
        self.seen.append(inputs["x"].ravel().tolist())
        return {"y": inputs["x"] + (inputs["x"] == 7)}

    def take(self, *rows, route=ROUTE, times=1):
        """Whether requests of these rows, that arrive together, go the express way."""
        body = body_of(*(rows or (1.0,)))
        head = head_of(route, body)
        self.express.know(head, route, {b"content-length": b"%d" % len(body)}, len(body))
        self.express.alone = True
        taken = self.gate.take((head + b"\r\n\r\n" + body) * times)
        self.express.run_begun()
        return bool(taken)

    def shadow(self, percent=100.0, **more):
        self.engine.rollouts.set([Rollout(Plan("shadow"), percent=percent, **more)])

    def counted(self, version):
        return next((item for item in self.engine.rollouts.counted() if item.version == version), None)

    async def until_copied(self, copies):
        for _ in range(2000):
            found = self.counted(2)
            if found is not None and found.requests == copies:
                return found
            await asyncio.sleep(0.01)
        raise AssertionError(f"{self.counted(2)} instead of {copies} copies")


@pytest.fixture
def rig():
    made = Rig()
    yield made
    made.engine.close()


@pytest.mark.parametrize("kind", ["canary", "ab"])
def test_it_stands_aside_while_requests_are_split(rig, kind):
    assert rig.take()
    rig.engine.rollouts.set([Rollout(Plan(kind))])
    assert not rig.take()
    rig.engine.rollouts.set([])
    assert rig.take()


def test_other_models_go_on(rig):
    rig.engine.rollouts.set([Rollout(Plan("canary"), model="other")])
    assert rig.take()


async def test_a_shadow_gets_copies_of_what_went_the_express_way(rig):
    rig.shadow()
    assert rig.take(1.0, 2.0)
    assert rig.take(7.0)
    found = await rig.until_copied(2)
    assert rig.seen == [[1.0, 2.0], [7.0]]
    assert (found.compared, found.disagreed, found.errors, found.dropped) == (2, 1, 0, 0)
    assert (rig.counted(1).requests, sum(rig.counted(1).latency), rig.counted(1).errors) == (2, 2, 0)


async def test_requests_that_are_run_together_are_copied_one_by_one(rig):
    rig.shadow()
    assert rig.take(3.0, times=4)
    found = await rig.until_copied(4)
    assert rig.seen == [[3.0]] * 4
    assert (found.compared, found.disagreed, rig.counted(1).requests) == (4, 0, 4)


async def test_a_copy_is_of_the_request_and_not_of_the_next_one_in_its_place(rig):
    rig.shadow()
    for value in (1.0, 2.0, 3.0):
        assert rig.take(value)
    await rig.until_copied(3)
    assert rig.seen == [[1.0], [2.0], [3.0]]


async def test_a_shadow_gets_its_share(rig):
    rig.shadow(percent=20.0)
    for number in range(25):
        assert rig.take(float(number + 100))
    found = await rig.until_copied(5)
    assert (len(rig.seen), found.dropped, rig.counted(1).requests) == (5, 0, 25)


async def test_what_there_is_no_time_for_is_dropped(rig):
    rig.shadow()
    assert rig.take(1.0, times=LONGEST + 12)
    found = await rig.until_copied(LONGEST)
    assert (found.dropped, rig.counted(1).requests) == (12, LONGEST + 12)


def test_requests_that_are_no_part_of_a_shadow_are_left_to_others(rig):
    rig.shadow()
    assert not rig.take(route=NAMED)
    assert not rig.take(route=STAGED)
    rig.shadow(alias="staging", id=2)
    assert rig.take(route=STAGED)
    assert not rig.take()
    assert [(item.rollout, item.version, item.requests) for item in rig.engine.rollouts.counted()] == [(2, 1, 1)]


async def test_a_failure_of_the_baseline_is_its_error(rig):
    rig.shadow()
    assert rig.take(13.0)
    assert rig.connection.statuses == [500]
    assert (rig.counted(1).requests, rig.counted(1).errors) == (1, 1)
    assert rig.counted(2) is None


async def test_without_a_candidate_there_is_nothing_to_copy_to(rig):
    rig.engine.model("m").remove(2)
    rig.shadow()
    assert rig.take()
    assert rig.counted(1).requests == 1
    assert rig.counted(2) is None
