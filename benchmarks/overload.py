"""Ten times more requests than a dear model can answer, for a minute: what comes of those taken, and of the rest.

The model is a real one that ONNX Runtime computes: 20 ms for a batch and 2 ms more for each row (benchmarks/costly.py).
First the highest goodput is measured, then requests come at ten times that rate at random, each with a deadline that
it sends along. Must hold: goodput of at least 90 % of the highest, accepted requests answered within their deadline,
no more memory at the end than after the first seconds, no request without an answer, and the goodput back afterwards.
Exits with 1 where one does not, or where the load itself fell behind: latency counts from when a request was due.

    python benchmarks/overload.py                 about 90 seconds
    python benchmarks/overload.py --short         8 s of overload; prints and writes nothing
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from batching import finish, made
from comparison import cores
from load import BenchmarkError
from report import table
from systems.modelport import Modelport
from trial import Trial, started

from modelport.client.address import parse_address
from modelport.client.load import Outcome, Plan, payload, run

TIMES = 10
DEADLINE = 0.5
#: An answer is written, sent and read after the deadline was looked at for the last time.
_ALLOWANCE = 0.05
CONNECTIONS = 1000
_MOST_MEMORY = 1.10
_IN_TIME = 0.999


def main() -> None:
    arguments = _arguments()
    server_core, load_core = cores()
    with tempfile.TemporaryDirectory() as folder:
        costs, work = made(Path(folder), server_core, 20, 2)
        with started(Modelport(), {"costly": work}, [server_core]) as trial:
            address = parse_address(trial.system.url(trial.job, "json"))
            headers = {"X-Request-Timeout": str(DEADLINE)}
            request = payload(address, "costly", "", work.inputs, "json", headers)
            usual = Plan(address, request, 64, seconds=arguments.before, check=True, timeout=10, cores=(load_core,))
            best = run(usual)
            rate = best.throughput * TIMES
            print(f"highest goodput {best.throughput:,.0f} per second; now {rate:,.0f} requests per second", flush=True)
            memory = _Memory(trial)
            over = run(replace(usual, connections=CONNECTIONS, rate=rate, seconds=arguments.seconds, warmup=3.0))
            memory.stop()
            after = run(usual)
    rows = [_row("before", best), _row(f"{TIMES} × overload", over), _row("afterwards", after)]
    body = table(["", "sent per second", "answered per second", "p50, ms", "p99, ms", "max, ms", "not answered"], rows)
    notes = [
        f"Milliseconds of the model by rows: {', '.join(f'{rows}: {cost:.1f}' for rows, cost in costs.items())}.",
        f"Deadline of each request {DEADLINE * 1e3:g} ms; {CONNECTIONS} connections; arrivals at random (Poisson).",
        f"Memory in MB, by thirds of the time: {', '.join(f'{part:.0f}' for part in memory.thirds())}.",
        *(f"{count:,} × {kind}: {over.samples[kind]}" for kind, count in over.errors.most_common()),
        *(f"Overload: {limit}." for limit in over.limits()),
    ]
    finish("overload", body, _verdicts(best, over, after, memory), notes, write_it=not arguments.short)


def _verdicts(best: Outcome, over: Outcome, after: Outcome, memory: _Memory) -> dict[str, bool]:
    in_time = over.latencies.share_within(DEADLINE + _ALLOWANCE)
    share = over.throughput * in_time / best.throughput
    first, *_, last = memory.thirds()
    hung = over.errors["timeout"] + over.errors["connection closed"] + over.errors["no connection"]
    return {
        f"goodput, in time, {share:.0%} of the highest, at least 90 % wanted": share >= 0.9,
        f"{in_time:.2%} of the answers came within the deadline, {_IN_TIME:.1%} wanted": in_time >= _IN_TIME,
        f"memory {first:.0f} → {last:.0f} MB": last <= first * _MOST_MEMORY,
        f"{hung} requests without an answer": not hung,
        f"goodput afterwards {after.throughput / best.throughput:.0%}": after.throughput >= 0.9 * best.throughput,
        "the load was not the bottleneck": not over.limits(),
        "every answer right": not over.errors["another answer"],
    }


class _Memory:
    """The server's memory, looked at twice a second until it is stopped."""

    def __init__(self, trial: Trial) -> None:
        self._trial, self._seen, self._stopped = trial, [trial.memory()], threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        self._thread.join()

    def thirds(self) -> list[float]:
        """Megabytes: medians of each third, but for the first seconds, in which the queue fills."""
        seen = self._seen[min(6, len(self._seen) // 3) :]
        size = max(1, len(seen) // 3)
        return [statistics.median(seen[at : at + size]) for at in range(0, size * 3, size) if seen[at : at + size]]

    def _look(self) -> None:
        while not self._stopped.is_set():
            self._seen.append(self._trial.memory())
            time.sleep(0.5)


def _row(name: str, outcome: Outcome) -> list[str]:
    times = [outcome.latencies.percentile(percent) * 1e3 for percent in (50, 99)]
    sent = outcome.rate or (outcome.done + outcome.failed) / outcome.seconds
    cells = [f"{sent:,.0f}", f"{outcome.throughput:,.0f}", *(f"{value:.1f}" for value in times)]
    return [name, *cells, f"{outcome.latencies.greatest * 1e3:.1f}", f"{outcome.failed:,}"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="of overload")
    parser.add_argument("--short", action="store_true", help="8 s of overload; prints only")
    arguments = parser.parse_args()
    arguments.before = 3.0 if arguments.short else 8.0
    arguments.seconds = 8.0 if arguments.short else arguments.seconds
    return arguments


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
