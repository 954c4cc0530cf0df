"""Versions that are good, slow, failing or of another opinion, and what servers may have counted of them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from modelport.engine.rollouts.latencies import WIDTH, bucket_of
from modelport.registry.base import Registry
from modelport.registry.packing import Inspected, Said, pack
from modelport.registry.records import By
from modelport.registry.releases import Observation, RolloutPlan, RolloutRecord
from modelport.registry.transfers import push_packed
from runtimes import onnx_graphs

ANN = By("ann", "a test")
#: Inputs of this and more make a `fails` version fail.
BAD = 1000.0


def write_model(path: Path, factor: float = 2.0, work: int = 0, fails: bool = False) -> Path:
    """`y` is `factor` × `x`. `work` makes it slow, each unit by some 0.1 ms; with `fails` it fails for large `x`."""
    nodes = [helper.make_node("Mul", ["x", "factor"], ["times"]), helper.make_node("ReduceSum", ["x"], ["sum"])]
    nodes.append(helper.make_node("Mul", ["sum", "nothing"], ["zero"]))
    nodes.append(helper.make_node("Add", ["start", "zero"], ["work0"]))
    nodes += [helper.make_node("Tanh", [f"work{at}"], [f"work{at + 1}"]) for at in range(work)]
    nodes.append(helper.make_node("ReduceSum", [f"work{work}"], ["rest"]))
    nodes.append(helper.make_node("Mul", ["rest", "nothing"], ["none"]))
    last = "added" if fails else "y"
    nodes.append(helper.make_node("Add", ["times", "none"], [last]))
    if fails:  # an index that is not in the table
        nodes.append(helper.make_node("Cast", ["x"], ["index"], to=TensorProto.INT64))
        nodes.append(helper.make_node("Gather", ["table", "index"], ["looked"]))
        nodes.append(helper.make_node("Add", ["added", "looked"], ["y"]))
    weights = {
        "factor": np.array([factor], np.float32),
        "nothing": np.zeros(1, np.float32),
        "start": np.ones(100_000 if work else 1, np.float32),
        "table": np.zeros(int(BAD), np.float32),
    }
    stored = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    x, y = (onnx_graphs.value(name, onnx_graphs.tensor_type(1, ("n",))) for name in "xy")
    path.write_bytes(onnx_graphs.model(nodes, [x], [y], weights=stored).SerializeToString())
    return path


def push_version(registry: Registry, folder: Path, name: str = "m", **of_model: object) -> int:
    """Push the next version of a model; gives its number."""
    path = write_model(folder / f"{name}.onnx", **of_model)
    return push_packed(registry, name, pack(path, (), Inspected("onnx"), Said("ann")), ANN).number


def fill(registry: Registry, folder: Path, name: str = "m", **of_candidate: object) -> None:
    """Two versions of a model, the first in production."""
    assert push_version(registry, folder, name) == 1
    assert push_version(registry, folder, name, **of_candidate) == 2
    registry.promote(name, 1, ANN)


def start(registry: Registry, name: str = "m", **of_plan: object) -> RolloutRecord:
    """Start a rollout of version 2 of a model."""
    return registry.start_rollout(name, RolloutPlan(candidate=2, **of_plan), ANN)


@dataclass
class Counting:
    """What one server counts of a rollout, told to the registry."""

    registry: Registry
    rollout: int
    server: str = "a:1:x"

    def __post_init__(self) -> None:
        self._totals = {version: [0, 0, 0, 0, [0] * WIDTH] for version in (1, 2)}
        self._drawn = random.Random(5)

    def add(self, version: int, requests: int, errors: int = 0, ms: float = 1.0, compared: int = 0, disagreed: int = 0):
        """So many more requests, of about so many milliseconds each."""
        totals = self._totals[version]
        for at, more in enumerate((requests, errors, compared, disagreed)):
            totals[at] += more
        for _ in range(requests):
            totals[4][bucket_of(int(ms * 1e6 * self._drawn.uniform(0.9, 1.1)))] += 1
        return self

    def tell(self) -> None:
        """Tell the registry."""
        self.registry.observe(
            [
                Observation(self.rollout, self.server, version, requests, errors, tuple(latency), compared, disagreed)
                for version, (requests, errors, compared, disagreed, latency) in self._totals.items()
            ]
        )
