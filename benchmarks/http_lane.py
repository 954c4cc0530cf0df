"""Requests per second of the HTTP lane, beside Triton's and a plain ASGI service's, in one run.

One row of 30 numbers, JSON and binary, at 32 connections and at 1; the server on one core, the load on another. The
servers take turns, round by round, so that what else the machine does falls on all of them. Triton runs no model
(benchmarks/triton/free_backend.cc) and reports no metrics; the others run the real one; Modelport has everything on.

    python benchmarks/http_lane.py [--rounds 3] [--seconds 4] [--triton-threads 4] [--no-baseline]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import servers
import triton_peer
from load import BenchmarkError, Figures, Running, check_answer, measure, wrk
from report import table, write
from requests_to_send import Request, binary_request, free_answer, json_request, right_answer

CONNECTIONS = (32, 1)
Case = tuple[str, int]  # request, connections
Requests = tuple[Request, ...]
Results = dict[tuple[str, Case], list[Figures]]  # by server and case, one entry per round


def main() -> None:
    arguments = _arguments()
    server_core, load_core = _cores()
    wrk()
    if os.getloadavg()[0] > 0.3:
        print("The machine is doing something else: the figures will be worth little.", file=sys.stderr)
    triton_peer.install()
    subjects = [servers.modelport(), servers.triton(arguments.triton_threads)]
    if not arguments.no_baseline:
        subjects.append(servers.plain_asgi())
    requests = (json_request(), binary_request())
    results: Results = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds):
            for server in subjects:
                print(f"round {number + 1} of {arguments.rounds}: {server.name}", flush=True)
                with server.on_core(server_core) as running:
                    _visit(server, running, requests, Path(folder), arguments.seconds, load_core, results)
    _report(subjects, results, requests, arguments)


def _visit(
    server: servers.Server,
    running: Running,
    requests: Requests,
    folder: Path,
    seconds: float,
    load_core: int,
    results: Results,
) -> None:
    """All cases on one running server; the answer is checked before and after."""
    right = right_answer() if server.runs_model else free_answer()
    for request in requests:
        if request.name == "binary" and not server.takes_binary:
            continue
        script = request.wrk_script(folder)
        for connections in CONNECTIONS:
            check_answer(running.url, request, right)
            figures = measure(running, script, connections, seconds, load_core)
            check_answer(running.url, request, right)
            results[server.name, (request.name, connections)].append(figures)


def _report(
    subjects: list[servers.Server], results: Results, requests: Requests, arguments: argparse.Namespace
) -> None:
    cases = [(request.name, connections) for request in requests for connections in CONNECTIONS]
    by_clock = [_row(case, subjects, results, "rate") for case in cases]
    by_processor = [_row(case, subjects, results, "thrift") for case in cases]
    heads = ["request", "connections", *(server.name for server in subjects)]
    heads += [f"Modelport ÷ {server.name}" for server in subjects[1:]]
    body = (
        "Requests per second (50th, 99th percentile of the latency in ms):\n\n"
        f"{table(heads, by_clock)}\n\n"
        "Requests per second of the server's processor time, which counts where a core was shared:\n\n"
        f"{table(heads, by_processor)}"
    )
    others = [figures.others for rounds in results.values() for figures in rounds]
    notes = [
        f"Medians of {arguments.rounds} rounds of {arguments.seconds:g} s. Ratio: median, lowest and highest "
        "of the rounds' ratios.",
        f"Triton {triton_peer.VERSION} with a backend that runs no model, {arguments.triton_threads} HTTP threads, "
        "without metrics and gRPC.",
        f"Other processes took {statistics.median(others):.0%} of a core meanwhile (highest {max(others):.0%}); "
        "where that is not near 0, the first table is worth little.",
    ]
    write("http_lane", body, notes)


def _row(case: Case, subjects: list[servers.Server], results: Results, field: str) -> list[str]:
    ours, *theirs = (results.get((server.name, case), []) for server in subjects)
    return [
        case[0],
        str(case[1]),
        *(_cell(rounds, field) for rounds in (ours, *theirs)),
        *(_ratio(ours, other, field) for other in theirs),
    ]


def _cell(rounds: list[Figures], field: str) -> str:
    if not rounds:
        return "–"
    value, p50, p99 = (
        statistics.median(getattr(figures, name) for figures in rounds) for name in (field, "p50", "p99")
    )
    return f"{value:,.0f} ({p50:.2f}, {p99:.2f})" if field == "rate" else f"{value:,.0f}"


def _ratio(ours: list[Figures], theirs: list[Figures], field: str) -> str:
    if not theirs:
        return "–"
    ratios = [getattr(a, field) / getattr(b, field) for a, b in zip(ours, theirs, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def _cores() -> tuple[int, int]:
    """A core for the server and one for the load."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchmarkError("the benchmark needs two cores: one for the server, one for the load")
    return cores[0], cores[1]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of measuring per case")
    parser.add_argument("--triton-threads", type=int, default=4, help="Triton's --http-thread-count")
    parser.add_argument("--no-baseline", action="store_true", help="leave out uvicorn + Starlette")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
