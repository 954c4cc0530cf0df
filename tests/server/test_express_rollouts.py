"""The express way stands aside for a model with a rollout: whose requests it takes, it does not split."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from modelport.core.signature import Signature, TensorSpec
from modelport.engine import Engine, ServedVersion
from modelport.native import collect
from modelport.server.http.express import Express
from modelport.server.http.routes import Route
from modelport.testing.fakes import FakeModel
from modelport.wire.open_inference import OpenInference

pytestmark = pytest.mark.skipif(collect is None, reason="the extension was not built: it wants a C compiler")
ROUTE = Route(OpenInference(), "m")
BODY = json.dumps({"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [1.0]}]}).encode()
HEAD = b"POST /v2/models/m/infer HTTP/1.1\r\ncontent-length: %d" % len(BODY)


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
    def reply_express(self, exchange):
        raise AssertionError("nothing unusual was asked")


@pytest.fixture
def rig():
    engine = Engine()
    signature = Signature((TensorSpec("x", "FP32", (-1, 1)),), (TensorSpec("y", "FP32", (-1, 1)),))
    for version in (1, 2):
        model = FakeModel(signature, lambda inputs: {"y": np.copy(inputs["x"])})
        engine.expect("m").add(ServedVersion("m", version, model, "d" * 64, None, engine.metrics, "tick"))
    express = Express(engine, 64, 1 << 20)
    gate = express.gate(Connection(), lambda: None)
    gate.open([].append)
    express.know(HEAD, ROUTE, {b"content-length": b"%d" % len(BODY)}, len(BODY))

    def take():
        express.alone = True
        taken = gate.take(HEAD + b"\r\n\r\n" + BODY)
        express.run_begun()
        return bool(taken)

    yield engine, take
    engine.close()


@pytest.mark.parametrize("kind", ["canary", "shadow", "ab"])
def test_it_stands_aside_while_a_rollout_is_open(rig, kind):
    engine, take = rig
    assert take()
    engine.rollouts.set([Rollout(Plan(kind))])
    assert not take()
    engine.rollouts.set([])
    assert take()


def test_other_models_go_on(rig):
    engine, take = rig
    engine.rollouts.set([Rollout(Plan("canary"), model="other")])
    assert take()
