"""Repositories of other servers, served where they lie."""

import json
import urllib.error
import urllib.request

import numpy as np
import pytest

from runtimes import onnx_graphs

CONFIG = """platform: "onnxruntime_onnx" max_batch_size: 8
input { name: "X" data_type: TYPE_FP32 dims: [ 4 ] } optimization { priority: PRIORITY_MAX }"""
ENSEMBLE = """platform: "ensemble" max_batch_size: 8
input { name: "IN" data_type: TYPE_FP32 dims: [ 4 ] } output { name: "LABEL" data_type: TYPE_STRING dims: [ 1 ] }
ensemble_scheduling { step [
  { model_name: "same" input_map { key: "x" value: "IN" } output_map { key: "y" value: "MID" } },
  { model_name: "iris" input_map { key: "X" value: "MID" } output_map { key: "label" value: "LABEL" } }
] }"""
MLMODEL = "flavors: {onnx: {data: model.onnx}, python_function: {}}"


OWN = "[serving]\nmax_batch = 4\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Triton repository with an ensemble, a broken and an impossible model; MLServer's and MLflow's beside it."""
    root = tmp_path_factory.mktemp("repository")
    models = {
        "iris": onnx_graphs.classifier("text", zipmap=False)[0],
        "same": onnx_graphs.identity(shape=("n", 4)).SerializeToString(),
        "mls": onnx_graphs.regressor()[0],
        "flow": onnx_graphs.identity(shape=("n", 4)).SerializeToString(),
    }
    for name, files in {
        "iris": {"config.pbtxt": CONFIG, "1/model.onnx": models["iris"], "modelport.toml": OWN},
        "same": {"config.pbtxt": 'backend: "onnxruntime"', "2/model.onnx": models["same"]},
        "both": {"config.pbtxt": ENSEMBLE, "1/.keep": ""},
        "broken": {"config.pbtxt": "input {"},
        "engine": {"config.pbtxt": 'platform: "tensorrt_plan"', "1/model.plan": "x"},
        "mlserver": {"model-settings.json": settings("mls"), "model.onnx": models["mls"]},
        "flow": {"MLmodel": MLMODEL, "model.onnx": models["flow"]},
    }.items():
        for file, content in files.items():
            path = root / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def settings(name):
    return json.dumps({"name": name, "implementation": "mlserver_onnx.OnnxModel", "parameters": {"version": "v3"}})


@pytest.fixture(scope="module")
def url(folder, serve_models):
    pytest.importorskip("yaml")
    return serve_models(folder)


def ask(url, document=None):
    raw = None if document is None else json.dumps(document).encode()
    with urllib.request.urlopen(urllib.request.Request(url, raw), timeout=20) as response:
        return json.load(response)


def test_models_and_versions(url):
    models = {model["name"]: model for model in ask(f"{url}/api/v1/models")["models"]}
    numbers = {name: [item["version"] for item in model["versions"]] for name, model in models.items()}
    ready = {name: versions for name, versions in numbers.items() if versions}
    assert ready == {"iris": [1], "same": [2], "both": [1], "mls": [3], "flow": [1]}
    assert models["broken"]["error"] == "broken/config.pbtxt, line 1: it ends too soon"
    assert "a TensorRT engine" in models["engine"]["error"]


def test_an_ensemble_answers_as_its_models_do(url):
    rows = {"instances": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]}
    alone = ask(f"{url}/models/iris/predict", rows)["predictions"]
    together = ask(f"{url}/models/both/predict", rows)["predictions"]
    assert [row["LABEL"] for row in together] == [row["label"] for row in alone] == ["setosa", "virginica"]


def test_an_mlflow_model_answers(url):
    given = ask(f"{url}/models/flow/predict", {"instances": [[1, 2, 3, 4]]})["predictions"]
    assert np.array_equal(given[0]["y"], [1, 2, 3, 4])
