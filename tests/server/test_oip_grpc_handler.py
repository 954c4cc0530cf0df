"""The handler of ModelInfer without sockets: deadlines, callers who left, defects, and what is counted of errors."""

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from modelport.core.errors import Kind, ModelFailedError
from modelport.engine import Engine, ServedVersion
from modelport.engine.settings import ServingOptions
from modelport.server.grpc.open_inference import ModelInfer
from modelport.testing.fakes import Gate, echo_model, failing_model, slow_model
from modelport.wire.open_inference_grpc import OpenInferenceGrpc


class Call:
    """What a handler sees of a call."""

    def __init__(self, deadline=float("inf"), alone=False):
        self.deadline, self.ended, self.alone = deadline, False, alone
        self.answer = None
        self.status = None

    def reply(self, message, trailing=(), ready=None):
        self.trailing = dict(trailing or ready.metadata)
        self.answer = message if isinstance(message, bytes) else b"".join(message)

    def fail(self, code, text, trailing=()):
        self.status = (code, text)
        self.trailing = dict(trailing)


def made(model, execution="inline"):
    engine = Engine()
    served = ServedVersion("m", 1, model, "", Path("x"), engine.metrics, execution)
    engine.expect("m").add(served)
    return engine, ModelInfer(engine, OpenInferenceGrpc())


def request():
    message = service_pb2.ModelInferRequest(model_name="m", id="7")
    message.inputs.add(name="x", datatype="FP32", shape=[2]).contents.fp32_contents.extend([1, 2])
    return message.SerializeToString()


def errors(engine):
    """Kind → count of what was refused."""
    return {dict(labels)["kind"]: value[0] for (_, name, labels), value in engine.metrics.collect().items()
            if name == "request_errors"}  # fmt: skip


def test_an_answer():
    _, infer = made(echo_model())
    call = Call()
    infer(call, request())
    response = service_pb2.ModelInferResponse.FromString(call.answer)
    assert np.frombuffer(response.raw_output_contents[0], np.float32).tolist() == [1, 2]
    assert response.id == "7"


async def test_a_call_that_comes_alone_is_not_kept_for_a_batch():
    _, infer = made(echo_model(), "tick")
    alone, other = Call(alone=True), Call()
    infer(alone, request())
    infer(other, request())
    assert (alone.answer is None, other.answer is None) == (False, True)
    await asyncio.sleep(0)
    assert other.answer == alone.answer


async def test_a_call_that_comes_alone_does_not_overtake():
    _, infer = made(echo_model(), "tick")
    first, alone = Call(), Call(alone=True)
    infer(first, request())
    infer(alone, request())
    assert (first.answer, alone.answer) == (None, None)
    await asyncio.sleep(0)
    assert first.answer == alone.answer is not None


def test_a_deadline_that_has_passed_is_not_begun():
    engine, infer = made(echo_model())
    call = Call(time.monotonic() - 1)
    infer(call, request())
    assert call.status[0] == 4
    assert engine.find("m").loaded.calls == 0
    assert errors(engine) == {Kind.DEADLINE_EXCEEDED: 1}


async def test_a_caller_who_left_is_not_answered():
    gate = Gate()
    engine, infer = made(slow_model(gate), "pool")
    call = Call()
    infer(call, request())
    gate.wait_until_reached()
    call.ended = True
    gate.open()
    while engine.scheduler.waiting:
        await asyncio.sleep(0.01)
    assert call.answer is None
    assert errors(engine) == {Kind.CANCELLED: 1}
    engine.close()


async def test_what_a_caller_has_left_is_not_begun():
    gate = Gate()
    engine, infer = made(slow_model(gate), "pool")
    served = engine.find("m")
    served.options = ServingOptions(concurrency=1)
    first, second = Call(), Call()
    infer(first, request())
    await asyncio.sleep(0)
    await asyncio.to_thread(gate.wait_until_reached)
    infer(second, request())
    second.on_cancel()
    second.ended = True
    gate.open()
    while engine.scheduler.waiting:
        await asyncio.sleep(0.01)
    assert served.loaded.calls == 1
    assert first.answer is not None
    engine.close()


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [(ModelFailedError("it broke"), 13, "it broke"), (ValueError("odd"), 13, "model 'm' failed: ValueError: odd")],
)
def test_a_failing_model(error, code, text):
    engine, infer = made(failing_model(error=error))
    call = Call()
    infer(call, request())
    assert call.status == (code, text)
    assert call.trailing.pop("modelport-kind") == "model_failed"
    assert call.trailing == {"x-model-version": "1", "x-model-digest": "sha256:"}
    assert errors(engine) == {Kind.MODEL_FAILED: 1}


def test_a_defect_is_an_internal_error(monkeypatch, caplog):
    engine, infer = made(echo_model())
    monkeypatch.setattr(infer, "_decode", lambda *_: 1 / 0)
    call = Call()
    infer(call, request())
    assert call.status == (13, "internal error: ZeroDivisionError")
    assert "a request was answered with an internal error" in caplog.text
    assert errors(engine) == {Kind.INTERNAL: 1}


def test_requests_for_unknown_models_are_counted_without_a_name():
    engine, infer = made(echo_model())
    call = Call()
    infer(call, service_pb2.ModelInferRequest(model_name="other").SerializeToString())
    assert call.status[0] == 5
    labels = [dict(labels) for (_, name, labels) in engine.metrics.collect() if name == "request_errors"]
    assert [item["model"] for item in labels] == [""]
