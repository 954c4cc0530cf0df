"""Requests that are stored with a model: they run before a version is ready, and a wrong answer keeps it out."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from modelport.engine.engine import Engine
from modelport.engine.lifecycle.golden import differs
from modelport.engine.lifecycle.manager import Lifecycle
from modelport.engine.lifecycle.policy import parse_policy
from modelport.engine.lifecycle.source import scan
from runtimes import onnx_graphs

ROWS = [[1.5, -2.0], [0.25, 8.0]]


def negation():
    """`y` is −`x`."""
    tensors = [onnx_graphs.tensor(name, 1, ("n", "m")) for name in "xy"]
    return onnx_graphs.model([onnx_graphs.node("Neg", ["x"], ["y"])], tensors[:1], tensors[1:])


def tensor(name, data=ROWS, datatype="FP32", **more):
    return {"name": name, "shape": list(np.shape(data)), "datatype": datatype, "data": data, **more}


@pytest.fixture
def model(tmp_path):
    """A folder with an identity of numbers, to which a test adds versions and golden requests."""
    folder = tmp_path / "m"
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.onnx").write_bytes(onnx_graphs.identity(1, ("n", "m")).SerializeToString())
    (folder / "golden").mkdir()
    (folder / "modelport.toml").write_text('[warmup]\nrequests = ["golden/*"]\n')
    return folder


class Served:
    """What serves a model's folder: `model` as the engine has it, and the lifecycle beside."""

    def __init__(self, folder):
        self.engine = Engine()
        self.lifecycle = Lifecycle(self.engine, lambda: scan((folder.parent,)), parse_policy("latest"))

    @property
    def model(self):
        return self.engine.model("m")

    async def look(self):
        for _ in range(2):
            await self.lifecycle.poll()


@pytest.fixture
def served():
    made = []

    async def serve(folder):
        made.append(Served(folder))
        await made[-1].lifecycle.start()
        return made[-1]

    yield serve
    for item in made:
        item.engine.close()


def store(model, name, inputs, outputs=()):
    (model / "golden" / name).write_text(json.dumps({"inputs": inputs, "outputs": list(outputs)}))


async def test_right_answers_let_a_version_serve(model, served, caplog):
    caplog.set_level("INFO")
    store(model, "one.json", [tensor("x")], [tensor("y")])
    store(model, "warm.json", [tensor("x")])
    close = (np.array(ROWS) * (1 + 5e-4)).tolist()
    store(model, "close.json", [tensor("x")], [tensor("y", close)])
    made = await served(model)
    assert made.model.state == "ready"
    assert "m@1 answers its 3 golden requests rightly" in caplog.text


async def test_a_wrong_answer_is_named_to_the_number(model, served):
    store(model, "two.json", [tensor("x")], [tensor("y", [[1.5, -2.0], [0.25, 9.0]])])
    made = await served(model)
    assert made.model.state == "failed"
    file = model / "golden" / "two.json"
    expected = f"golden request {file}: output 'y' at [1, 1]: expected 9.0, got 8.0 (rtol 0.001, atol 1e-05)"
    assert made.model.error == expected


async def test_the_old_version_goes_on_where_the_new_one_answers_wrongly(model, served):
    store(model, "one.json", [tensor("x")], [tensor("y")])
    made = await served(model)
    old = made.model.default
    (model / "2").mkdir()
    (model / "2" / "model.onnx").write_bytes(negation().SerializeToString())
    await made.look()
    assert made.model.default is old
    assert "expected 1.5, got -1.5" in made.model.error
    assert "and 3 more of 4 differ" in made.model.error
    shutil.rmtree(model / "2")
    await made.look()
    assert made.model.error is None


async def test_tolerances_are_the_models_own(model, served):
    store(model, "one.json", [tensor("x")], [tensor("y", [[1.6, -2.0], [0.25, 8.0]])])
    assert (await served(model)).model.state == "failed"
    (model / "modelport.toml").write_text('[warmup]\nrequests = ["golden/*.json"]\nrtol = 0.1\n')
    assert (await served(model)).model.state == "ready"


