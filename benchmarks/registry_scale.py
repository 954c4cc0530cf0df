"""How fast a large registry answers: 10,000 versions and a million events, 10,000 evaluations and 100,000 outcomes.

    python benchmarks/registry_scale.py
    python benchmarks/registry_scale.py --registry postgresql://user@/name?host=/tmp/socket

Writes the rows straight into the tables, as pushes would, and times each question. The registry has to be empty.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from modelport.artifacts.local import LocalStore
from modelport.db.database import Database
from modelport.db.opening import open_database
from modelport.db.schema import aliases, chain, evaluations, events, models, outcomes, tags, version_files, versions
from modelport.registry.events import BEGINNING, Change, event_row
from modelport.registry.packing import Inspected, Packed, Said, pack
from modelport.registry.records import By
from modelport.registry.releases import RolloutChange, RolloutPlan
from modelport.registry.sql import SqlRegistry
from modelport.registry.transfers import push_packed

MODELS = 200
BY = By("ann", "a benchmark")
BATCH = 5000
START = 1_700_000_000_000_000
Row = dict[str, Any]
OUTCOME: Row = {"outcome": 1.0, "note": "", "at": START}


def main() -> None:
    """Read the arguments, fill, and time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", type=int, default=10_000, help="half of them of one model")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--registry", default="", help="the database's URL; else SQLite in a folder of its own")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(arguments.registry or Path(folder) / "registry.db")
        store = LocalStore(Path(folder) / "artifacts")
        begun = time.perf_counter()
        (Path(folder) / "model").write_bytes(b"a model")
        packed = pack(Path(folder) / "model", (), Inspected("onnx"), Said("ann", {"accuracy": 0.98}))
        fill(database, packed, arguments.versions, arguments.events)
        print(f"filled in {time.perf_counter() - begun:.0f} s")
        ask(database, store, packed)
        database.close()


def fill(database: Database, packed: Packed, many: int, most: int) -> None:
    """Models, versions, aliases and tags, and then events about them until there are enough."""
    numbers = {f"model-{at:03}": many // 2 // MODELS for at in range(MODELS)} | {"fraud": many - many // 2}
    with database.write() as connection:
        log = Log(connection)
        text = packed.manifest.to_json().decode()
        for at, (name, last) in enumerate(numbers.items(), 1):
            for table, rows in tables(packed, text, at, name, last).items():
                for batch in batches(iter(rows)):
                    connection.execute(sa.insert(table), batch)
            log.add(Change("model.created", name))
            for number in range(1, last + 1):
                log.add(Change("version.pushed", name, number, packed.manifest.digest, {"format": "onnx"}))
            log.add(Change("alias.set", name, 1, "production", {"before": None}))
        names = list(numbers)
        while log.seq < most:  # every other one about the largest model
            name = "fraud" if log.seq % 2 else names[log.seq % len(names)]
            kind, subject = [("described", ""), ("tag.set", "team"), ("promoted", "production")][log.seq % 3]
            log.add(Change(kind, name, 1 + log.seq % numbers[name], subject, {"value": "risk"}))
        log.end()
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("ANALYZE"))


