"""A model of 500 MB is loaded and unloaded while its neighbour answers; what does the neighbour feel, what stays?

The server has one core, its clients the other. Each round compares the neighbour's latency while nothing else happens
with that while the large model loads: digest, session, warm-up and measurement.

    python benchmarks/loading.py [--megabytes 500] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from load import BenchmarkError
from report import table, write
from servers import end, free_port
from subject import Subject
from worker_clients import Clients, Seen, write_table

#: How many times its usual p99 a neighbour may see while the large model loads.
GOAL = 2.0
_WIDTH = 2500
_QUIET = 4.0
_SETTLED = 2.0


@dataclass
class Round:
    """What one load did: (p50, p99, most) in milliseconds without and with it, and memory in MB."""

    quiet: tuple[float, float, float]
    loading: tuple[float, float, float]
    seconds: float
    megabytes: tuple[float, float, float]  # before, loaded, unloaded again


@dataclass
class Rounds:
    """All of them, and what went wrong."""

    rounds: list[Round] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)


def write_large(path: Path, megabytes: float) -> None:
    """A stack of square layers, as most of a network's bytes are."""
    helper, random = onnx.helper, np.random.default_rng(0)
    layers = max(round(megabytes * 1e6 / 4 / _WIDTH**2), 1)
    nodes, weights = [], []
    for layer in range(layers):
        weight = (random.standard_normal((_WIDTH, _WIDTH), dtype=np.float32)) / np.float32(_WIDTH**0.5)
        weights.append(onnx.numpy_helper.from_array(weight, f"w{layer}"))
        nodes.append(helper.make_node("MatMul", [f"h{layer}", f"w{layer}"], [f"h{layer + 1}"]))
    tensors = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", _WIDTH]) for name in ("h0", f"h{layers}")
    ]
    graph = helper.make_graph(nodes, "large", tensors[:1], tensors[1:], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.write_bytes(made.SerializeToString())


def main() -> None:
    arguments = _arguments()
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = folder / "models"
        models.mkdir()
        write_table(models / "table.onnx", 3, megabytes=1)
        write_large(models / "large.onnx", arguments.megabytes)
        subject = Subject(models, folder, free_port(), prefix=["taskset", "-c", str(cores[0])])
        os.sched_setaffinity(0, cores[1:] or cores)
        try:
            subject.wait_ready()
            subject.post("/v2/repository/models/large/unload")
            result = asyncio.run(_run(subject, arguments))
        finally:
            end(subject.process)
        _report(result, subject.log.read_text(), arguments)


async def _run(subject: Subject, arguments: argparse.Namespace) -> Rounds:
    result = Rounds()
    clients = Clients(subject.port, "table", (3,), result.seen, pause=0.004)
    load = asyncio.create_task(clients.run(time.monotonic() + 3600, arguments.clients, 0))
    await asyncio.sleep(_SETTLED)
    try:
        for _ in range(arguments.rounds):
            result.rounds.append(await _round(subject, result.seen))
    finally:
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)
    return result


async def _round(subject: Subject, seen: Seen) -> Round:
    begun = time.monotonic()
    await asyncio.sleep(_QUIET)
    before, start = subject.megabytes(), time.monotonic()
    await asyncio.to_thread(subject.post, "/v2/repository/models/large/load")
    loaded = time.monotonic()
    after = subject.megabytes()
    await asyncio.sleep(_SETTLED)
    await asyncio.to_thread(subject.post, "/v2/repository/models/large/unload")
    await asyncio.sleep(_SETTLED)
    sizes = (before, after, subject.megabytes())
    return Round(_latency(seen, begun, start), _latency(seen, start, loaded), loaded - start, sizes)


def _latency(seen: Seen, begin: float, end: float) -> tuple[float, float, float]:
    pairs = zip(seen.moments, seen.milliseconds, strict=True)
    found = [milliseconds for moment, milliseconds in pairs if begin <= moment < end]
    if len(found) < 200:
        raise BenchmarkError(f"only {len(found)} requests were answered in {end - begin:.1f} s")
    return statistics.median(found), statistics.quantiles(found, n=100)[98], max(found)


def _report(result: Rounds, log: str, arguments: argparse.Namespace) -> None:
    rows = [
        [
            *(f"{value:.2f}" for value in (*item.quiet, *item.loading)),
            f"{item.loading[1] / item.quiet[1]:.2f}",
            f"{item.seconds:.1f}",
            *(f"{value:.0f}" for value in item.megabytes),
        ]
        for item in result.rounds
    ]
    heads = [
        "p50, ms", "p99", "most", "p50 while loading", "p99", "most", "ratio of the p99", "load took, s",
        "MB before", "loaded", "unloaded",
    ]  # fmt: skip
    ratio = statistics.median(item.loading[1] / item.quiet[1] for item in result.rounds)
    notes = [
        f"A model of {arguments.megabytes:g} MB; {arguments.clients} clients of the small one, with pauses.",
        f"p99 while loading by that without: {ratio:.2f} (median of the rounds; the goal is {GOAL:g}).",
    ]
    write("loading", table(heads, rows), notes)
    wrong = result.seen.wrong[:10] + [what for _, _, what in result.seen.broken[:10]]
    if ratio > GOAL:
        wrong.append(f"the neighbour's p99 was {ratio:.2f} times as long while the model loaded")
    for item in result.rounds:
        if item.megabytes[2] - item.megabytes[0] > 0.1 * arguments.megabytes:
            wrong.append(f"unloading left {item.megabytes[2] - item.megabytes[0]:.0f} MB")
    if "Traceback" in log:
        wrong.append(log[log.index("Traceback") - 200 :][:3000])
    if wrong:
        raise BenchmarkError("\n".join(wrong))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=4)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
