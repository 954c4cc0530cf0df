"""gRPC clients in numbers and at their worst, against a real server: grpcio in many channels, with large tensors,
cancelling, dying, out of time; nghttp and h2load, which are another implementation of HTTP/2."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc

from services import require

LIMITS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
METHOD = "/inference.GRPCInferenceService/ModelInfer"


def channel_to(server, *options):
    # without a pool of its own, grpcio gives channels to one address one and the same connection
    own = ("grpc.use_local_subchannel_pool", 1)
    return grpc.insecure_channel(f"127.0.0.1:{server.port}", [*LIMITS, own, *options])


def stub_on(channel):
    return service_pb2_grpc.GRPCInferenceServiceStub(channel)


def request_for(array, request_id="", model="identity_FP32"):
    return pb.ModelInferRequest(
        model_name=model,
        id=request_id,
        inputs=[{"name": "x", "datatype": "FP32", "shape": array.shape}],
        raw_input_contents=[array.tobytes()],
    )


def assert_echoes(stub, array, **options):
    response = stub.ModelInfer(request_for(array), **options)
    assert list(response.outputs[0].shape) == list(array.shape)
    assert response.raw_output_contents[0] == array.tobytes()


def assert_still_serves(server):
    with channel_to(server) as channel:
        assert_echoes(stub_on(channel), np.ones((2, 2), np.float32), timeout=20)


def numbers(rows, columns, seed=0):
    return np.random.default_rng(seed).random((rows, columns), dtype=np.float32)


def descriptors(server):
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def wait_until(condition, seconds=15):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)


def test_64_channels_at_once(server):
    def use(number):
        with channel_to(server) as channel:
            stub = stub_on(channel)
            for turn in range(10):
                assert_echoes(stub, numbers(1 + turn, 30 + number, number), timeout=60)
            futures = [stub.ModelInfer.future(request_for(numbers(1, 8, turn), str(turn))) for turn in range(20)]
            for turn, future in enumerate(futures):
                response = future.result(60)
                assert (response.id, response.raw_output_contents[0]) == (str(turn), numbers(1, 8, turn).tobytes())

    before = descriptors(server)
    with ThreadPoolExecutor(64) as threads:
        assert list(threads.map(use, range(64))) == [None] * 64
    wait_until(lambda: descriptors(server) <= before + 2)


@pytest.mark.parametrize("megabytes", [16, 64])
def test_large_tensors(server, megabytes):
    array = numbers(megabytes, 250_000)
    with channel_to(server) as channel:
        stub = stub_on(channel)
        assert_echoes(stub, array, timeout=60)
        stream = stub.ModelStreamInfer(iter([request_for(array), request_for(array[:1])]), timeout=60)
        sizes = [len(answer.infer_response.raw_output_contents[0]) for answer in stream]
        assert sizes == [array.nbytes, 1_000_000]


def test_large_tensors_of_several_calls_at_once(server):
    with channel_to(server) as channel:
        stub = stub_on(channel)
        arrays = [numbers(4, 1_000_000, seed) for seed in range(4)]
        futures = [stub.ModelInfer.future(request_for(array), timeout=60) for array in arrays]
        small = [stub.ModelInfer.future(request_for(numbers(1, 5, seed)), timeout=60) for seed in range(20)]
        for seed, future in enumerate(small):
            assert future.result().raw_output_contents[0] == numbers(1, 5, seed).tobytes()
        for array, future in zip(arrays, futures, strict=True):
            assert future.result().raw_output_contents[0] == array.tobytes()


@pytest.mark.parametrize("shift", range(9))
def test_large_tensors_wherever_they_begin_in_a_message(server, shift):
    request = request_for(numbers(3, 70_001, shift), "i" * shift)
    with channel_to(server) as channel:
        response = stub_on(channel).ModelInfer(request, timeout=20)
    assert response.id == "i" * shift
    assert response.raw_output_contents[0] == request.raw_input_contents[0]


def test_a_large_message_that_is_no_request(server):
    with channel_to(server) as channel:
        method = channel.unary_unary(METHOD, request_serializer=bytes, response_deserializer=bytes)
        for message in (b"\xff" * 3_000_000, b"\x3a\xff\xff\xff\x7f" + b"a" * 3_000_000, bytes(3_000_000)):
            with pytest.raises(grpc.RpcError) as caught:
                method(message, timeout=20)
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert_echoes(stub_on(channel), numbers(2, 2), timeout=20)


def test_cancelling_in_mid_stream_and_in_mid_message(server):
    before = descriptors(server)
    with channel_to(server) as channel:
        stub = stub_on(channel)
        goes_on = threading.Event()

        def requests():
            yield request_for(numbers(1, 3))
            goes_on.wait(30)

        for _ in range(20):
            stream = stub.ModelStreamInfer(requests(), timeout=60)
            assert next(stream).infer_response.raw_output_contents[0] == numbers(1, 3).tobytes()
            stream.cancel()
            with pytest.raises(grpc.RpcError) as caught:
                next(stream)
            assert caught.value.code() == grpc.StatusCode.CANCELLED
        large = request_for(numbers(16, 250_000))
        for _ in range(5):
            future = stub.ModelInfer.future(large, timeout=60)
            time.sleep(0.003)
            future.cancel()
        goes_on.set()
        assert_echoes(stub, numbers(16, 250_000), timeout=60)
    wait_until(lambda: descriptors(server) <= before + 2)


CLIENT = """
import sys, numpy as np, grpc
from tritonclient.grpc import service_pb2 as pb, service_pb2_grpc
options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
stub = service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel("127.0.0.1:" + sys.argv[1], options))
array = np.ones((16, 250_000), np.float32)
request = pb.ModelInferRequest(model_name="identity_FP32", raw_input_contents=[array.tobytes()],
    inputs=[{"name": "x", "datatype": "FP32", "shape": array.shape}])
