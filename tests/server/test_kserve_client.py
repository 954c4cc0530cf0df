"""KServe's Python client, unmodified, against a real server: protocols v1 and v2 over REST, and v2 over gRPC."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CALLS = Path(__file__).parent / "kserve_calls.py"


@pytest.fixture(scope="module")
def seen(server):
    """What the client got, by protocol."""
    if importlib.util.find_spec("kserve") is None and os.environ.get("MODELPORT_REQUIRE_SERVICES") != "1":
        pytest.skip("kserve is not installed (pip install kserve)")
    command = [sys.executable, str(CALLS), str(server.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_rest(seen):
    echoed = ["my id", "identity_FP32", "y", True]
    assert seen["rest"] == {
        "live": True,
        "ready": True,
        "model_ready": True,
        "no_model_ready": False,
        "json": echoed,
        "binary": echoed,
        "large": echoed,
        "unknown": [404, True],
    }


def test_rest_of_the_first_protocol(seen):
    assert seen["v1"] == {"live": True, "model_ready": True, "predictions": [[1.5, 2.0], [3.0, 4.0]]}


def test_grpc(seen):
    echoed = ["my id", "identity_FP32", "y", True]
    assert seen["grpc"] == {
        "live": True,
        "ready": True,
        "model_ready": True,
        "typed": echoed,
        "raw": echoed,
        "large": echoed,
        "unknown": "NOT_FOUND",
    }
