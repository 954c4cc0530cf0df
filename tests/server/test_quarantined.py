"""A real server whose model kills its worker on one input, by a runtime that a package of its own brings."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import httpx
import pytest

RUNTIME = """
import os
import numpy as np
from modelport.core.runtime import ModelInfo
from modelport.core.signature import Signature, TensorSpec

class Deadly:
    signature = Signature((TensorSpec("x", "FP32", (-1, 2)),), (TensorSpec("y", "FP32", (-1, 2)),))
    info = ModelInfo("deadly", "deadly", "a test")

    def predict(self, inputs, outputs=None):
        if (inputs["x"][:, 0] == 666).any():
            os.abort()
        return {"y": inputs["x"].copy()}

    def close(self):
        pass

class Runtime:
    def load(self, path, spec):
        if "kill" in path.read_text():
            os.abort()
        return Deadly()
"""


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """That in which the server knows files named `*.deadly`."""
    package = tmp_path / "package"
    (package / "deadly-1.0.dist-info").mkdir(parents=True)
    (package / "deadly_runtime.py").write_text(RUNTIME)
    (package / "deadly-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: deadly\nVersion: 1.0\n")
    (package / "deadly-1.0.dist-info" / "entry_points.txt").write_text(
        "[modelport.runtimes]\ndeadly = deadly_runtime:Runtime\n"
    )
    return {"PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])}


@pytest.fixture
def models(tmp_path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "m.deadly").write_text("fine")
    return folder


def ask(server, *firsts):
    body = {"instances": [[first, 1.0] for first in firsts]}
    return httpx.post(f"{server.url}/models/m/predict", json=body, trust_env=False, timeout=20)


def test_an_input_kills_two_workers_and_no_third(run_server, environment, models):
    server = run_server(models, "--workers", "2", env=environment).wait_ready()
    assert ask(server, 1).json()["predictions"] == [{"y": [1.0, 1.0]}]
    for crashes in (1, 2):
        with pytest.raises(httpx.TransportError):
            ask(server, 666)
        server.wait_said(rf"(?s)(died \(signal 6\).*){{{crashes}}}")
        time.sleep(0.3)  # the other worker looks every tenth of a second
    for _ in range(20):
        answer = ask(server, 666)
        assert answer.status_code == 500
        assert "it was running when a worker crashed, twice" in answer.json()["error"]
        assert ask(server, 1, 2).status_code == 200
    assert server.output.count("died") == 2
    assert "an input of m@1 was running at two crashes: it is refused from now on" in server.output
    metrics = httpx.get(f"{server.url}/metrics", trust_env=False).text
    assert re.search(r'^modelport_quarantined\{model="m"\} 1$', metrics, re.M)
    assert re.search(r'^modelport_quarantine_refusals_total\{model="m"\} 20$', metrics, re.M)
    assert server.stop() == 0


def test_a_model_that_kills_while_it_loads_leaves_the_others_alone(run_server, environment, models):
    (models / "bad.deadly").write_text("kill")
    server = run_server(models, "--workers", "2", env=environment).wait_ready()
    assert ask(server, 1).status_code == 200
    entry = httpx.post(f"{server.url}/v2/repository/index", trust_env=False).json()[0]
    assert (entry["name"], entry["state"]) == ("bad", "UNAVAILABLE")
    assert "bad@1 was being loaded at two crashes of a worker" in entry["reason"]
    assert server.stop() == 0