class Log:
    """Events in a chain, written some thousands at a time."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.seq, self._last, self._rows = 0, BEGINNING, list[Row]()

    def add(self, change: Change) -> None:
        """Write one event."""
        self.seq += 1
        self._rows.append(event_row(self.seq, START + self.seq * 1_000_000, change, BY, self._last))
        self._last = self._rows[-1]["hash"]
        if len(self._rows) == BATCH:
            self._write()

    def end(self) -> None:
        """Write what is left, and the end of the chain."""
        self._write()
        self._connection.execute(
            sa.update(chain).values(seq=self.seq, at=START + self.seq * 1_000_000, hash=self._last)
        )

    def _write(self) -> None:
        if self._rows:
            self._connection.execute(sa.insert(events), self._rows)
        self._rows = []


def tables(packed: Packed, text: str, at: int, name: str, last: int) -> dict[sa.Table, list[Row]]:
    """The rows of one model."""
    manifest, first = packed.manifest, at * 1_000_000
    made = {"created_at": START, "created_by": "ann"}
    same = {"digest": manifest.digest, "manifest": text, "format": "onnx", "size": 7}
    same |= {"metrics": '{"accuracy":0.98}', "description": "a version", **made}
    numbers = range(1, last + 1)
    named = {"model_id": at, "name": "production", "version_id": first + 1, "changed_at": START, "changed_by": "ann"}
    return {
        models: [{"id": at, "name": name, "description": "a model", "last_number": last, **made}],
        versions: [
            {"id": first + number, "model_id": at, "number": number, "manifest_digest": f"{first + number:064}", **same}
            for number in numbers
        ],
        version_files: [
            {"version_id": first + number, "path": "model", "digest": manifest.files[0].sha256} for number in numbers
        ],
        aliases: [named],
        tags: [{"model_id": at, "number": number, "name": "team", "value": "risk"} for number in (0, *numbers)],
        evaluations: [{"version_id": first + number, **judged(number), **made} for number in numbers],
        outcomes: [
            {"model_id": at, "request_id": f"{at}-{item}", "version": 1 + item % 2, "rollout": 1, **OUTCOME}
            for item in range(10 * last)
        ],
    }


def judged(number: int) -> Row:
    """The rest of an evaluation's row."""
    row = {"state": "done", "dataset": "test.csv", "dataset_digest": "0" * 64, "metrics": '{"accuracy":0.98}'}
    return {**row, "document": f'{{"number":{number}}}'}


def ask(database: Database, store: LocalStore, packed: Packed) -> None:
    """Time each question, and each change."""
    registry = SqlRegistry(database, store)
    last = registry.history(limit=1)[0].seq
    middle = registry.history(before=last // 2, limit=1)[0].at
    numbers = count(2)
    questions: dict[str, Callable[[], object]] = {
        "list 200 models": lambda: registry.models(limit=1000),
        "list the newest 100 of 5,000 versions": lambda: registry.versions("fraud"),
        "list 1,000 of them from the middle": lambda: registry.versions("fraud", 2500, 1000),
        "show a model": lambda: registry.model("fraud"),
        "show a version": lambda: registry.version("fraud", "production"),
        "history of all, newest 100": registry.history,
        "history of all, 100 from the middle": lambda: registry.history(before=last // 2),
        "history of a model, newest 100": lambda: registry.history("fraud"),
        "history of a model, 100 from the middle": lambda: registry.history("fraud", last // 2),
        "history of a small model, newest 100": lambda: registry.history("model-007"),
        "aliases of a model half-way back": lambda: registry.aliases_at("fraud", middle),
        "number of the last event": registry.head,
        "what 201 models should serve, first": lambda: SqlRegistry(database, store).desired(),
        "what 201 models should serve, again": registry.desired,
        "evaluations of a model, newest 100": lambda: registry.evaluations("fraud"),
        "outcomes of 50,000 requests": lambda: registry.outcomes("fraud"),
        "promote a version": lambda: registry.promote("fraud", next(numbers), BY),
        "roll back": lambda: registry.rollback("fraud", BY),
        "begin and end a rollout": lambda: roll_out(registry, next(numbers)),
        "push a version": lambda: push_packed(registry, "fraud", packed, BY),
        "change a description": lambda: registry.describe("fraud", None, str(time.time_ns()), BY),
    }
    for name, question in questions.items():
        print(f"{name:45} {timed(question)}")
    begun = time.perf_counter()
    found = registry.verify()
    print(f"{'verify ' + str(found.events) + ' events':45} {time.perf_counter() - begun:6.1f} s")


def roll_out(registry: SqlRegistry, number: int) -> None:
    """A rollout in its two changes."""
    begun = registry.start_rollout("fraud", RolloutPlan(number), BY)
    registry.change_rollout(begun.id, RolloutChange(state="ended"), BY)


def timed(question: Callable[[], object], times: int = 30) -> str:
    """The median and the longest of several runs, in milliseconds."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        question()
        took.append((time.perf_counter() - begun) * 1000)
    return f"{statistics.median(took):6.1f} ms, at most {max(took):6.1f} ms"


def batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """The rows, some thousands at a time."""
    while batch := list(islice(rows, BATCH)):
        yield batch


if __name__ == "__main__":
    main()
