"""A model that is unloaded leaves no memory behind, and one that does not fit is not loaded."""

from __future__ import annotations

import os
import time
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest

from runtimes import onnx_graphs

MEGABYTES = 200


@pytest.fixture
def models(tmp_path) -> Path:
    """A small model, and one with weights of 200 MB in a single file."""
    small = onnx_graphs.identity(1, ("n", "m"))
    (tmp_path / "small.onnx").write_bytes(small.SerializeToString())
    weights = onnx.numpy_helper.from_array(np.ones((MEGABYTES * 250, 1000), np.float32), "w")
    tensors = [onnx_graphs.tensor("x", 1, ("n", MEGABYTES * 250)), onnx_graphs.tensor("y", 1, ("n", 1000))]
    made = onnx_graphs.model(
        [onnx_graphs.node("MatMul", ["x", "w"], ["y"])], tensors[:1], tensors[1:], weights=[weights]
    )
    (tmp_path / "large.onnx").write_bytes(made.SerializeToString())
    return tmp_path


def megabytes(server) -> float:
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def change(server, what):
    answer = httpx.post(f"{server.url}/v2/repository/models/large/{what}", trust_env=False, timeout=60)
    assert answer.status_code == 200, answer.text


def test_unloading_gives_the_memory_back(run_server, models):
    server = run_server(models).wait_ready()
    change(server, "unload")
    change(server, "load")
    loaded = megabytes(server)
    change(server, "unload")
    until = time.monotonic() + 20
    while megabytes(server) > loaded - 0.9 * MEGABYTES:
        assert time.monotonic() < until, f"{loaded} MB with the model, {megabytes(server)} MB without"
        time.sleep(0.1)
    assert server.stop() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_does_not_fit_is_refused_and_the_others_serve(run_server, models, workers):
    total = os.sysconf("SC_PAGESIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000
    reserve = {"MODELPORT_MEMORY_RESERVE_MB": str(total - MEGABYTES // 2)}
    server = run_server(models / "large.onnx", "--workers", str(workers), env=reserve)
    assert server.wait_ended() == 1
    assert "large@1 does not fit: it needs about 200 MB" in server.output
