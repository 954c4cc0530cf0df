"""Minutes of mixed dialects on one server process, with broken clients among the good ones.

Every good request must be answered rightly. At the end descriptors, tasks and connections must be where they were
before the load, and memory where it was in the second quarter. That is looked at once the same load has been there for
some minutes: until then, tensors of all sizes side by side make the heap as large as it will be.

    python benchmarks/soak.py [--minutes 5] [--settle 3] [--good 12] [--bad 6]          needs grpcio
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from load import BenchmarkError
from report import table, write
from requests_to_send import ROOT
from servers import HERE, end, free_port
from soak_clients import Clients, Models
from soak_trouble import Trouble

#: How much memory may grow from the second quarter to the last one. What counts is the lowest tenth of the looks at it:
#: the large tensors that happen to be under way are no leak.
GROWTH = 1.05


@dataclass
class Seen:
    """What happened."""

    good: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    states: dict[str, dict[str, int]] = field(default_factory=dict)


class Subject:
    """The server process, seen from outside and, by a signal, from inside."""

    def __init__(self, models: Path, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._state = folder / "state.json"
        self.log = folder / "log"
        command = [sys.executable, str(HERE / "soak_server.py"), "serve", str(models), "--port", str(self.port)]
        environment = {**os.environ, "SOAK_STATE": str(self._state), "MODELPORT_DEFAULT_MODEL": "diabetes"}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, env=environment
            )

    def wait_ready(self) -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/v2/health/ready", timeout=1):
                return
            time.sleep(0.1)
        raise BenchmarkError(f"the server does not get ready:\n{self.log.read_text()[-3000:]}")

    def megabytes(self) -> float:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 1e6

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def state(self) -> dict[str, int]:
        """Tasks and objects as the process itself counts them, its descriptors, and connections as /metrics says."""
        self._state.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        while not self._state.exists():
            time.sleep(0.05)
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            found = re.search(r"^modelport_connections(?:\{[^}]*\})? (\d+)", answer.read().decode(), re.M)
        assert found is not None
        return {**json.loads(self._state.read_text()), "descriptors": self.descriptors(), "connections": int(found[1])}


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = _models(folder / "models")
        subject = Subject(models, folder)
        try:
            subject.wait_ready()
            seen = asyncio.run(_soak(subject, Models(models), arguments))
        finally:
            end(subject.process)
        _report(seen, arguments, subject.log.read_text())


def _models(folder: Path) -> Path:
    """Two of the examples, an identity of numbers and one of texts."""
    folder.mkdir()
    for model in ("breast-cancer", "diabetes"):
        shutil.copy(ROOT / "examples" / "models" / f"{model}.onnx", folder)
    helper = onnx.helper
    for model, element in (("identity", onnx.TensorProto.FLOAT), ("texts", onnx.TensorProto.STRING)):
        tensors = [helper.make_tensor_value_info(name, element, ["n", "m"]) for name in "xy"]
        node = helper.make_node("Identity", ["x"], ["y"])
        graph = helper.make_graph([node], model, tensors[:1], tensors[1:])
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        (folder / f"{model}.onnx").write_bytes(made.SerializeToString())
    return folder


async def _soak(subject: Subject, models: Models, arguments: argparse.Namespace) -> Seen:
    seen = Seen()
    clients, trouble = Clients(subject.url, models), Trouble(subject.port)
    for name, ask in clients.all().items():  # one of each first: what is made only once is there then
        await _ask(name, ask, seen)
    seen.states["before"] = await asyncio.to_thread(subject.state)
    since = time.monotonic() + arguments.settle * 60
    until = since + arguments.minutes * 60
    workers = [_good(clients, seen, until) for _ in range(arguments.good)]
    workers += [_bad(trouble, clients, seen, until) for _ in range(arguments.bad)]
    await asyncio.gather(_watch(subject, seen, since, until), *workers)
    await clients.close()
    seen.states["after"] = await _settled(subject, seen.states["before"])
    return seen


async def _good(clients: Clients, seen: Seen, until: float) -> None:
    kinds = clients.all()
    while time.monotonic() < until:
        name = random.choice(list(kinds))
        await _ask(name, kinds[name], seen)


async def _ask(name: str, ask: Callable[[], Awaitable[None]], seen: Seen) -> None:
    try:
        await ask()
        seen.good[name] += 1
    except Exception as error:  # told at the end
        seen.failures.append(f"{name}: {type(error).__name__}: {error}")


async def _bad(trouble: Trouble, clients: Clients, seen: Seen, until: float) -> None:
    kinds = {**trouble.all(), "cancelled_calls": clients.cancel_calls}
    while time.monotonic() < until:
        name = random.choice(list(kinds))
        with contextlib.suppress(OSError):
            await kinds[name]()
        seen.bad[name] += 1


async def _watch(subject: Subject, seen: Seen, since: float, until: float) -> None:
    await asyncio.sleep(since - time.monotonic())
    while time.monotonic() < until and subject.process.poll() is None:
        seen.megabytes.append(subject.megabytes())
        seen.descriptors.append(subject.descriptors())
        await asyncio.sleep(0.5)


async def _settled(subject: Subject, before: dict[str, int]) -> dict[str, int]:
    """The state once everything has gone, or after half a minute."""
    until = time.monotonic() + 30
    while True:
        await asyncio.sleep(1.5)  # /metrics counts connections once a second
        state = await asyncio.to_thread(subject.state)
        if time.monotonic() > until or not any(more(name, before, state) for name in state):
            return state


def more(name: str, before: dict[str, int], after: dict[str, int]) -> bool:
    """Whether that is still held; the connection that asks for the state is one itself."""
    return after[name] > (max(before[name], 1) if name == "connections" else before[name])


def _report(seen: Seen, arguments: argparse.Namespace, log: str) -> None:
    quarter = len(seen.megabytes) // 4
    windows = [sorted(seen.megabytes[at * quarter : (at + 1) * quarter]) for at in range(4)]
    floors = [window[len(window) // 10] for window in windows]
    sizes = [[str(at + 1), f"{floors[at]:.1f}", f"{statistics.median(windows[at]):.1f}"] for at in range(4)]
    before, after = seen.states["before"], seen.states["after"]
    good = [[name, f"{count:,}"] for name, count in sorted(seen.good.items())]
    bad = [[name, f"{count:,}"] for name, count in sorted(seen.bad.items())]
    held = [[name, str(before[name]), str(after[name])] for name in before]
    body = "\n\n".join(
        [
            f"{seen.good.total():,} good requests, {len(seen.failures)} failed; {seen.bad.total():,} bad clients.",
            table(["good requests", "right answers"], good),
            table(["bad clients", "times"], bad),
            table(["held by the server", "before", "after"], held),
            table(["quarter", "memory, MB: lowest tenth", "median"], sizes),
        ]
    )
    tracebacks = log.count("Traceback")
    notes = [
        f"{arguments.minutes:g} minutes, behind {arguments.settle:g} of the same in which the heap fills up.",
        f"Most descriptors at a time: {max(seen.descriptors)}.",
        f"Tracebacks in the log: {tracebacks}.",
    ]
    write("soak", body, notes)
    _judge(seen, floors, log)


def _judge(seen: Seen, floors: list[float], log: str) -> None:
    before, after = seen.states["before"], seen.states["after"]
    wrong = seen.failures[:10]
    wrong += [f"{name}: {before[name]} before, {after[name]} after" for name in before if more(name, before, after)]
    if floors[3] > floors[1] * GROWTH:
        wrong.append(f"memory grew from {floors[1]:.1f} to {floors[3]:.1f} MB")
    if "Traceback" in log:
        wrong.append(f"the server's log has tracebacks:\n{log[log.index('Traceback') - 200 :][:3000]}")
    if wrong:
        raise BenchmarkError("\n".join(wrong))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--settle", type=float, default=3, help="minutes of the same before memory is looked at")
    parser.add_argument("--good", type=int, default=12, help="good clients at a time")
    parser.add_argument("--bad", type=int, default=6, help="bad clients at a time")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
