"""A model is promoted and rolled back 100 times under load, on two servers that follow one registry, one with workers.

No request may fail. Each answer's numbers must be those of the version that its header names; between two changes, once
all have the new version, nobody else may answer; memory must stay where it was.

    python benchmarks/promotions.py [--times 100] [--megabytes 10]          needs grpcio
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

from load import BenchmarkError
from promotion_clients import Clients, Seen
from report import table, write
from servers import end, free_port
from subject import Subject
from worker_clients import write_table

from modelport.registry.opening import RegistrySettings, open_registry
from modelport.registry.packing import Inspected, Said, pack
from modelport.registry.records import By
from modelport.registry.sql import SqlRegistry
from modelport.registry.transfers import push_packed

MODEL, VERSIONS = "table", 4
_BY = By("benchmark", "a hundred times")
#: The last look at memory may show so much more than an early one: the lowest tenth of a quarter's looks each.
GROWTH = 1.10
#: Seconds in which all servers must have a version, loaded as it may have to be.
_PATIENCE = 60.0


@dataclass
class Changes:
    """What each change took, in seconds from before it was made: to the first answer, and to the last of the old one.

    `megabytes` is what all processes of the servers held afterwards.
    """

    first: list[float] = field(default_factory=list)
    everywhere: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry = open_registry(RegistrySettings(str(folder / "home")))
        _push(registry, folder, arguments.megabytes)
        registry.promote(MODEL, 1, _BY)
        subjects = [_start(folder, f"server-{workers}", "--workers", str(workers)) for workers in (1, 2)]
        try:
            for subject in subjects:
                subject.wait_ready(MODEL)
            seen = Seen(1)
            kinds = asyncio.run(_run(registry, subjects, seen, arguments))
        finally:
            for subject in subjects:
                end(subject.process)
        _report(seen, kinds, [subject.log.read_text() for subject in subjects], arguments)


def _start(folder: Path, name: str, *options: str) -> Subject:
    (folder / name).mkdir()
    return Subject(Path(f"--home={folder / 'home'}"), folder / name, free_port(), *options)


def _push(registry: SqlRegistry, folder: Path, megabytes: float) -> None:
    for number in range(1, VERSIONS + 1):
        write_table(folder / "table.onnx", float(number), megabytes)
        push_packed(registry, MODEL, pack(folder / "table.onnx", (), Inspected("onnx"), Said()), _BY)


async def _run(
    registry: SqlRegistry, subjects: list[Subject], seen: Seen, arguments: argparse.Namespace
) -> dict[str, Changes]:
    kinds = {"promotion": Changes(), "rollback": Changes()}
    clients = [Clients(subject.port, MODEL, seen) for subject in subjects]
    load = asyncio.gather(*(item.run(arguments.http, arguments.calls) for item in clients))
    try:
        await asyncio.sleep(3)
        for number in range(arguments.times):
            kind = "rollback" if number % 2 else "promotion"
            await _change(registry, kind, seen, kinds[kind], clients)
            kinds[kind].megabytes.append(sum(_megabytes(subject.process.pid) for subject in subjects))
            if load.done():
                break
            await asyncio.sleep(arguments.pause)
    finally:
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)
    return kinds


async def _change(registry: SqlRegistry, kind: str, seen: Seen, changes: Changes, clients: list[Clients]) -> None:
    before = seen.expected
    after = await asyncio.to_thread(_target, registry, kind, before)
    begun = seen.begin(before, after)
    if kind == "promotion":
        await asyncio.to_thread(registry.promote, MODEL, after, _BY)
    else:
        await asyncio.to_thread(registry.rollback, MODEL, _BY)
    while not all(client.all_have(after) for client in clients):
        if time.monotonic() - begun > _PATIENCE:
            raise BenchmarkError(f"version {after} does not answer everywhere after {_PATIENCE} s")
        await asyncio.sleep(0.01)
    changes.first.append(seen.first - begun)
    changes.everywhere.append(seen.last_old - begun)
    seen.settle(after)


def _target(registry: SqlRegistry, kind: str, before: int) -> int:
    """The version that a promotion takes; the one that a rollback gives is what the servers keep warm."""
    if kind == "promotion":
        return before % VERSIONS + 1
    [model] = registry.desired().models
    return model.warm[0]


def _megabytes(pid: int) -> float:
    """Resident memory of a process and its children."""
    pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    pages = sum(int(Path(f"/proc/{item}/statm").read_text().split()[1]) for item in pids)
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def _report(seen: Seen, kinds: dict[str, Changes], logs: list[str], arguments: argparse.Namespace) -> None:
    rows = [[kind, f"{count:,}"] for kind, count in sorted(seen.answers.items())]
    rows += [["failed", str(len(seen.failed))], ["wrongly versioned, or wrong numbers", str(len(seen.wrong))]]
    times = [
        [f"{len(changes.first)} {kind}s", *(_times(taken) for taken in (changes.first, changes.everywhere))]
        for kind, changes in kinds.items()
    ]
    looks = [looks for pair in zip(*(kind.megabytes for kind in kinds.values()), strict=False) for looks in pair]
    quarter = max(len(looks) // 4, 1)
    floors = [sorted(looks[at * quarter : (at + 1) * quarter])[quarter // 10] for at in range(4)]
    heads = ["change", "until its first answer, s: median, longest", "until the last answer of the version before"]
    body = "\n\n".join([table(["requests", "count"], rows), table(heads, times)])
    notes = [
        f"Two servers on one SQLite registry, one of two workers; {arguments.http} HTTP clients and {arguments.calls} "
        f"gRPC clients on each; models of {arguments.megabytes:g} MB.",
        "A promotion loads the version; a rollback finds it loaded.",
        "Memory of all processes, the lowest tenth of each quarter of the changes: "
        + ", ".join(f"{floor:.0f}" for floor in floors)
        + " MB.",
    ]
    write("promotions", body, notes)
    wrong = [*seen.failed[:10], *seen.wrong[:10]]
    wrong += [log[log.index("Traceback") - 200 :][:3000] for log in logs if "Traceback" in log]
    if floors[3] > floors[1] * GROWTH:
        wrong.append(f"memory grew from {floors[1]:.0f} to {floors[3]:.0f} MB")
    if wrong:
        raise BenchmarkError("\n".join(wrong))


def _times(taken: list[float]) -> str:
    return f"{statistics.median(taken):.2f}, {max(taken):.2f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--http", type=int, default=6, help="HTTP clients at a time, for each server")
    parser.add_argument("--calls", type=int, default=2, help="gRPC clients at a time, for each server")
    parser.add_argument("--pause", type=float, default=0.3, help="seconds between two changes")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
