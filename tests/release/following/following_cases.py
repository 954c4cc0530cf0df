"""Registries, versions and servers for the tests of following: version n of a model answers n times its input."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
from onnx import helper, numpy_helper

from modelport.registry.base import Registry
from modelport.registry.packing import Inspected, Said, pack
from modelport.registry.records import By
from modelport.registry.transfers import push_packed
from running import Running
from runtimes import onnx_graphs

ANN = By("ann", "a test")


def times_model(path: Path, factor: float, megabytes: float = 0.0) -> Path:
    """A model of ONNX whose `y` is `factor` × `x`; `megabytes` more make it slow to fetch."""
    weights = [numpy_helper.from_array(np.array([factor], np.float32), "factor")]
    if megabytes:
        filling = np.random.default_rng(7).random(int(megabytes * 250_000), np.float32)
        weights.append(numpy_helper.from_array(filling, "filling"))
    x, y = (onnx_graphs.value(name, onnx_graphs.tensor_type(1, ("n",))) for name in "xy")
    node = helper.make_node("Mul", ["x", "factor"], ["y"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(onnx_graphs.model([node], [x], [y], weights=weights).SerializeToString())
    return path


def push_file(registry: Registry, name: str, path: Path) -> int:
    """Push a file, whatever it is, as a model's next version; gives its number."""
    return push_packed(registry, name, pack(path, (), Inspected("onnx"), Said("ann")), ANN).number


def push(registry: Registry, folder: Path, count: int = 1, name: str = "times", megabytes: float = 0.0) -> None:
    """Push the next versions of a model."""
    for _ in range(count):
        known = registry.models()
        number = next((model.versions for model in known if model.name == name), 0) + 1
        assert push_file(registry, name, times_model(folder / f"{name}.onnx", number, megabytes)) == number


class Asked:
    """Asks a server, each time on a new connection, so that each of its workers is met."""

    def __init__(self, server: Running) -> None:
        self.server = server

    def post(self, version: str = "", name: str = "times", x: float = 3.0) -> httpx.Response:
        path = f"/v2/models/{name}{f'/versions/{version}' if version else ''}/infer"
        tensor = {"name": "x", "shape": [1], "datatype": "FP32", "data": [x]}
        return httpx.post(self.server.url + path, json={"inputs": [tensor]}, timeout=20, trust_env=False)

    def answers(self, version: str = "", name: str = "times") -> int | str:
        """The version that answers, its outputs looked at; what is said where none does."""
        response = self.post(version, name)
        if response.status_code != 200:
            return f"{response.status_code} {response.json()['error']}"
        number = int(response.headers["x-model-version"])
        assert response.json()["outputs"][0]["data"] == [number * 3.0]
        return number

    def document(self, path: str = "/api/v1/models") -> dict:
        return httpx.get(self.server.url + path, timeout=20, trust_env=False).json()

    def metric(self, name: str) -> float:
        text = httpx.get(f"{self.server.url}/metrics", timeout=20, trust_env=False).text
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"modelport_{name} "))


def until(true: Callable[[], bool], seconds: float = 90) -> None:
    """Wait until it is true."""
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        if true():
            return
        time.sleep(0.02)
    raise AssertionError(f"it did not come true in {seconds} s")


def all_answer(servers: list[Asked], version: int | str, name: str = "times", times: int = 8) -> bool:
    """Whether that version answers everywhere, however often one asks."""
    return all(server.answers(name=name) == version for server in servers for _ in range(times))
