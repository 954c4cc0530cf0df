"""Tensors of 0.6, 4 and 16 MB there and back, over binary HTTP and gRPC, beside Triton's, in one run.

An identity model: Modelport runs it in ONNX Runtime, Triton in a backend that copies once
(benchmarks/triton/free_backend.cc). 1 and 16 connections, one request at a time on each; the servers on one core, the
load on another. Both servers are there all the time, and are measured right after each other, case by case: where the
cores are virtual, their host moves them about, and such tensors take up to twice as long between cores that share no
cache. Two measurements next to each other mostly see the same; a minute apart they don't.

    python benchmarks/large_tensors.py [--rounds 9] [--seconds 1] [--elements 150528 …] [--protocols http grpc]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import servers
import triton_peer
from comparison import Case, Results, circumstances, cores, tables
from grpc_load import GrpcRequest, Load, grpc_request, measure_grpc, program
from load import BenchmarkError, Figures, Running, check_answer, measure, wrk
from report import write
from requests_to_send import Request, tensor_request

ELEMENTS = (150_528, 1_048_576, 4_194_304)
CONNECTIONS = (1, 16)


@dataclass(frozen=True)
class Echo:
    """One tensor, as a request of either protocol."""

    array: np.ndarray
    http: Request
    grpc: GrpcRequest

    def measure(
        self, protocol: str, running: Running, connections: int, seconds: float, core: int, folder: Path
    ) -> Figures:
        """Figures, with the answer's numbers checked before and after."""
        right = {"OUTPUT0": self.array}
        if protocol == "http":
            check_answer(running.url, self.http, right)
            figures = measure(running, self.http, folder, connections, seconds, core)
            check_answer(running.url, self.http, right)
        else:
            size = self.grpc.check(running.grpc_url, right)
            figures = measure_grpc(running, self.grpc, Load(connections, 1), seconds, core, size)
            self.grpc.check(running.grpc_url, right)
        return figures


def main() -> None:
    arguments = _arguments()
    server_core, load_core = cores()
    wrk()
    program("h2load")
    triton_peer.install()
    results: Results = defaultdict(list)
    cases = [
        (f"{protocol} {_megabytes(n)}", c)
        for protocol in arguments.protocols
        for n in arguments.elements
        for c in CONNECTIONS
    ]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        subjects = [servers.modelport(_identity_model(folder)), servers.triton(4, "identity", grpc=True)]
        turns = [(server.name, stack.enter_context(server.on_core(server_core))) for server in subjects]
        echoes = [_echo(count, folder) for count in arguments.elements]
        for number in range(arguments.rounds):
            for protocol, echo, connections in product(arguments.protocols, echoes, CONNECTIONS):
                case = (f"{protocol} {_megabytes(echo.array.size)}", connections)
                print(f"round {number + 1} of {arguments.rounds}: {case[0]}, {connections} connections", flush=True)
                for server, running in turns:
                    figures = echo.measure(protocol, running, connections, arguments.seconds, load_core, folder)
                    results[server, case].append(figures)
            turns.reverse()
    _report(cases, [server.name for server in subjects], results, arguments)


def _megabytes(elements: int) -> str:
    return f"{elements * 4 / 1e6:.1f} MB"


def _identity_model(folder: Path) -> Path:
    """OUTPUT0 is INPUT0."""
    tensor = onnx.helper.make_tensor_value_info
    shape = ["rows", "columns"]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["INPUT0"], ["OUTPUT0"])],
        "identity",
        [tensor("INPUT0", onnx.TensorProto.FLOAT, shape)],
        [tensor("OUTPUT0", onnx.TensorProto.FLOAT, shape)],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    file = folder / "identity.onnx"
    file.write_bytes(made.SerializeToString())
    return file


def _echo(elements: int, folder: Path) -> Echo:
    array = np.random.default_rng(0).random((1, elements), dtype=np.float32)
    http = tensor_request(f"http_{elements}", "INPUT0", array, "/v2/models/identity/infer")
    return Echo(array, http, grpc_request(f"grpc_{elements}", "identity", "INPUT0", array, folder))


def _report(cases: list[Case], names: list[str], results: Results, arguments: argparse.Namespace) -> None:
    notes = [
        *circumstances(arguments.rounds, arguments.seconds, results),
        f"Triton {triton_peer.VERSION} with a backend that copies the tensor once, 4 HTTP threads, without metrics.",
        "HTTP by wrk, gRPC by h2load. One answer was compared before and after each measurement; wrk counts answers "
        "that are not 200, h2load bytes.",
    ]
    write("large_tensors", tables(("tensor", "connections"), cases, names, results), notes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=1, help="of measuring per case")
    parser.add_argument("--elements", type=int, nargs="+", default=ELEMENTS, help="numbers in the tensor")
    parser.add_argument("--protocols", nargs="+", choices=("http", "grpc"), default=("http", "grpc"))
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
