"""Requests per second of the HTTP lane, beside Triton's and a plain ASGI service's, in one run.

One row of 30 numbers, JSON and binary, at 32 connections and at 1; the server on one core, the load on another. The
servers take turns, round by round, so that what else the machine does falls on all of them. Triton runs no model
(benchmarks/triton/free_backend.cc) and reports no metrics; the others run the real one; Modelport has everything on.

    python benchmarks/http_lane.py [--rounds 3] [--seconds 4] [--triton-threads 4] [--no-baseline]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import servers
import triton_peer
from comparison import Case, Results, circumstances, cores, tables
from load import BenchmarkError, Running, check_answer, measure, wrk
from report import write
from requests_to_send import Request, binary_request, free_answer, json_request, right_answer

CONNECTIONS = (32, 1)
Requests = tuple[Request, ...]


def main() -> None:
    arguments = _arguments()
    server_core, load_core = cores()
    wrk()
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
        for connections in CONNECTIONS:
            check_answer(running.url, request, right)
            figures = measure(running, request, folder, connections, seconds, load_core)
            check_answer(running.url, request, right)
            results[server.name, (request.name, connections)].append(figures)


def _report(
    subjects: list[servers.Server], results: Results, requests: Requests, arguments: argparse.Namespace
) -> None:
    cases: list[Case] = [(request.name, connections) for request in requests for connections in CONNECTIONS]
    body = tables(("request", "connections"), cases, [server.name for server in subjects], results)
    notes = [
        *circumstances(arguments.rounds, arguments.seconds, results),
        f"Triton {triton_peer.VERSION} with a backend that runs no model, {arguments.triton_threads} HTTP threads, "
        "without metrics and gRPC.",
    ]
    write("http_lane", body, notes)


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
