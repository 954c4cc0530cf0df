"""A model is loaded again 200 times under load, each time from a file that answers other numbers.

No request may fail, no answer may be wrong, and memory and descriptors must stay where they were.

    python benchmarks/reloads.py [--times 200] [--megabytes 10]          needs grpcio
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from load import BenchmarkError
from report import table, write
from servers import end, free_port
from subject import Subject
from worker_clients import Clients, Seen, write_table

#: How much more memory the last quarter may show than the second one. The lowest tenth of the looks counts: while a
#: model loads there are two of it.
GROWTH = 1.05
_FACTORS = (1.0, 2.0, 3.0)


@dataclass
class Looks:
    """What the server held after each reload, and how long that took."""

    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "models" / "table.onnx"
        model.parent.mkdir()
        write_table(model, _FACTORS[0], arguments.megabytes)
        subject = Subject(model.parent, folder, free_port())
        try:
            subject.wait_ready()
            seen, looks = asyncio.run(_run(subject, model, arguments))
        finally:
            end(subject.process)
        _report(seen, looks, subject.log.read_text(), arguments)


async def _run(subject: Subject, model: Path, arguments: argparse.Namespace) -> tuple[Seen, Looks]:
    seen, looks, begun = Seen(), Looks(), time.monotonic()
    clients = Clients(subject.port, "table", _FACTORS, seen)
    load = asyncio.create_task(clients.run(begun + 3600, arguments.http, arguments.calls))
    try:
        for number in range(1, arguments.times + 1):
            await asyncio.to_thread(write_table, model, _FACTORS[number % 3], arguments.megabytes)
            start = time.monotonic()
            await asyncio.to_thread(subject.post, "/v2/repository/models/table/load")
            looks.seconds.append(time.monotonic() - start)
            looks.megabytes.append(subject.megabytes())
            looks.descriptors.append(subject.descriptors())
            if load.done():
                break
    finally:
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)
    return seen, looks


def _report(seen: Seen, looks: Looks, log: str, arguments: argparse.Namespace) -> None:
    rows = [[kind, f"{count:,}"] for kind, count in sorted(seen.answers.items())]
    rows += [["failed", str(len(seen.broken) + seen.refused.total())], ["wrong", str(len(seen.wrong))]]
    quarter = len(looks.megabytes) // 4
    windows = [sorted(looks.megabytes[at * quarter : (at + 1) * quarter]) for at in range(4)]
    floors = [window[len(window) // 10] for window in windows]
    held = [
        [str(at + 1), f"{floors[at]:.1f}", f"{statistics.median(windows[at]):.1f}",
         _range(looks.descriptors[at * quarter : (at + 1) * quarter])]
        for at in range(4)
    ]  # fmt: skip
    heads = ["quarter of the reloads", "memory, MB: lowest tenth", "median", "descriptors"]
    body = "\n\n".join([table(["requests", "count"], rows), table(heads, held)])
    notes = [
        f"{len(looks.seconds)} reloads of a model of {arguments.megabytes:g} MB; one took "
        f"{statistics.median(looks.seconds) * 1e3:.0f} ms (median), digest, warm-up and measurement among it.",
        f"Requests over HTTP: p99 {statistics.quantiles(seen.milliseconds, n=100)[98]:.1f} ms.",
    ]
    write("reloads", body, notes)
    _judge(seen, looks, floors, log)


def _range(counts: list[int]) -> str:
    return f"{min(counts)}–{max(counts)}"


def _judge(seen: Seen, looks: Looks, floors: list[float], log: str) -> None:
    wrong = seen.wrong[:10] + [f"{what} on port {port}" for _, port, what in seen.broken[:10]]
    if floors[3] > floors[1] * GROWTH:
        wrong.append(f"memory grew from {floors[1]:.1f} to {floors[3]:.1f} MB")
    half = len(looks.descriptors) // 2
    fewest = [min(looks.descriptors[:half]), min(looks.descriptors[half:])]  # more are connections that come and go
    if fewest[1] > fewest[0]:
        wrong.append(f"descriptors grew from {fewest[0]} to {fewest[1]}")
    if "Traceback" in log:
        wrong.append(log[log.index("Traceback") - 200 :][:3000])
    if wrong:
        raise BenchmarkError("\n".join(wrong))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--http", type=int, default=6, help="HTTP clients at a time")
    parser.add_argument("--calls", type=int, default=2, help="gRPC clients at a time")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
