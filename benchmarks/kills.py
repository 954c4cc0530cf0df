"""kill -9 of a worker every two seconds, under load.

Only the requests that were on the killed worker's connections may fail, each with a connection error or a 503; no
answer may be wrong.

    python benchmarks/kills.py [--seconds 30] [--every 2]          needs grpcio
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import signal
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

#: An error of a gRPC call comes this much after its worker's end, in seconds; its connection can't be told otherwise.
_SOON = 1.0


@dataclass
class Kill:
    """A worker's end: when, who was connected to it, and how long until there was another."""

    moment: float
    ports: set[int]
    replaced_after: float = 0.0


@dataclass
class Killer:
    """Ends workers, one after the other."""

    pid: int
    kills: list[Kill] = field(default_factory=list)

    def workers(self) -> list[int]:
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    async def run(self, until: float, every: float) -> None:
        while time.monotonic() + every < until:
            await asyncio.sleep(every)
            before = set(self.workers())
            victim = random.choice(sorted(before))
            os.kill(victim, signal.SIGSTOP)  # so that who is connected to it does not change any more
            kill = Kill(time.monotonic(), client_ports(victim))
            os.kill(victim, signal.SIGKILL)
            self.kills.append(kill)
            while len(set(self.workers()) - before) == 0:
                await asyncio.sleep(0.005)
            kill.replaced_after = time.monotonic() - kill.moment


def client_ports(pid: int) -> set[int]:
    """The ports of those who are connected to a process."""
    links = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {found[1] for link in links if (found := re.match(r"socket:\[(\d+)\]", link))}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {int(row[2].rpartition(":")[2], 16) for row in rows if row[9] in inodes}


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "models").mkdir()
        write_table(folder / "models" / "table.onnx", 3, megabytes=10)
        subject = Subject(folder / "models", folder, free_port(), "--workers", str(arguments.workers))
        try:
            subject.wait_ready()
            seen, killer = asyncio.run(_run(subject, arguments))
        finally:
            end(subject.process)
        _report(seen, killer.kills, subject)


async def _run(subject: Subject, arguments: argparse.Namespace) -> tuple[Seen, Killer]:
    seen, killer = Seen(), Killer(subject.process.pid)
    until = time.monotonic() + arguments.seconds
    clients = Clients(subject.port, "table", (3,), seen)
    await asyncio.gather(killer.run(until, arguments.every), clients.run(until + 1, arguments.http, arguments.calls))
    return seen, killer


def unexplained(seen: Seen, kills: list[Kill]) -> list[str]:
    """Failures of requests that were not on a worker when it was killed."""
    found = []
    for moment, port, what in seen.broken:
        on_killed = any(port in kill.ports and kill.moment <= moment for kill in kills)
        after_kill = port == 0 and any(kill.moment <= moment <= kill.moment + _SOON for kill in kills)
        if not (on_killed or after_kill):
            found.append(f"{what} on port {port}")
    return found


def _report(seen: Seen, kills: list[Kill], subject: Subject) -> None:
    rows = [[kind, f"{count:,}"] for kind, count in sorted(seen.answers.items())]
    rows += [["connections that broke with a request", f"{len(seen.broken):,}"]]
    rows += [["answers 503", f"{seen.refused['HTTP 503']:,}"], ["wrong answers", str(len(seen.wrong))]]
    rows += [["connections of killed workers", str(sum(len(kill.ports) for kill in kills))]]
    times = [kill.replaced_after * 1e3 for kill in kills]
    notes = [
        f"{len(kills)} kills; another process was there after {statistics.median(times):.0f} ms (median), "
        f"{max(times):.0f} ms at most.",
        f"The longest that an answered request over HTTP took: {max(seen.milliseconds):.0f} ms.",
    ]
    write("kills", table(["what clients saw", "count"], rows), notes)
    wrong = seen.wrong[:10] + unexplained(seen, kills)[:10]
    if "Traceback" in subject.log.read_text():
        wrong.append(subject.log.read_text()[-3000:])
    if subject.process.returncode != 0:
        wrong.append(f"the server ended with {subject.process.returncode}")
    if max(times) > 1000:
        wrong.append("a worker was not replaced within a second")
    if wrong:
        raise BenchmarkError("\n".join(wrong))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--every", type=float, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--http", type=int, default=12, help="HTTP clients at a time")
    parser.add_argument("--calls", type=int, default=4, help="gRPC clients at a time")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
