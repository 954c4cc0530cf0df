"""Clients for benchmarks in which workers or models go: each asks one request after the other and knows the answers.

The model is a table: `y` is the entries of a vector at the positions `i`, so that a file of any size answers quickly,
and the numbers say which file answered.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio
import msgspec
import numpy as np
import onnx

from modelport.wire.protobuf import load_schema

_OIP = load_schema("model_config.proto", "open_inference.proto")
#: Requests on one connection before a client takes a new one.
_KEPT = 200


def write_table(path: Path, factor: float, megabytes: float) -> None:
    """A model whose entry at position i is `factor` × i, in a file that is there as a whole or not at all."""
    helper = onnx.helper
    entries = np.arange(int(megabytes * 1e6 / 4), dtype=np.float32) * np.float32(factor)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "i"], ["y"])],
        "table",
        [helper.make_tensor_value_info("i", onnx.TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n"])],
        [onnx.numpy_helper.from_array(entries, "table")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.with_suffix(".part").write_bytes(made.SerializeToString())
    path.with_suffix(".part").replace(path)


@dataclass
class Seen:
    """What the clients saw. `broken` are (moment, client's port or 0 for gRPC, what broke)."""

    answers: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[float, int, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    #: When each of `milliseconds` was seen.
    moments: list[float] = field(default_factory=list)


class Clients:
    """HTTP/1.1 clients that keep their connections for a while, and gRPC clients that share a channel each."""

    def __init__(self, port: int, model: str, factors: tuple[float, ...], seen: Seen, pause: float = 0.0) -> None:
        """`factors`: those of the files that may answer. `pause`: seconds before each next request."""
        self._port, self._model, self._factors, self.seen = port, model, factors, seen
        self._pause = pause

    async def run(self, until: float, http: int, calls: int) -> None:
        """So many clients of each kind, until that moment of `time.monotonic`."""
        async with asyncio.TaskGroup() as group:
            for _ in range(http):
                group.create_task(self._http(until))
            for _ in range(calls):
                group.create_task(self._grpc(until))

    async def _http(self, until: float) -> None:
        while time.monotonic() < until:
            port = 0
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                port = writer.get_extra_info("sockname")[1]
                try:
                    await self._keep(reader, writer, until)
                finally:
                    writer.close()
            except (OSError, asyncio.IncompleteReadError) as error:
                self.seen.broken.append((time.monotonic(), port, type(error).__name__))

    async def _keep(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, until: float) -> None:
        for _ in range(_KEPT):
            if time.monotonic() > until:
                return
            if self._pause:
                await asyncio.sleep(random.uniform(0.5, 1.5) * self._pause)
            positions, begun = _positions(), time.perf_counter()
            tensor = {"name": "i", "shape": [len(positions)], "datatype": "INT64", "data": positions}
            body = msgspec.json.encode({"inputs": [tensor]})
            writer.write(
                b"POST /v2/models/%b/infer HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n%b"
                % (self._model.encode(), len(body), body)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r")[0])
            answer = await reader.readexactly(length)
            self.seen.milliseconds.append((time.perf_counter() - begun) * 1e3)
            self.seen.moments.append(time.monotonic())
            status = int(head[9:12])
            if status == 200:
                self._judge("HTTP/1.1", positions, msgspec.json.decode(answer)["outputs"][0]["data"])
            else:
                self._refused(f"HTTP {status}", answer.decode())
            if b"connection: close" in head.lower():
                return

    async def _grpc(self, until: float) -> None:
        request = _OIP.message("inference.ModelInferRequest")
        response = _OIP.message("inference.ModelInferResponse")
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 200)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self._port}", options) as channel:
            infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            while time.monotonic() < until:
                positions = _positions()
                message = request(model_name=self._model)
                message.inputs.add(name="i", datatype="INT64", shape=[len(positions)])
                message.raw_input_contents.append(np.array(positions, np.int64).tobytes())
                try:
                    answer = response.FromString(await infer(message.SerializeToString(), timeout=20))
                except grpc.aio.AioRpcError as error:
                    self._failed(error)
                    await asyncio.sleep(0.02)
                else:
                    got = np.frombuffer(answer.raw_output_contents[0], np.float32).tolist()
                    self._judge("gRPC", positions, got)

    def _failed(self, error: grpc.aio.AioRpcError) -> None:
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            self.seen.broken.append((time.monotonic(), 0, f"gRPC: {(error.details() or '')[:60]}"))
        else:
            self._refused(f"gRPC {error.code().name}", error.details() or "")

    def _judge(self, kind: str, positions: list[int], got: list[float]) -> None:
        if any(got == [factor * position for position in positions] for factor in self._factors):
            self.seen.answers[kind] += 1
        else:
            self.seen.wrong.append(f"{kind}: {positions} gave {got}")

    def _refused(self, how: str, text: str) -> None:
        self.seen.refused[how] += 1
        if how != "HTTP 503":
            self.seen.wrong.append(f"{how}: {text[:300]}")


def _positions() -> list[int]:
    return [random.randrange(100_000) for _ in range(random.randint(1, 8))]
