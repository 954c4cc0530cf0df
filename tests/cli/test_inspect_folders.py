"""`modelport inspect` of folders: several models, versions, other servers' repositories, pipelines; and --measure."""

import json
import pickle

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LinearRegression

from modelport.cli.inspect import inspect


def run(*words):
    return CliRunner().invoke(inspect, [str(word) for word in words])


def document(*words, code=0):
    result = run(*words, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def scaled(path, factor=2.0):
    """y = factor x, for rows of three."""
    path.parent.mkdir(parents=True, exist_ok=True)
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(np.full(3, factor, np.float32), "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_several_models_are_shown_in_turn(tmp_path):
    scaled(tmp_path / "double.onnx")
    (tmp_path / "prices.pkl").write_bytes(pickle.dumps(LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])))
    (tmp_path / "README.txt").write_text("not a model")
    result = run(tmp_path)
    assert result.exit_code == 1
    assert result.stdout.count("sha256") >= 2
    assert result.stderr == "Error: prices can't be served as it is; it needs: trust (see 'To serve it')\n"
    found = document(tmp_path, code=1)["models"]
    assert [(item["model"], item["servable"]) for item in found] == [("double", True), ("prices", False)]
    assert run(tmp_path, "--trust", "prices").exit_code == 0


def test_each_version_of_a_tree(tmp_path):
    for number in (1, 2):
        scaled(tmp_path / "net" / str(number) / "model.onnx", number)
    found = document(tmp_path / "net")["models"]
    assert [(item["model"], item["version"]) for item in found] == [("net", 1), ("net", 2)]
    assert found[0]["sha256"] != found[1]["sha256"]


def test_a_triton_repository_says_what_can_not_be_served(tmp_path):
    scaled(tmp_path / "net" / "1" / "model.onnx")
    (tmp_path / "net" / "config.pbtxt").write_text('platform: "onnxruntime_onnx"\nmax_batch_size: 8\n')
    (tmp_path / "plan" / "1").mkdir(parents=True)
    (tmp_path / "plan" / "config.pbtxt").write_text('platform: "tensorrt_plan"\n')
    (tmp_path / "plan" / "1" / "model.plan").write_bytes(b"ftrt")
    found = document(tmp_path, code=1)["models"]
    assert [(item["model"], item["servable"]) for item in found] == [("net", True), ("plan", False)]
    assert "TensorRT" in found[1]["problem"]
    assert found[0]["described_by"] == [str(tmp_path / "net" / "config.pbtxt")]
    assert run(tmp_path).stderr.startswith("Error: plan: ")


def test_an_mlflow_folder(tmp_path):
    pytest.importorskip("yaml")
    scaled(tmp_path / "net" / "model.onnx")
    (tmp_path / "net" / "MLmodel").write_text("flavors:\n  onnx: {data: model.onnx, onnx_version: 1.23.2}\n")
    found = document(tmp_path / "net")
    assert (found["model"], found["format"], found["parameters"]) == ("net", "onnx", "3")


def test_a_pipeline_names_what_it_is_made_of(tmp_path):
    scaled(tmp_path / "double.onnx")
    steps = '[[models.both.pipeline.steps]]\nname = "first"\nmodel = "double"\ninputs = {{ x = "x" }}\n{}'
    tail = '[models.both.pipeline.outputs]\ny = "{}.y"\n'
    (tmp_path / "modelport.toml").write_text(steps.format("") + tail.format("first"))
    found = document(tmp_path)["models"]
    assert found[1]["format"] == "pipeline"
    assert (found[1]["models"], found[1]["servable"]) == (["double"], True)
    more = '[[models.both.pipeline.steps]]\nname = "second"\nmodel = "missing"\ninputs = { x = "first.y" }\n'
    (tmp_path / "modelport.toml").write_text(steps.format(more) + tail.format("second"))
    found = document(tmp_path, code=1)["models"]
    assert found[1]["needs"] == [{"kind": "model", "text": "the model 'missing', which is served beside it"}]


def test_a_folder_without_a_model(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    result = run(tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is a folder without a model file" in result.stderr
    assert run(tmp_path / "not-there").exit_code == 2


def test_the_folder_that_one_is_in(tmp_path, monkeypatch):
    scaled(tmp_path / "here" / "model.onnx")
    (tmp_path / "here" / "MLmodel").write_text("flavors:\n  onnx: {data: model.onnx}\n")
    monkeypatch.chdir(tmp_path / "here")
    assert document(".")["model"] == "here"
    (tmp_path / "here" / "MLmodel").unlink()
    assert document(".")["model"] == "model"
    saved = tmp_path / "python"
    saved.mkdir()
    (saved / "model.py").write_text("class Model:\n    def predict(self, x: float) -> float:\n        return x\n")
    monkeypatch.chdir(saved)
    assert document(".", code=1)["model"] == "python"


def test_two_models_of_one_name(tmp_path):
    scaled(tmp_path / "net.onnx")
    (tmp_path / "net.pkl").write_bytes(pickle.dumps(1))
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "two models are called 'net'" in result.stderr


def test_a_name_that_can_not_be_served(tmp_path):
    found = document(scaled(tmp_path / "net(1).onnx"), code=1)
    assert [need["kind"] for need in found["needs"]] == ["name"]
    assert found["signature"]["inputs"]


def test_a_wrong_modelport_toml(tmp_path):
    path = scaled(tmp_path / "net.onnx")
    (tmp_path / "modelport.toml").write_text("[servings]\nmax_batch = 2\n")
    found = document(path, code=1)
    assert found["needs"][0]["kind"] == "modelport.toml"
    assert "did you mean 'serving'" in found["needs"][0]["text"]


def test_measuring_says_how_it_would_be_run(tmp_path):
    path = scaled(tmp_path / "net.onnx")
    assert "run" not in document(path)
    found = document(path, "--measure")["run"]
    assert found["execution"] in ("tick", "inline", "pool")
    assert found["cost_ms"] > 0
    assert [point["rows"] for point in found["cost_curve"]][:3] == [1, 2, 4]
    assert "How it would be run\n  execution  " in run(path, "--measure").stdout
    (tmp_path / "modelport.toml").write_text('[serving]\nexecution = "pool"\nbatching = false\n')
    found = document(path, "--measure")["run"]
    assert (found["execution"], found["batching"]) == ("pool", "off: its modelport.toml says so")


def test_measuring_what_is_trusted(tmp_path):
    path = tmp_path / "prices.pkl"
    path.write_bytes(pickle.dumps(LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])))
    assert document(path, "--measure", "--trust", "prices")["run"]["execution"] == "process"


def test_stored_requests_are_asked(tmp_path):
    """A model whose golden requests fail would never take traffic."""
    path = scaled(tmp_path / "net.onnx")
    (tmp_path / "modelport.toml").write_text('[warmup]\nrequests = ["golden/*.npz"]\n')
    (tmp_path / "golden").mkdir()
    rows = np.ones((2, 3), np.float32)
    np.savez(tmp_path / "golden" / "a.npz", x=rows, y=rows * 2)
    assert document(path)["golden"] == 1
    np.savez(tmp_path / "golden" / "b.npz", x=rows, y=rows * 3)
    found = document(path, code=1)
    assert "expected 3.0, got 2.0" in found["problem"]
    assert found["signature"]["outputs"]
