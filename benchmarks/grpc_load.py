"""Load by h2load on inference.GRPCInferenceService/ModelInfer, and one call by nghttp to check an answer.

Both are Debian's nghttp2-client. h2load speaks HTTP/2 with windows of 1 GiB and does not look into gRPC's messages: so
the bytes of all answers together must be as many as those of right answers.
"""

from __future__ import annotations

import re
import shutil
import statistics
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from load import BenchmarkError, Clock, Figures, Running

from modelport.wire.protobuf import load_schema

METHOD = "/inference.GRPCInferenceService/ModelInfer"
HEADERS = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
DTYPES = {"FP32": np.float32, "INT64": np.int64}
_SCHEMA = load_schema("model_config.proto", "open_inference.proto")


@dataclass(frozen=True)
class Load:
    """`connections`, and on each so many calls at a time."""

    connections: int
    streams: int

    def __str__(self) -> str:
        return f"{self.connections} × {self.streams}"


@dataclass(frozen=True)
class GrpcRequest:
    """A ModelInferRequest in a file, as the body of an HTTP/2 request has it."""

    name: str
    file: Path

    def answer(self, url: str) -> bytes:
        """The body of the answer. Raises BenchmarkError where that is no single message."""
        command = [program("nghttp"), "--no-dep", "-d", str(self.file), *HEADERS, url + METHOD]
        done = subprocess.run([*command, "-w30", "-W30"], capture_output=True, check=False, timeout=60)
        body = done.stdout
        if done.returncode or len(body) < 5 or struct.unpack(">I", body[1:5])[0] != len(body) - 5:
            raise BenchmarkError(f"{url} gives no answer to a gRPC call: {body[:300]!r} {done.stderr[:300]!r}")
        return body

    def check(self, url: str, right: dict[str, np.ndarray]) -> int:
        """The size of an answer. Raises BenchmarkError unless it has these numbers."""
        body = self.answer(url)
        message = _SCHEMA.message("inference.ModelInferResponse").FromString(body[5:])
        for tensor, raw in zip(message.outputs, message.raw_output_contents, strict=True):
            array = np.frombuffer(raw, DTYPES[tensor.datatype]).reshape(list(tensor.shape))
            wanted = right[tensor.name]
            if array.shape != wanted.shape or not np.allclose(array, wanted, atol=1e-6):
                raise BenchmarkError(f"{url} answers {tensor.name} {array!r} instead of {wanted!r}")
        if {tensor.name for tensor in message.outputs} != right.keys():
            raise BenchmarkError(f"{url} answers with other outputs than {', '.join(right)}")
        return len(body)


def grpc_request(name: str, model: str, tensor: str, array: np.ndarray, folder: Path) -> GrpcRequest:
    """A request with one FP32 tensor in raw_input_contents."""
    described = {"name": tensor, "datatype": "FP32", "shape": array.shape}
    message = _SCHEMA.message("inference.ModelInferRequest")(
        model_name=model, inputs=[described], raw_input_contents=[array.tobytes()]
    ).SerializeToString()
    file = folder / f"{name}.grpc"
    file.write_bytes(b"\0" + struct.pack(">I", len(message)) + message)
    return GrpcRequest(name, file)


def program(name: str) -> str:
    """The path of nghttp or h2load. Raises BenchmarkError naming the Debian package."""
    path = shutil.which(name)
    if path is None:
        raise BenchmarkError(f"{name} is not installed (Debian: apt install nghttp2-client)")
    return path


def measure_grpc(running: Running, request: GrpcRequest, load: Load, seconds: float, core: int, size: int) -> Figures:
    """Figures of about `seconds` under load, after half a second or more to warm up; each answer has `size` bytes.

    Raises BenchmarkError for any failed request.
    """
    calls = load.connections * load.streams
    took, count = 0.0, calls
    while took < 0.5:  # how many are half a second's worth
        count = max(calls, min(count * 20, int(count / max(took, 0.02) * 0.7) + 1))
        took, _ = _h2load(running, request, load, count, core, size)
    clock = Clock(running)
    count = max(calls * 2, int(count / took * seconds))
    took, times = _h2load(running, request, load, count, core, size)
    spent, others = clock.read()
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return Figures(count / took, count / spent, cuts[49] / 1000, cuts[98] / 1000, others / took)


def _h2load(
    running: Running, request: GrpcRequest, load: Load, count: int, core: int, size: int
) -> tuple[float, list[int]]:
    """Seconds that `count` calls took, and microseconds of each."""
    log = request.file.with_suffix(".log")
    log.unlink(missing_ok=True)
    command = [program("h2load"), "-n", str(count), "-c", str(load.connections), "-m", str(load.streams)]
    command += ["-d", str(request.file), f"--log-file={log}", *HEADERS, running.grpc_url + METHOD]
    done = subprocess.run(["taskset", "-c", str(core), *command], capture_output=True, text=True, check=True)
    succeeded = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", done.stdout)
    data = re.search(r"\((\d+)\) data", done.stdout)
    if not succeeded or not data or int(succeeded[1]) != count or int(data[1]) != count * size:
        raise BenchmarkError(f"{running.grpc_url}: {count} answers of {size} bytes were due:\n{done.stdout}")
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    began, ended = min(int(row[0]) for row in rows), max(int(row[0]) + int(row[2]) for row in rows)
    return (ended - began) / 1e6, [int(row[2]) for row in rows]
