"""Requests per second of the gRPC lane beside Triton's, in one run: ModelInfer with one row of 30 numbers.

4 connections with 8 calls each at a time, and one connection with one; the servers on one core, the load on another.
Both servers are there all the time, and each load measures them right after each other: where the host of virtual cores
moves them about, a call alone takes half as long again, for seconds to minutes. Triton runs no model
(benchmarks/triton/free_backend.cc) and reports no metrics; Modelport runs the real one, with everything on.

    python benchmarks/grpc_lane.py [--rounds 9] [--seconds 1]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import servers
import triton_peer
from comparison import Case, Results, circumstances, cores, latencies, tables
from grpc_load import GrpcRequest, Load, grpc_request, measure_grpc, program
from load import BenchmarkError, Figures, Running
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
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        request = grpc_request("ModelInfer", "breast-cancer", "X", row(), Path(folder))
        turns = [(server, stack.enter_context(server.on_core(server_core))) for server in subjects]
        for number in range(arguments.rounds):
            for load in LOADS:
                print(f"round {number + 1} of {arguments.rounds}: {load}", flush=True)
                for server, running in turns:
                    figures = _measured(server, running, request, load, arguments.seconds, load_core)
                    results[server.name, (request.name, str(load))].append(figures)
            turns.reverse()
    _report([server.name for server in subjects], results, arguments)


def _measured(
    server: servers.Server, running: Running, request: GrpcRequest, load: Load, seconds: float, core: int
) -> Figures:
    """The figures of one load; the answer is checked before and after."""
    right = right_answer() if server.runs_model else free_answer()
    size = request.check(running.grpc_url, right)
    figures = measure_grpc(running, request, load, seconds, core, size)
    request.check(running.grpc_url, right)
    return figures


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
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1, help="of measuring per case")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
