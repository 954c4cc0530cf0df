"""The fakes keep the runtime contract themselves, and do what they are for."""

import json
import threading

import numpy as np
import pytest

from modelport.core.errors import InvalidModelError, ModelFailedError
from modelport.core.runtime import LoadSpec
from modelport.testing.fakes import FakeRuntime, Gate, add_model, echo_model, failing_model, slow_model
from modelport.testing.runtime_contract import ModelCase, RuntimeContract


class TestFakes(RuntimeContract):
    @pytest.fixture
    def runtime(self):
        return FakeRuntime()

    @pytest.fixture(params=["echo", "add"])
    def case(self, request, tmp_path):
        path = tmp_path / "m.fake"
        path.write_text(json.dumps({"fake": request.param, "datatype": "INT64", "shape": [-1, 2]}))
        x = np.arange(6).reshape(3, 2)
        if request.param == "echo":
            return ModelCase(path, {"x": x}, {"y": x})
        return ModelCase(path, {"a": x, "b": x[::-1].copy()}, {"y": x + x[::-1]})


@pytest.mark.parametrize(
    "document", [{}, {"fake": "x"}, [], {"fake": "echo", "datatype": "FLOAT"}, {"fake": "echo", "shape": 3}]
)
def test_a_file_that_describes_no_fake(tmp_path, document):
    path = tmp_path / "m.fake"
    path.write_text(json.dumps(document))
    with pytest.raises(InvalidModelError, match=r"m\.fake describes no fake model"):
        FakeRuntime().load(path, LoadSpec())


def test_what_was_loaded_and_asked(tmp_path):
    path = tmp_path / "m.fake"
    path.write_text(json.dumps({"fake": "echo"}))
    runtime = FakeRuntime()
    model = runtime.load(path, LoadSpec())
    for rows in (1, 3):
        model.predict({"x": np.zeros(rows, np.float32)})
    assert runtime.loaded == [model]
    assert (model.calls, model.rows, model.closed) == (2, [1, 3], False)
    model.close()
    with pytest.raises(ModelFailedError, match="the model is closed"):
        model.predict({"x": np.zeros(1, np.float32)})


def test_any_datatype_and_shape():
    x = np.array([b"a"], object)
    assert echo_model("BYTES", None).predict({"x": x})["y"].tolist() == [b"a"]
    one = np.array(1, np.int8)
    assert add_model("INT8", ()).predict({"a": one, "b": one})["y"] == 2


def test_failing():
    with pytest.raises(ModelFailedError, match="it always does"):
        failing_model().predict({"x": np.zeros(1, np.float32)})
    with pytest.raises(KeyError):
        failing_model(error=KeyError("x")).predict({"x": np.zeros(1, np.float32)})


def test_slow():
    gate = Gate()
    model = slow_model(gate)
    given = []
    thread = threading.Thread(target=lambda: given.append(model.predict({"x": np.ones(2, np.float32)})))
    thread.start()
    assert gate.wait_until_reached()
    assert not given
    gate.open()
    thread.join(10)
    assert given[0]["y"].tolist() == [1, 1]


def test_a_gate_that_nobody_opens_or_reaches():
    gate = Gate(timeout=0.01)
    assert not gate.wait_until_reached()
    with pytest.raises(ModelFailedError, match=r"nobody opened the gate within 0\.01 s"):
        slow_model(gate).predict({"x": np.ones(2, np.float32)})
