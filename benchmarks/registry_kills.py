"""kill −9 at random moments while versions are pushed, promoted, rolled out and back, and garbage collected; then look.

    python benchmarks/registry_kills.py --rounds 300
    python benchmarks/registry_kills.py --rounds 300 --registry postgresql://user@/name?host=/tmp/socket

Exits with 1 where an acknowledged version or change is lost, a version is not whole, numbers have gaps, a rollout is
open beside another version than its alias names, or the history does not verify. Needs no server; the registry has to
be empty.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import registry_kills_releases as releases

from modelport.artifacts.local import LocalStore
from modelport.core.errors import ConflictError
from modelport.db.opening import open_database
from modelport.registry.packing import Inspected, Packed, Said, pack
from modelport.registry.records import By
from modelport.registry.sql import SqlRegistry
from modelport.registry.transfers import push_packed

PART = 4000
#: Seconds; longer than a push takes that is not killed.
GRACE = 1.0
BY = By("kills", "a benchmark")
Acknowledge = Callable[[str], None]


def main() -> None:
    """Read the arguments, kill, and look."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300, help="how many times a process is killed")
    parser.add_argument("--registry", default="", help="the database's URL; else SQLite in a folder of its own")
    parser.add_argument(
        "--seconds", type=float, default=0.25, help="the longest that a process lives, or longer where pushes take long"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        url = arguments.registry or f"sqlite:///{home / 'registry.db'}"
        acknowledged = kill_many(home, url, arguments.rounds, arguments.seconds)
        problems = look(home, url, acknowledged)
    print("\n".join(problems) or "nothing lost, nothing half, and the history verifies")
    sys.exit(1 if problems else 0)


def open_registry(home: Path, url: str) -> SqlRegistry:
    """The registry under test: parts are small, so that uploads have many."""
    return SqlRegistry(open_database(url), LocalStore(home / "artifacts", PART))


def kill_many(home: Path, url: str, rounds: int, seconds: float) -> list[str]:
    """Start processes and kill them, always several at a time; gives what they said was done."""
    lines, took = push_one(home, url)
    seconds = max(seconds, 5 * took)  # a busy machine needs longer to get anywhere
    running: list[tuple[int, int, float]] = []
    for number in range(rounds):
        work = (push_forever, releases.release_forever, push_forever, releases.roll_out_forever, collect_forever)[
            number % 5
        ]
        running.append((*start(work, home, url), time.monotonic() + random.uniform(0.005, seconds)))
        while len(running) > (3 if number < rounds - 1 else 0):
            running.sort(key=lambda item: item[2])
            lines += stop(*running.pop(0))
    pushed, changed = (sum(line.startswith(word) for line in lines) for word in ("pushed", "changed"))
    print(f"{rounds} processes killed; {pushed} versions and {changed} changes of what is served were acknowledged")
    return lines


def push_one(home: Path, url: str) -> tuple[list[str], float]:
    """A first version; gives what was acknowledged, and its seconds. What it imports need not be imported by each."""
    registry, lines = open_registry(home, url), list[str]()
    begun = time.monotonic()
    made = push_packed(registry, "fraud", pack_example(home), BY)
    lines.append(f"pushed {made.number} {made.digest}")
    registry.close()
    return lines, time.monotonic() - begun


def start(work: Callable[..., None], home: Path, url: str) -> tuple[int, int]:
    """A process that works until it is killed: its id, and where it says what it has done."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    code = 1
    try:
        work(open_registry(home, url), home, lambda line: os.write(writing, f"{line}\n".encode()))
    except BaseException as error:
        os.write(writing, f"failed: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)


def stop(pid: int, reading: int, until: float) -> list[str]:
    """Kill the process when its time has come; gives the lines that it wrote."""
    time.sleep(max(0.0, until - time.monotonic()))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with os.fdopen(reading) as said:
        return [line for line in said.read().split("\n") if line]


def pack_example(home: Path) -> Packed:
    """A model of four files, some of them with many parts; two have the same content."""
    folder = home / f"model-{secrets.token_hex(8)}"
    folder.mkdir()
    # one of few, so that processes come upon what others left; the second is new each time
    seed = random.Random(random.randrange(30))
    (folder / "weights").write_bytes(seed.randbytes(seed.randrange(0, 10 * PART)))
    (folder / "weights2").write_bytes(os.urandom(random.randrange(0, 10 * PART)))
    (folder / "labels").write_bytes(b"yes,no")
    (folder / "labels2").write_bytes(b"yes,no")
    return pack(folder, (), Inspected("test"), Said("kills"))


def push_forever(registry: SqlRegistry, home: Path, acknowledge: Acknowledge) -> None:
    """Push new versions, each with an alias, and say each when it was acknowledged."""
    while True:
        made = push_packed(registry, "fraud", pack_example(home), BY, alias="staging")
        acknowledge(f"pushed {made.number} {made.digest}")
        try:
            present = registry.model("fraud").aliases.get("production", 0)
            registry.set_alias("fraud", "production", made.number, BY, expect=present)
        except ConflictError:
            acknowledge("conflict")


def collect_forever(registry: SqlRegistry, _: Path, acknowledge: Acknowledge) -> None:
    """Remove what nothing names after a short grace: what killed processes left, and others come to need again."""
    while True:
        registry.collect(GRACE)
        acknowledge("collected")


def look(home: Path, url: str, lines: list[str]) -> list[str]:
    """What is wrong, in words."""
    registry = open_registry(home, url)
    problems = [line for line in lines if line.startswith("failed")]
    there: dict[int, str] = {}
    while page := registry.versions("fraud", min(there, default=None), 1000):
        there |= {version.number: version.digest for version in page}
    if sorted(there) != list(range(1, len(there) + 1)):
        problems.append("the numbers have gaps")
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "pushed" and there.get(int(rest.split()[0])) != rest.split()[1]:
            problems.append(f"acknowledged, but not there: {rest}")
    registry.collect(-60)
    for number in there:
        manifest = registry.version("fraud", number).manifest
        assert manifest is not None
        for file in manifest.files:
            size = sum(map(len, registry.store.read(file.sha256)))  # raises where it is not there, or damaged
            if size != file.size:
                problems.append(f"fraud@{number}: {file.path} has {size} bytes")
    problems += releases.look(registry, lines)
    found = registry.verify()
    print(f"{len(there)} versions and {found.events} events are there")
    registry.close()
    return problems + list(found.problems)


if __name__ == "__main__":
    main()
