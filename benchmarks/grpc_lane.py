"""Requests per second of the gRPC lane beside Triton's, in one run: ModelInfer with one row of 30 numbers.

4 connections with 8 calls each at a time, and one connection with one; the server on one core, the load on another. The
servers take turns, round by round. Triton runs no model (benchmarks/triton/free_backend.cc) and reports no metrics;
Modelport runs the real one, with everything on.

    python benchmarks/grpc_lane.py [--rounds 3] [--seconds 4]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import servers
import triton_peer
from comparison import Case, Results, circumstances, cores, latencies, tables
from grpc_load import GrpcRequest, Load, grpc_request, measure_grpc, program
from load import BenchmarkError, Running
from report import write
from requests_to_send import free_answer, right_answer, row

LOADS = (Load(4, 8), Load(1, 1))


def main() -> None:
    arguments = _arguments()
    server_core, load_core = cores()
    program("h2load")
    triton_peer.install()
    subjects = [servers.modelport(), servers.triton(1, grpc=True)]
    results: Results = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        request = grpc_request("ModelInfer", "breast-cancer", "X", row(), Path(folder))
        for number in range(arguments.rounds):
            for server in subjects:
                print(f"round {number + 1} of {arguments.rounds}: {server.name}", flush=True)
                with server.on_core(server_core) as running:
                    _visit(server, running, request, arguments.seconds, load_core, results)
    _report([server.name for server in subjects], results, arguments)


def _visit(
    server: servers.Server, running: Running, request: GrpcRequest, seconds: float, core: int, results: Results
) -> None:
    """All loads on one running server; the answer is checked before and after."""
    right = right_answer() if server.runs_model else free_answer()
    for load in LOADS:
        size = request.check(running.grpc_url, right)
        figures = measure_grpc(running, request, load, seconds, core, size)
        request.check(running.grpc_url, right)
        results[server.name, (request.name, str(load))].append(figures)


def _report(names: list[str], results: Results, arguments: argparse.Namespace) -> None:
    heads = ("call", "connections × streams")
    cases: list[Case] = [("ModelInfer", str(load)) for load in LOADS]
    body = f"{tables(heads, cases, names, results)}\n\n{latencies(heads, cases, names, results)}"
    notes = [
        *circumstances(arguments.rounds, arguments.seconds, results),
        f"Triton {triton_peer.VERSION} with a backend that runs no model, without metrics.",
        "Load by h2load, which counts bytes and does not read messages: one answer was read before and after.",
    ]
    write("grpc_lane", body, notes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of measuring per case")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
