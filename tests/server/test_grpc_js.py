"""Node.js's own implementation of gRPC, unmodified, against a real server; `grpc_js/client.js` makes the calls."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import modelport.wire.protos
from services import require

HERE = Path(__file__).parent / "grpc_js"
PROTOS = Path(next(iter(modelport.wire.protos.__path__)))


@pytest.fixture(scope="module")
def client_folder(tmp_path_factory):
    """The client with its packages, installed exactly as locked."""
    npm = require("npm", "npm")
    require("node", "nodejs")
    folder = tmp_path_factory.mktemp("grpc_js")
    for name in ("package.json", "package-lock.json", "client.js"):
        shutil.copy(HERE / name, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        text = f"npm can't install @grpc/grpc-js: {done.stderr[-500:]}"
        if os.environ.get("MODELPORT_REQUIRE_SERVICES") == "1":
            pytest.fail(text, pytrace=False)
        pytest.skip(text)
    return folder


@pytest.fixture(scope="module")
def seen(client_folder, server):
    """What the client saw, by case."""
    command = [require("node", "nodejs"), "client.js", str(server.port), str(PROTOS)]
    done = subprocess.run(command, cwd=client_folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("case", ["raw", "typed", "large", "many", "gzip"])
def test_tensors_come_back_as_sent(seen, case):
    assert seen[case] == "as sent"


def test_liveness_and_metadata(seen):
    assert seen["live"] == {"live": True}
    tensor = {"datatype": "FP32", "shape": [-1, -1]}
    assert seen["metadata"]["inputs"] == [{"name": "x", **tensor}]
    assert seen["metadata"]["outputs"] == [{"name": "y", **tensor}]


def test_errors_have_their_codes(seen):
    assert seen["errors"] == {
        "unknown_model": "NOT_FOUND",
        "wrong_size": "INVALID_ARGUMENT",
        "past": "DEADLINE_EXCEEDED",
    }


def test_a_stream_goes_on_behind_an_error(seen):
    answers = [[f"request {number}", number, 0.5] for number in range(6)]
    assert seen["stream"] == [*answers[:3], "error", *answers[4:]]


def test_cancelling_in_mid_stream(seen):
    assert seen["cancelled"] == ["CANCELLED"]