stub.ModelInfer(request)
print("ready", flush=True)
def forever():
    while True:
        yield request
for answer in stub.ModelStreamInfer(forever()):
    futures = [stub.ModelInfer.future(request) for _ in range(4)]
"""


def test_a_killed_client_costs_nothing(server):
    before = descriptors(server)
    for pause in (0.05, 0.2, 0.35):
        process = subprocess.Popen([sys.executable, "-c", CLIENT, str(server.port)], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert_still_serves(server)
    wait_until(lambda: descriptors(server) <= before + 2)
    assert "Traceback" not in server.output


def test_deadlines(server):
    array = numbers(64, 250_000)
    with channel_to(server) as channel:
        stub = stub_on(channel)
        for seconds in (0.000_01, 0.002, 0.01):
            with pytest.raises(grpc.RpcError) as caught:
                stub.ModelInfer(request_for(array), timeout=seconds)
            assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        stream = stub.ModelStreamInfer((request_for(array[:1]) for _ in iter(lambda: time.sleep(0.05), 1)), timeout=0.5)
        with pytest.raises(grpc.RpcError) as caught:
            list(stream)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert_echoes(stub, array[:2], timeout=30)


@pytest.fixture
def body(tmp_path):
    """A ModelInferRequest of 100 × 100 numbers as the body of an HTTP/2 request, in a file."""
    message = request_for(numbers(100, 100)).SerializeToString()
    file = tmp_path / "body"
    file.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    return file


HEADERS = ["-H", "content-type: application/grpc", "-H", "te: trailers"]


def test_nghttp(server, body):
    command = [require("nghttp", "nghttp2-client"), "-v", "--no-dep", "-d", str(body), *HEADERS, server.url + METHOD]
    done = subprocess.run(command, capture_output=True, timeout=30, check=True)
    assert b"grpc-status: 0" in done.stdout
    assert numbers(100, 100).tobytes()[:1000] in done.stdout  # between the frames that -v tells about
    command[1:2] = []
    done = subprocess.run(command, capture_output=True, timeout=30, check=True)
    response = pb.ModelInferResponse.FromString(done.stdout[5:])
    assert response.raw_output_contents[0] == numbers(100, 100).tobytes()


@pytest.mark.parametrize(("connections", "streams", "window"), [(1, 1, 30), (16, 8, 30), (50, 100, 16), (2, 10, 10)])
def test_h2load(server, body, connections, streams, window):
    command = [require("h2load", "nghttp2-client"), "-n", "5000", "-c", str(connections), "-m", str(streams)]
    command += [f"-w{window}", f"-W{max(window, 16)}", "-d", str(body), *HEADERS, server.url + METHOD]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert "5000 succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout
    size = len(grpc_answer(server, body))
    assert int(re.search(r"\((\d+)\) data", done.stdout)[1]) == 5000 * size


def grpc_answer(server, body):
    command = [require("nghttp", "nghttp2-client"), "--no-dep", "-d", str(body), *HEADERS, server.url + METHOD]
    return subprocess.run(command, capture_output=True, timeout=30, check=True).stdout
