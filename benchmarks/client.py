"""Microseconds per call of `modelport.client`, beside tritonclient and beside httpx as its transport, in one run.

One caller, one call at a time, against one `modelport serve` with an identity model; the server on one core, the
callers on another, taking turns, round by round. Every answer is checked once per round.

    python benchmarks/client.py [--rounds 7] [--seconds 0.5]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import servers
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
from comparison import cores
from onnx import TensorProto, helper
from report import table, write

from modelport.client import AsyncClient, Client, Request, Response

MODEL = "echo"
SHAPES = {"1 row (120 B)": (1, 30), "4 MB": (1024, 1024)}
#: JSON takes 100 times as long as the others for large tensors.
SMALL_ONLY = {"json"}
Call = Callable[[np.ndarray], Any]
AsyncCall = Callable[[np.ndarray], Awaitable[Any]]
Times = dict[tuple[str, str, str], list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="per caller, tensor and round")
    arguments = parser.parse_args()
    server_core, own_core = cores()
    times: Times = defaultdict(list)
    chosen: set[str] = set()
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.modelport(_model(Path(folder))).on_core(server_core) as running,
    ):
        os.sched_setaffinity(0, {own_core})
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
            with ExitStack() as stack:
                for name, call, client in _callers(running.url, stack):
                    _blocking(name, call, arguments.seconds, times)
                    if name == "auto":
                        chosen.add(repr(client).partition("auto: ")[2].rstrip(">"))
            asyncio.run(_awaited(running.url, arguments.seconds, times))
    notes = [
        f"Medians of {arguments.rounds} rounds' medians, {arguments.seconds:g} s each; ratio: median of the rounds'.",
        "`httpx` is `Client(dialect='binary')` with httpx as its transport, as it was before.",
        f"tritonclient {version('tritonclient')}, grpcio {version('grpcio')}, httpx {version('httpx')}",
        *(f"auto chose: {line}" for line in sorted(chosen)[:3]),
    ]
    write("client", _report(times), notes)


def _callers(url: str, stack: ExitStack) -> list[tuple[str, Call, Any]]:
    """Name, call and client of each blocking caller."""
    callers: list[tuple[str, Call, Any]] = []
    for dialect in ("auto", "binary", "grpc", "json"):
        client = stack.enter_context(Client(url, dialect=dialect))
        callers.append((dialect, lambda array, client=client: client.infer(MODEL, {"X": array})["Y"], client))
    inner = stack.enter_context(httpx.Client(timeout=30, headers={"Accept-Encoding": "identity"}, trust_env=False))

    def send(request: Request) -> Response:
        return _response(inner.request(**_outgoing(request, url)))

    before = stack.enter_context(Client(url, dialect="binary", transport=send))
    callers.append(("httpx", lambda array: before.infer(MODEL, {"X": array})["Y"], before))
    place = url.removeprefix("http://")
    for name, module in (("tritonclient.http", tritonclient.http), ("tritonclient.grpc", tritonclient.grpc)):
        theirs = module.InferenceServerClient(place)
        stack.callback(theirs.close)
        callers.append((name, lambda array, module=module, theirs=theirs: _triton(module, theirs, array), theirs))
    return callers


async def _awaited(url: str, seconds: float, times: Times) -> None:
    place = url.removeprefix("http://")
    for dialect in ("auto", "binary", "grpc", "json"):
        async with AsyncClient(url, dialect=dialect) as client:

            async def ours(array: np.ndarray, client: AsyncClient = client) -> Any:
                return (await client.infer(MODEL, {"X": array}))["Y"]

            await _tasks(dialect, ours, seconds, times)
    async with httpx.AsyncClient(timeout=30, headers={"Accept-Encoding": "identity"}, trust_env=False) as inner:

        async def send(request: Request) -> Response:
            return _response(await inner.request(**_outgoing(request, url)))

        async with AsyncClient(url, dialect="binary", transport=send) as before:

            async def with_httpx(array: np.ndarray) -> Any:
                return (await before.infer(MODEL, {"X": array}))["Y"]

            await _tasks("httpx", with_httpx, seconds, times)
    async with tritonclient.grpc.aio.InferenceServerClient(place) as theirs:

        async def triton(array: np.ndarray) -> Any:
            tensor = tritonclient.grpc.InferInput("X", list(array.shape), "FP32")
            tensor.set_data_from_numpy(array)
            return (await theirs.infer(MODEL, [tensor])).as_numpy("Y")

        await _tasks("tritonclient.grpc", triton, seconds, times)


def _triton(module: Any, client: Any, array: np.ndarray) -> np.ndarray:
    tensor = module.InferInput("X", list(array.shape), "FP32")
    tensor.set_data_from_numpy(array)
    result: np.ndarray = client.infer(MODEL, [tensor]).as_numpy("Y")
    return result


def _blocking(name: str, call: Call, seconds: float, times: Times) -> None:
    for label, array in _arrays(name):
        for _ in range(60):
            assert np.array_equal(call(array), array)
        taken, until = [], time.perf_counter() + seconds
        while (start := time.perf_counter()) < until:
            call(array)
            taken.append(time.perf_counter() - start)
        times["blocking", label, name].append(statistics.median(taken))


async def _tasks(name: str, call: AsyncCall, seconds: float, times: Times) -> None:
    for label, array in _arrays(name):
        for _ in range(60):
            assert np.array_equal(await call(array), array)
        taken, until = [], time.perf_counter() + seconds
        while (start := time.perf_counter()) < until:
            await call(array)
            taken.append(time.perf_counter() - start)
        times["asyncio", label, name].append(statistics.median(taken))


def _arrays(name: str) -> list[tuple[str, np.ndarray]]:
    random = np.random.default_rng(0)
    shapes = {label: shape for label, shape in SHAPES.items() if np.prod(shape) < 1000 or name not in SMALL_ONLY}
    return [(label, random.random(shape, np.float32)) for label, shape in shapes.items()]


def _report(times: Times) -> str:
    peers = ("tritonclient.http", "tritonclient.grpc", "httpx")
    rows = []
    for kind, label in dict.fromkeys(key[:2] for key in times):
        for name in dict.fromkeys(key[2] for key in times if key[:2] == (kind, label)):
            own = times[kind, label, name]
            ratios = []
            for peer in peers:
                theirs = times.get((kind, label, peer))
                both = zip(theirs or (), own, strict=True) if theirs else ()
                values = [other / mine for other, mine in both]
                ratios.append(f"{statistics.median(values):.2f}" if values and peer != name else "")
            rows.append([kind, label, name, f"{statistics.median(own) * 1e6:.0f}", *ratios])
    return table(["", "tensor", "caller", "µs per call", *(f"{peer} ÷ it" for peer in peers)], rows)


def _outgoing(request: Request, url: str) -> dict[str, Any]:
    content = request.content if request.method == "POST" else None
    return {"method": request.method, "url": url + request.path, "content": content, "headers": dict(request.headers)}


def _response(response: httpx.Response) -> Response:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Response(response.status_code, headers, response.content)


def _model(folder: Path) -> Path:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["X"], ["Y"])],
        MODEL,
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", "M"])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["N", "M"])],
    )
    path = folder / f"{MODEL}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


if __name__ == "__main__":
    main()
