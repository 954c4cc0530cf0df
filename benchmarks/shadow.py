"""Does mirroring to a version that is ten times slower slow down those who ask? The p99 without a shadow and with one.

The versions are real models that ONNX Runtime computes (benchmarks/costly.py). The server on one core, the load on
another; requests come at random (Poisson), at a third of what the server could do, and latency counts from when each
was due. Rounds without a shadow and with one follow each other, and each two are compared. Must hold: the p99 with a
shadow is less than 1.1 times that without, and the shadow is really asked. Exits with 1 where one does not.

    python benchmarks/shadow.py [--rounds 5] [--seconds 10]
    python benchmarks/shadow.py --short                         a minute less; prints and writes nothing
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import costly
from batching import finish
from comparison import cores
from load import BenchmarkError
from report import table
from rollout_subject import BENCH, MODEL, followed, wait

from modelport.client.address import parse_address
from modelport.client.load import Outcome, Plan, payload, run
from modelport.registry.releases import RolloutChange, RolloutPlan
from modelport.registry.sql import SqlRegistry
from modelport.release.conducting.reporting import report

TIMES, MOST = 10, 1.10
_UTILISATION = 0.33
_COSTS = (2.0, 0.3)


@dataclass
class Rounds:
    """What one baseline's rounds gave; `mirrored` requests and `dropped` ones are those of all rounds."""

    plain: list[Outcome] = field(default_factory=list)
    shadowed: list[Outcome] = field(default_factory=list)
    mirrored: int = 0
    dropped: int = 0

    def ratio(self, percent: float) -> float:
        """The median of the rounds' ratios of a percentile."""
        pairs = zip(self.shadowed, self.plain, strict=True)
        return statistics.median(_ms(one, percent) / _ms(other, percent) for one, other in pairs)


def main() -> None:
    arguments = _arguments()
    server_core, load_core = cores()
    rows, held = [], {}
    for milliseconds in _COSTS:
        with tempfile.TemporaryDirectory() as folder:
            files = _files(Path(folder), server_core, milliseconds)
            found = _measure(Path(folder), files, (server_core, load_core), milliseconds, arguments)
        for name, outcomes in (("without", found.plain), ("with a shadow", found.shadowed)):
            rows.append([f"{milliseconds:g} ms", name, *_cells(outcomes)])
        ratio = found.ratio(99)
        failed = sum(outcome.failed for outcome in (*found.plain, *found.shadowed))
        held |= {
            f"{milliseconds:g} ms: p99 × {ratio:.3f}, p50 × {found.ratio(50):.3f}, less than {MOST:g} wanted": ratio
            < MOST,
            f"{milliseconds:g} ms: {found.mirrored:,} requests mirrored ({found.dropped:,} dropped)": found.mirrored
            > 50,
            f"{milliseconds:g} ms: {failed} requests failed": not failed,
        }
    body = table(["baseline", "", "requests per second", "p50, ms", "p90", "p99", "p99.9"], rows)
    notes = [f"The shadow costs {TIMES} times as much as the baseline, and gets all requests that there is time for."]
    finish("shadow", body, held, notes, write_it=not arguments.short)


def _files(folder: Path, core: int, milliseconds: float) -> tuple[Path, Path]:
    """Both versions, made on the core that they will run on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        files = folder / "1.onnx", folder / "2.onnx"
        for file, times in zip(files, (1, TIMES), strict=True):
            costly.make(file, milliseconds * times * 0.9, milliseconds * times * 0.1)
    finally:
        os.sched_setaffinity(0, before)
    return files


def _measure(
    folder: Path, files: tuple[Path, Path], on: tuple[int, int], milliseconds: float, arguments: argparse.Namespace
) -> Rounds:
    rounds = Rounds()
    with followed(folder, files, on[0]) as (registry, subject):
        address = parse_address(subject.url)
        request = payload(address, MODEL, "", {"X": costly.row()}, "json")
        rate = _UTILISATION * 1000 / (milliseconds + 0.1)
        plan = Plan(address, request, 64, seconds=arguments.seconds, rate=rate, timeout=10, cores=(on[1],))
        run(plan)
        for number in range(arguments.rounds):
            print(f"{milliseconds:g} ms, round {number + 1} of {arguments.rounds}", flush=True)
            rounds.plain.append(run(plan))
            _shadowed(registry, plan, rounds)
    return rounds


def _shadowed(registry: SqlRegistry, plan: Plan, rounds: Rounds) -> None:
    """One round with a shadow, which is ended again."""
    rollout = registry.start_rollout(MODEL, RolloutPlan(candidate=2, kind="shadow", steps=(100.0,)), BENCH)
    time.sleep(2.0)  # loaded, warmed, measured
    rounds.shadowed.append(run(plan))
    time.sleep(1.5)
    candidate = report(registry, rollout.id).candidate
    rounds.mirrored += candidate.requests
    rounds.dropped += candidate.dropped
    registry.change_rollout(rollout.id, change=RolloutChange(state="ended", reason="measured"), by=BENCH)
    wait(lambda: not registry.rollout(rollout.id).open, "the end of the rollout")
    time.sleep(1.0)


def _cells(outcomes: list[Outcome]) -> list[str]:
    rate = statistics.median(outcome.throughput for outcome in outcomes)
    medians = [statistics.median(_ms(outcome, percent) for outcome in outcomes) for percent in (50, 90, 99, 99.9)]
    return [f"{rate:,.0f}", *(f"{value:.2f}" for value in medians)]


def _ms(outcome: Outcome, percent: float) -> float:
    return outcome.latencies.percentile(percent) * 1e3


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--short", action="store_true", help="two rounds of 5 s; prints only")
    arguments = parser.parse_args()
    if arguments.short:
        arguments.rounds, arguments.seconds = 2, 5.0
    return arguments


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
