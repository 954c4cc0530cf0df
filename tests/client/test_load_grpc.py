"""The load generator's HTTP/2 against grpcio's server, which is of another make than ours."""

from __future__ import annotations

import json
import time
from concurrent import futures

import numpy as np
import pytest

from modelport.client.address import parse_address
from modelport.client.load import Plan, payload, run
from modelport.client.load.http2_frames import Blocks, call_blocks
from modelport.client.load.worker import METHOD

grpc = pytest.importorskip("grpc")


@pytest.fixture
def serve():
    """A grpcio server that answers ModelInfer by a function of the message and the context."""
    started = []

    def start(answer):
        server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
        handler = grpc.unary_unary_rpc_method_handler(answer)
        service, method = METHOD.strip("/").split("/")
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        started.append(server)
        return parse_address(f"http://127.0.0.1:{port}")

    yield start
    for server in started:
        server.stop(0).wait()


def measure(address, size=3, **changes):
    request = payload(address, "model", "", {"X": np.zeros((1, size), np.float32)}, "grpc")
    return run(Plan(address, request, **{"connections": 2, "streams": 3, "seconds": 0.5, "warmup": 0.0, **changes}))


@pytest.mark.parametrize("size", [3, 10_000, 1_000_000])
def test_messages_of_any_size_arrive_whole(serve, size):
    lengths = set()

    def echo(message, context):
        lengths.add(len(message))
        return message

    address = serve(echo)
    outcome = measure(address, size)
    assert outcome.failed == 0
    assert outcome.done > 0
    assert len(lengths) == 1
    assert lengths.pop() > 4 * size
    assert outcome.received > outcome.done * 4 * size


def test_a_status_is_an_error_by_its_kind(serve):
    def refuse(message, context):
        time.sleep(0.002)
        context.set_trailing_metadata((("x-more", "1"),))
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "zu viel für mich")

    outcome = measure(serve(refuse))
    assert outcome.done == 0
    assert outcome.errors.keys() == {"gRPC 8 overloaded"}
    assert outcome.samples == {"gRPC 8 overloaded": "zu viel für mich"}


def test_a_call_without_an_answer_runs_out_of_time(serve):
    asked = []

    def hang(message, context):
        asked.append(message)
        if len(asked) == 3:
            time.sleep(1.0)
        return message

    outcome = measure(serve(hang), connections=1, timeout=0.3)
    assert outcome.errors["timeout"] >= 1
    assert outcome.done > 0


def test_a_method_that_nobody_has(server):
    address = parse_address(server.url)
    outcome = measure(address)
    assert outcome.errors.keys() == {"gRPC 5 not_found"}


def test_an_open_loop_over_a_few_streams(serve):
    outcome = measure(serve(lambda message, context: message), rate=60.0, poisson=False, connections=1, streams=2)
    assert outcome.latencies.count == pytest.approx(30, abs=1)
    assert outcome.failed == 0


def test_header_blocks_mean_what_was_meant():
    first, later = call_blocks("host:1", METHOD, "http", [("x-key", "k")], 4096)
    assert len(later) < len(first)
    alone, again = call_blocks("host:1", METHOD, "http", [("x-key", "k")], 0)
    for block in (first, alone, again):
        assert Blocks().read(block) == {
            ":method": "POST",
            ":scheme": "http",
            ":path": METHOD,
            ":authority": "host:1",
            "te": "trailers",
            "content-type": "application/grpc",
            "x-key": "k",
        }
    assert Blocks().read(later) is None  # it needs the table that the first one made
    assert json.dumps(Blocks().read(b"")) == "{}"
