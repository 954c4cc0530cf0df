"""How long is a bad version in use? From the moment at which a canary begins to fail to the last answer of it.

The server on one core, callers with keys of their own on the other, at a constant rate. For each fault a canary is
started with the rule of the documentation; after some seconds of good requests its callers begin to send what the
version does wrong (one row in five), or the version is slow or of another opinion from its first request. Counted are
seconds from the first wrong answer to the rollout's end in the registry and to the last answer of the candidate, and
how many callers got an error. Must hold: each is aborted within ten seconds, and no answer comes from another version
than it says. Exits with 1 where one does not.

    python benchmarks/canary.py [--rounds 3] [--rate 400]
    python benchmarks/canary.py --short                     one round; prints and writes nothing
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import onnx
from batching import finish
from comparison import cores
from load import BenchmarkError
from report import table
from rollout_subject import BENCH, MODEL, followed

from modelport.registry.releases import RolloutPlan
from modelport.registry.sql import SqlRegistry

MOST = 10.0
RULE = "error_rate > 1% or p99 > 2x or disagreement > 2%"
PERCENT = 20.0
#: A failing version fails for inputs of this and more.
_BAD = 1000.0
_CONNECTIONS = 16
#: Fault → what the second version is like.
FAULTS = {"fails for one row in five": "fails", "ten times slower": "slow", "another opinion": "other"}


@dataclass
class Seen:
    """What the callers saw: moments of answers by version, of errors, and answers that are another version's."""

    answers: dict[int, list[float]] = field(default_factory=lambda: {1: [], 2: []})
    errors: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass
class Round:
    """Seconds from the first request that showed the fault to the abort, and to the candidate's last answer."""

    aborted: float
    last: float
    errors: int
    reason: str


def write_version(path: Path, kind: str) -> None:
    """`y` is 2 × `x`; that of `other` 3 × `x`. `fails` fails for large `x`, `slow` takes ten times as long."""
    helper = onnx.helper
    tanhs = 100 if kind == "slow" else 10
    nodes = [
        helper.make_node("Mul", ["x", "factor"], ["times"]),
        helper.make_node("ReduceSum", ["x"], ["sum"]),
        helper.make_node("Mul", ["sum", "nothing"], ["zero"]),
        helper.make_node("Add", ["start", "zero"], ["work0"]),
        *(helper.make_node("Tanh", [f"work{at}"], [f"work{at + 1}"]) for at in range(tanhs)),
        helper.make_node("ReduceSum", [f"work{tanhs}"], ["rest"]),
        helper.make_node("Mul", ["rest", "nothing"], ["none"]),
        helper.make_node("Add", ["times", "none"], ["added"]),
        helper.make_node("Clip", ["x", "low", "high" if kind == "fails" else "most"], ["place"]),
        helper.make_node("Cast", ["place"], ["index"], to=onnx.TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["looked"]),
        helper.make_node("Add", ["added", "looked"], ["y"]),
    ]
    weights = {
        "factor": np.array([3 if kind == "other" else 2], np.float32),
        "nothing": np.zeros(1, np.float32),
        "start": np.ones(20_000, np.float32),
        "table": np.zeros(int(_BAD), np.float32),
        "low": np.float32(0),
        "most": np.float32(_BAD - 1),
        "high": np.float32(2 * _BAD),
    }
    tensors = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n"]) for name in "xy"]
    stored = [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, kind, tensors[:1], tensors[1:], stored)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.write_bytes(made.SerializeToString())


class Callers:
    """Ask at a constant rate, each request with a key of its own. From `bad` on, one row in five is a large one."""

    def __init__(self, port: int, rate: float, factors: dict[int, float], seen: Seen) -> None:
        self._port, self._pause, self._factors, self.seen = port, _CONNECTIONS / rate, factors, seen
        self.bad = False
        self._number = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        await asyncio.gather(*(self._keep(at) for at in range(_CONNECTIONS)))

    async def _keep(self, at: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        due = time.monotonic() + self._pause * at / _CONNECTIONS
        try:
            while True:
                due += self._pause
                await asyncio.sleep(max(due - time.monotonic(), 0))
                await self._ask(reader, writer)
        finally:
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._number += 1
        x = _BAD + 1 if self.bad and self._number % 5 == 0 else float(self._number % 100)
        body = msgspec.json.encode({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [x]}]})
        head = f"POST /v2/models/{MODEL}/infer HTTP/1.1\r\nHost: here\r\nX-Routing-Key: {self._number}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        told = (await reader.readuntil(b"\r\n\r\n")).lower().decode()
        answer = await reader.readexactly(int(_header(told, "content-length")))
        version, now = int(_header(told, "x-model-version")), time.monotonic()
        if not told.startswith("http/1.1 200"):
            self.seen.errors.append(now)
            return
        self.seen.answers[version].append(now)
        document = msgspec.json.decode(answer)
        said, got = int(document["model_version"]), document["outputs"][0]["data"][0]
        if said != version or got != x * self._factors[version]:
            self.seen.wrong.append(f"{x} gave {got}, said to be of version {version} and {said}")


