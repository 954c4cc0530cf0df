"""What batching brings: a model of 5 ms for one row and 8 ms for eight, at 32 connections, with batches and without.

The model is a real one that ONNX Runtime computes (benchmarks/costly.py); it is made for this machine. The server on
one core, the load on another, in turn. Must hold: at least 4 times the throughput, and a 99th percentile of at most
2.5 times what one full batch (32 rows: all that can wait) costs. Exits with 1 where one does not.

    python benchmarks/batching.py [--rounds 3] [--seconds 8]         a minute
    python benchmarks/batching.py --short                            10 seconds; prints and writes nothing
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

import costly
from comparison import cores
from load import BenchmarkError
from report import table, write
from systems.modelport import Modelport
from trial import started
from workloads import Workload

from modelport.client.address import parse_address
from modelport.client.load import Outcome, Plan, run

CONNECTIONS = 32
WAYS = {"with batches": {}, "without": {"MODELPORT_BATCH_ROWS": "1"}}
TIMES, PERCENTILE = 4.0, 2.5


def main() -> None:
    arguments = _arguments()
    server_core, load_core = cores()
    with tempfile.TemporaryDirectory() as folder:
        costs, work = made(Path(folder), server_core, 4.57, 0.43)
        outcomes: dict[str, list[Outcome]] = {way: [] for way in WAYS}
        for number in range(arguments.rounds):
            for way, environment in WAYS.items():
                print(f"round {number + 1} of {arguments.rounds}: {way}", flush=True)
                with started(Modelport(), {"costly": work}, [server_core], environment=environment) as trial:
                    address = parse_address(trial.system.url(trial.job, "json"))
                    request = trial.system.payload(trial.job, "costly", work.inputs, "json")
                    plan = Plan(
                        address, request, CONNECTIONS, seconds=arguments.seconds, check=True, cores=(load_core,)
                    )
                    outcomes[way].append(run(plan))
    rows = [[way, *_cells(found)] for way, found in outcomes.items()]
    pairs = zip(*(outcomes[way] for way in WAYS), strict=True)
    times = statistics.median(batched.throughput / single.throughput for batched, single in pairs)
    p99 = statistics.median(outcome.latencies.percentile(99) * 1e3 for outcome in outcomes["with batches"])
    held = {
        f"throughput × {times:.2f}, at least {TIMES:g} wanted": times >= TIMES,
        f"p99 {p99:.1f} ms, at most {PERCENTILE:g} × {costs[32]:.1f} ms wanted": p99 <= PERCENTILE * costs[32],
        "every answer right": not any(outcome.failed for found in outcomes.values() for outcome in found),
    }
    body = table(["", "requests per second", "p50, ms", "p99, ms", "failed"], rows)
    finish("batching", body, held, [*_notes(costs), *_limits(outcomes)], write_it=not arguments.short)


def made(folder: Path, core: int, fixed_ms: float, row_ms: float) -> tuple[dict[int, float], Workload]:
    """The model's cost by rows, and a request for it. Measured on the core where it will be served."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, [core])
    try:
        costs = costly.make(folder / "costly.onnx", fixed_ms, row_ms)
    finally:
        os.sched_setaffinity(0, before)
    return costs, Workload("costly", folder / "costly.onnx", {"X": costly.row()})


def finish(name: str, body: str, held: dict[str, bool], notes: list[str], *, write_it: bool) -> None:
    """Print, or write too, and exit with 1 where something does not hold."""
    verdicts = [f"{'Holds' if kept else 'DOES NOT HOLD'}: {what}." for what, kept in held.items()]
    if write_it:
        write(name, body, [*verdicts, *notes])
    else:
        print("\n".join([body, "", *(f"- {line}" for line in [*verdicts, *notes])]))
    sys.exit(not all(held.values()))


def _cells(found: list[Outcome]) -> list[str]:
    rate = statistics.median(outcome.throughput for outcome in found)
    p50, p99 = (
        statistics.median(outcome.latencies.percentile(percent) * 1e3 for outcome in found) for percent in (50, 99)
    )
    return [f"{rate:,.0f}", f"{p50:.1f}", f"{p99:.1f}", str(sum(outcome.failed for outcome in found))]


def _notes(costs: dict[int, float]) -> list[str]:
    text = ", ".join(f"{count}: {cost:.2f}" for count, cost in costs.items())
    return [f"Milliseconds of the model by rows, alone on the core: {text}."]


def _limits(outcomes: dict[str, list[Outcome]]) -> list[str]:
    return [f"{way}: {limit}." for way, found in outcomes.items() for outcome in found for limit in outcome.limits()]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8, help="of measuring, each time")
    parser.add_argument("--short", action="store_true", help="one round of 3 s; prints only")
    arguments = parser.parse_args()
    if arguments.short:
        arguments.rounds, arguments.seconds = 1, 3.0
    return arguments


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
