"""Models out of a real MLflow registry."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("mlflow")
pytest.importorskip("yaml")

REGISTER = """
import sys, mlflow
folder = sys.argv[1]
with mlflow.start_run() as run:
    mlflow.log_metric("accuracy", 0.97)
    mlflow.log_artifacts(folder, "model")
client = mlflow.MlflowClient()
client.create_registered_model("iris flowers")
where = f"{run.info.artifact_uri}/model"
made = client.create_model_version("iris flowers", where, run.info.run_id, description="from afar")
client.set_model_version_tag("iris flowers", made.version, "team", "botany")
client.set_registered_model_alias("iris flowers", "champion", made.version)
print(run.info.run_id)
"""
MLMODEL = """
flavors:
  onnx:
    data: model.onnx
    onnx_version: 1.17.0
signature:
  inputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}, "name": "X"}]'
  outputs: null
"""


@pytest.fixture
def run(tmp_path):
    """Runs a command with MLflow's database in a folder of the test's."""
    database = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}", "MODELPORT_HOME": str(tmp_path / "home")}
    quiet = {"PYTHONWARNINGS": "ignore", "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}

    def command(*words, code=0):
        line = [sys.executable, *map(str, words)]
        environment = {**os.environ, **database, **quiet}
        done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    return command


@pytest.fixture
def run_id(run, tmp_path, model_folder):
    """The run of a model that was registered."""
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "MLmodel").write_text(MLMODEL)
    (tmp_path / "saved" / "model.onnx").write_bytes((model_folder / "iris.onnx").read_bytes())
    return run("-c", REGISTER, "saved").split()[-1]


def test_a_registered_version_comes_with_all_that_is_known(run, run_id):
    for uri in ("models:/iris flowers/1", "models:/iris flowers@champion"):
        run("-m", "modelport", "push", uri)
    shown = json.loads(run("-m", "modelport", "show", "iris flowers@champion", "--json"))
    assert (shown["number"], shown["description"], shown["tags"]) == (2, "from afar", {"team": "botany"})
    assert (shown["metrics"], shown["aliases"]) == ({"accuracy": 0.97}, ["champion"])
    manifest = shown["manifest"]
    assert (manifest["kind"], manifest["format"]) == ("folder", "onnx")
    assert manifest["signature"]["inputs"][0]["name"] == "X"
    assert manifest["provenance"]["source"] == "models:/iris flowers@champion"
    assert {"MLmodel", "model.onnx"} <= {file["path"] for file in manifest["files"]}


def test_a_runs_model_comes_with_its_metrics(run, run_id):
    said = run("-m", "modelport", "push", f"runs:/{run_id}/model", "--name", "iris", "--metric", "f1=0.5")
    assert said.startswith("iris@1  sha256:")
    assert json.loads(run("-m", "modelport", "show", "iris@1", "--json"))["metrics"] == {"accuracy": 0.97, "f1": 0.5}


@pytest.mark.parametrize("uri", ["models:/iris flowers/9", "models:/nothing@champion", "models:/x", "runs:/0/model"])
def test_what_mlflow_has_not_got_is_said(run, run_id, uri):
    assert uri in run("-m", "modelport", "push", uri, code=1)