async def test_arrays_as_numpy_stores_them(model, served):
    array = np.array(ROWS, np.float32)
    np.savez(model / "golden" / "one.npz", x=array, y=array)
    np.savez(model / "golden" / "two.npz", **{"inputs/x": array, "outputs/y": array})
    assert (await served(model)).model.state == "ready"
    np.savez(model / "golden" / "three.npz", x=array, y=array + 1)
    assert "three.npz: output 'y' at [0, 0]: expected 2.5, got 1.5" in (await served(model)).model.error


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"{", "not valid JSON"),
        (b"[1]", "it is not a request of the Open Inference Protocol"),
        (b'{"inputs": []}', "missing input 'x'"),
        (json.dumps({"inputs": [tensor("z")]}).encode(), "unknown input 'z'"),
        (json.dumps({"inputs": [tensor("x")], "outputs": [tensor("z")]}).encode(), "unknown output 'z'"),
        (json.dumps({"inputs": [tensor("x")], "outputs": [{"name": "y"}]}).encode(), "must have a name, a shape"),
        (json.dumps({"inputs": [tensor("x")], "outputs": [tensor("y", datatype="FP64")]}).encode(), "float64"),
    ],
)
async def test_what_is_no_golden_request_is_said_with_its_file(model, served, content, part):
    (model / "golden" / "odd.json").write_bytes(content)
    error = (await served(model)).model.error
    assert "golden request" in error
    assert "odd.json" in error
    assert part in error


async def test_arrays_of_other_names_are_refused(model, served):
    np.savez(model / "golden" / "odd.npz", x=np.ones((1, 2), np.float32), other=np.ones(1))
    assert "it has other, which the model neither takes nor gives" in (await served(model)).model.error


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        ("none/*.json", "there is no file 'none/*.json'"),
        ("../*.json", "leads out of the model's folder"),
        ("/etc/*", "leads"),
    ],
)
async def test_patterns_mean_files_of_the_model(model, served, pattern, part):
    (model / "modelport.toml").write_text(f'[warmup]\nrequests = ["{pattern}"]\n')
    assert part in (await served(model)).model.error


async def test_texts_are_compared_exactly(tmp_path, served):
    folder = tmp_path / "m"
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.onnx").write_bytes(onnx_graphs.identity(8, ("n",)).SerializeToString())
    (folder / "modelport.toml").write_text('[warmup]\nrequests = ["*.json"]\n')
    right = {"inputs": [tensor("x", ["eins", "zwölf"], "BYTES")], "outputs": [tensor("y", ["eins", "zwölf"], "BYTES")]}
    (folder / "one.json").write_text(json.dumps(right))
    assert (await served(folder)).model.state == "ready"
    right["outputs"][0]["data"][1] = "elf"
    (folder / "one.json").write_text(json.dumps(right))
    assert "at [1]: expected b'elf', got b'zw\\xc3\\xb6lf'" in (await served(folder)).model.error


@pytest.mark.parametrize(
    ("expected", "got", "words"),
    [
        (np.ones(2), np.ones(3), "has the shape [3]; expected is [2]"),
        (np.array([np.nan, np.inf]), np.array([np.nan, np.inf]), ""),
        (np.array([1.0]), np.array([np.nan]), "at [0]: expected 1.0, got nan"),
        (np.array([1, 2]), np.array([1, 3]), "at [1]: expected 2, got 3"),
        (np.zeros((0, 2)), np.zeros((0, 2)), ""),
        (np.array(5.0), np.array(6.0), "at []: expected 5.0, got 6.0"),
    ],
)
def test_how_arrays_differ_is_said(expected, got, words):
    said = differs(expected, got, 1e-3, 1e-5)
    assert said.startswith(words)
    assert bool(said) is bool(words)