def _header(head: str, name: str) -> str:
    return head.split(f"\r\n{name}: ", 1)[1].split("\r", 1)[0]


def main() -> None:
    arguments = _arguments()
    server_core, load_core = cores()
    rows, held = [], {}
    for fault, kind in FAULTS.items():
        found = [_one(kind, (server_core, load_core), arguments) for _ in range(arguments.rounds)]
        aborted, last = (statistics.median(getattr(item, name) for item in found) for name in ("aborted", "last"))
        longest = max(item.aborted for item in found)
        errors = statistics.median(item.errors for item in found)
        rows.append([fault, f"{aborted:.2f}", f"{longest:.2f}", f"{last:.2f}", f"{errors:.0f}", found[-1].reason])
        held[f"{fault}: aborted after {longest:.1f} s at most, {MOST:g} allowed"] = longest <= MOST
    heads = ["fault", "aborted after, s", "longest", "last answer after, s", "errors for callers", "reason"]
    notes = [
        f"{arguments.rate:g} requests per second, {PERCENT:g} % of them to the canary; the rule: `{RULE}`.",
        "Medians of the rounds; seconds from the first request that showed the fault.",
    ]
    finish("canary", table(heads, rows), held, notes, write_it=not arguments.short)


def _one(kind: str, on: tuple[int, int], arguments: argparse.Namespace) -> Round:
    print(f"{kind}", flush=True)
    before = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = folder / "1.onnx", folder / "2.onnx"
        write_version(files[0], "good")
        write_version(files[1], kind)
        with followed(folder, files, on[0]) as (registry, subject):
            os.sched_setaffinity(0, {on[1]})
            try:
                return asyncio.run(_round(registry, subject.port, kind, arguments.rate))
            finally:
                os.sched_setaffinity(0, before)


async def _round(registry: SqlRegistry, port: int, kind: str, rate: float) -> Round:
    seen = Seen()
    callers = Callers(port, rate, {1: 2.0, 2: 3.0 if kind == "other" else 2.0}, seen)
    load = asyncio.create_task(callers.run())
    try:
        await asyncio.sleep(2.0)
        plan = RolloutPlan(candidate=2, steps=(PERCENT,), every=3600.0, abort_if=RULE)
        rollout = await asyncio.to_thread(registry.start_rollout, MODEL, plan, BENCH)
        await _until(lambda: bool(seen.answers[2]), load)
        if kind == "fails":
            await asyncio.sleep(5.0)
            callers.bad = True
            await _until(lambda: bool(seen.errors), load)
        begun = seen.errors[0] if kind == "fails" else seen.answers[2][0]
        while (await asyncio.to_thread(registry.rollout, rollout.id)).open:
            await asyncio.sleep(0.02)
            if time.monotonic() > begun + 60:
                raise BenchmarkError(f"{kind}: it was not aborted within a minute")
        aborted = time.monotonic() - begun
        await asyncio.sleep(2.0)
    finally:
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)
    if seen.wrong:
        raise BenchmarkError("\n".join(seen.wrong[:10]))
    last = max([*seen.answers[2], *seen.errors]) - begun
    return Round(aborted, last, len(seen.errors), registry.rollout(rollout.id).reason)


async def _until(true: Callable[[], bool], load: asyncio.Task[None]) -> None:
    until = time.monotonic() + 30
    while not true():
        if load.done():
            load.result()
        if time.monotonic() > until:
            raise BenchmarkError("the canary does not get any requests")
        await asyncio.sleep(0.005)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=400)
    parser.add_argument("--short", action="store_true", help="one round; prints only")
    arguments = parser.parse_args()
    arguments.rounds = 1 if arguments.short else arguments.rounds
    return arguments


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
