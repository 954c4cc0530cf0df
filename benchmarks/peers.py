"""Modelport and the systems that people know, on the same work in one run: a table, and pictures.

The server on one core, the load on another, the systems one after the other. What a system does not speak is left
empty; what it fails at, and what can't be installed, is said below the table.

    python benchmarks/peers.py                    all, about 20 minutes; the first time it installs them (2 GB)
    python benchmarks/peers.py --short            1 s per measurement, prints and writes nothing
    python benchmarks/peers.py --systems modelport triton mosec
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from comparison import cores
from load import BenchmarkError
from peers_report import print_report, write_report
from systems import SYSTEMS, NotInstalledError, System
from trial import Trial, started
from workloads import Workload, workloads

from modelport.client.address import parse_address
from modelport.client.load import Outcome, Plan, run


@dataclass(frozen=True)
class Case:
    """One measurement; its name is what the table says."""

    name: str
    model: str
    dialect: str
    connections: int


SMALL = [
    Case(f"table row, {dialect}, {count} connection{'s' * (count > 1)}", "breast-cancer", dialect, count)
    for dialect in ("json", "binary", "grpc")
    for count in (1, 32, 128)
    if dialect != "binary" or count == 32
]
LARGE = [
    Case("image 3 × 224 × 224, binary, 1 connection", "pixels", "binary", 1),
    Case("image 3 × 224 × 224, binary, 8 connections", "pixels", "binary", 8),
    Case("image 3 × 224 × 224, grpc, 8 connections", "pixels", "grpc", 8),
    Case("identity of 16 MB, binary, 1 connection", "identity", "binary", 1),
    Case("identity of 16 MB, grpc, 1 connection", "identity", "grpc", 1),
    Case("ResNet-18, binary, 1 connection", "resnet", "binary", 1),
    Case("ResNet-18, binary, 8 connections", "resnet", "binary", 8),
    Case("ResNet-18, grpc, 8 connections", "resnet", "grpc", 8),
]
#: The fast model's rate beside the slow one.
_BESIDE_RATE = 50.0


@dataclass
class Results:
    """All that was measured, by the system's name."""

    cases: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    numbers: dict[tuple[str, str], float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def main() -> None:
    arguments = _arguments()
    server_core, load_core = cores()
    work = workloads()
    results = Results()
    visited = []
    for key in arguments.systems:
        system = SYSTEMS[key]
        try:
            system.install()
        except NotInstalledError as error:
            results.notes.append(str(error))
            continue
        visited.append(system)
        visit = _Visit(system, work, server_core, load_core, arguments.seconds, results)
        for part in (visit.small, visit.large, visit.scaling):
            print(f"{system.name}: {part.__name__}", flush=True)
            try:
                part()
            except BenchmarkError as error:
                results.notes.append(_short(f"{system.name}, {part.__name__}: {error}"))
                print(error, file=sys.stderr)
    report = print_report if arguments.short or arguments.dry else write_report
    report([case.name for case in (*SMALL, *LARGE)], visited, results)


class _Visit:
    """All measurements of one system."""

    def __init__(
        self, system: System, work: dict[str, Workload], server: int, load: int, seconds: float, results: Results
    ) -> None:
        self._system, self._work, self._results = system, work, results
        self._server, self._load, self._seconds = server, load, seconds

    def small(self) -> None:
        """The table row; also the time to start, and the memory with this one model."""
        with started(self._system, self._only("breast-cancer"), [self._server]) as trial:
            self._number("seconds from start to the first answer", trial.seconds)
            self._cases(trial, SMALL)
            self._number("MB of memory with one worker", trial.memory())

    def large(self) -> None:
        """Large tensors and the network; and the table row while the network is busy."""
        names = self._work.keys() - (set() if self._system.runs_models else {"resnet"})
        if "binary" not in self._system.speaks and "grpc" not in self._system.speaks:
            return
        with started(self._system, {name: self._work[name] for name in sorted(names)}, [self._server]) as trial:
            self._cases(trial, [case for case in LARGE if case.model in names])
            if self._system.runs_models:
                self._isolation(trial)

    def scaling(self) -> None:
        """The network by one worker and by two, on two cores; the load takes little of them."""
        if not self._system.runs_models:
            return
        for workers in (1, 2):
            with started(self._system, self._only("resnet"), [self._server, self._load], workers) as trial:
                outcome = run(self._plan(trial, "resnet", self._large_dialect(), 8, pinned=False))
            self._believe(outcome, f"{workers} workers")
            self._number(
                f"ResNet-18 on two cores, {workers} worker{'s' * (workers > 1)}, requests/s", outcome.throughput
            )

    def _isolation(self, trial: Trial) -> None:
        """The 99th percentile of the fast model, alone and while the slow one has all that it can do."""
        beside = self._plan(trial, "breast-cancer", "json", 8, rate=_BESIDE_RATE)
        self._number("p99 of a table row alone, ms", run(beside).latencies.percentile(99) * 1e3)
        slow = replace(self._plan(trial, "resnet", self._large_dialect(), 4), seconds=self._seconds * 2 + 2)
        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(run, slow)
            outcome = run(beside)
            self._believe(busy.result(), "two models, the slow one")
        self._believe(outcome, "two models")
        self._number("p99 of a table row beside a busy ResNet-18, ms", outcome.latencies.percentile(99) * 1e3)

    def _cases(self, trial: Trial, cases: list[Case]) -> None:
        for case in cases:
            if case.dialect not in self._system.speaks:
                continue
            try:
                trial.check(self._work[case.model], case.dialect)
                outcome = run(self._plan(trial, case.model, case.dialect, case.connections))
                self._believe(outcome, case.name)
            except BenchmarkError as error:
                self._results.notes.append(_short(f"{case.name}: {error}"))
            else:
                self._results.cases[self._system.name, case.name] = outcome

    def _believe(self, outcome: Outcome, what: str) -> None:
        if outcome.failed or not outcome.done:
            kinds = ", ".join(f"{count} × {kind}" for kind, count in outcome.errors.items()) or "no answer"
            raise BenchmarkError(f"{self._system.name}, {what}: {kinds} {list(outcome.samples.values())[:1]}")
        self._results.doubts += [f"{self._system.name}, {what}: {limit}" for limit in outcome.limits()]

    def _plan(
        self,
        trial: Trial,
        model: str,
        dialect: str,
        connections: int,
        *,
        rate: float | None = None,
        pinned: bool = True,
    ) -> Plan:
        return Plan(
            parse_address(self._system.url(trial.job, dialect)),
            self._system.payload(trial.job, model, self._work[model].inputs, dialect),
            connections,
            rate=rate,
            warmup=max(0.5, self._seconds / 4),
            seconds=self._seconds,
            check=model != "identity",
            cores=(self._load,) if pinned else (),
        )

    def _large_dialect(self) -> str:
        return "binary" if "binary" in self._system.speaks else "grpc"

    def _only(self, name: str) -> dict[str, Workload]:
        return {name: self._work[name]}

    def _number(self, name: str, value: float) -> None:
        self._results.numbers[self._system.name, name] = value


def _short(text: str) -> str:
    return " ".join(text.split())[:400]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    parser.add_argument("--seconds", type=float, default=4, help="of measuring per case")
    parser.add_argument("--short", action="store_true", help="1 s per case; prints only")
    parser.add_argument("--dry", action="store_true", help="prints only")
    arguments = parser.parse_args()
    if arguments.short:
        arguments.seconds = 1.0
    return arguments


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
