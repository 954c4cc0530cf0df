"""HTTP/2 on the same port: plain requests, gRPC health and reflection, further ports."""

from __future__ import annotations

import json
import subprocess
import time

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from services import require

BODY = '{"id":"two","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1.5,2.5]}]}'
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as made:
        yield made


def curl(server, path, *options):
    command = [require("curl", "curl"), "-sS", "--http2-prior-knowledge", "-w", "\n%{http_version} %{http_code}"]
    done = subprocess.run([*command, *options, server.url + path], capture_output=True, text=True, check=True)
    body, _, last = done.stdout.rpartition("\n")
    return body, last


def test_inference_pages_and_errors_with_prior_knowledge(server):
    body, last = curl(server, "/v2/models/identity_FP32/infer", "-d", BODY)
    assert (json.loads(body)["outputs"][0]["data"], last) == ([1.5, 2.5], "2 200")
    body, last = curl(server, "/v2/models/identity_FP3/infer", "-d", BODY)
    assert ("did you mean 'identity_FP32'" in body, last) == (True, "2 404")
    assert curl(server, "/v2/health/live") == ('{"live":true}', "2 200")
    body, last = curl(server, "/", "-H", "Accept: text/html")
    assert ("<!doctype html>" in body.lower(), last) == (True, "2 200")


def test_a_large_body_both_ways(server, tmp_path):
    data = list(range(500_000))
    request = {"inputs": [{"name": "x", "shape": [1, len(data)], "datatype": "INT32", "data": data}]}
    (tmp_path / "body.json").write_text(json.dumps(request))
    body, last = curl(server, "/v2/models/identity_INT32/infer", "--data-binary", f"@{tmp_path / 'body.json'}")
    assert last == "2 200"
    assert json.loads(body)["outputs"][0]["data"] == data


def test_the_preface_may_come_in_pieces(server):
    with server.connect() as sock:
        for piece in (PREFACE[:1], PREFACE[1:14], PREFACE[14:] + SETTINGS):
            sock.sendall(piece)
            time.sleep(0.05)
        assert sock.recv(9)[3] == 4  # a SETTINGS frame
    with server.connect() as sock:
        sock.sendall(b"P")
        time.sleep(0.05)
        sock.sendall(b"OST /v2/models/identity_FP32/infer HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
        assert sock.recv(100).startswith(b"HTTP/1.1 400")


def test_health(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    for name in ("", "iris", "inference.GRPCInferenceService", "grpc.health.v1.Health"):
        assert stub.Check(health_pb2.HealthCheckRequest(service=name)).status == serving, name
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    watched = stub.Watch(health_pb2.HealthCheckRequest(service="nobody"))
    assert next(watched).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watched.cancel()


def test_health_is_watched_through_a_drain(run_server, model_folder):
    server = run_server(model_folder / "iris.onnx").wait_ready()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        watched = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="iris"))
        assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
        server.process.terminate()
        assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watched.cancel()
    assert server.wait_ended() == 0


def test_reflection_names_every_service_and_gives_its_messages(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    services = set(database.get_services())
    assert {
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    } <= services
    file = database.FindFileContainingSymbol("inference.ModelInferRequest")
    assert {message.name for message in file.message_type} >= {"ModelInferRequest", "ModelInferResponse"}
    with pytest.raises(KeyError):
        database.FindFileContainingSymbol("no.Such")


def test_an_unknown_method_is_unimplemented(channel):
    call = channel.unary_unary("/no.Such/Method", request_serializer=bytes, response_deserializer=bytes)
    with pytest.raises(grpc.RpcError) as caught:
        call(b"")
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_further_ports_speak_everything(run_server, model_folder, unused_tcp_port):
    server = run_server(model_folder / "iris.onnx", "--also-listen", str(unused_tcp_port)).wait_ready()
    for port in (server.port, unused_tcp_port):
        assert httpx.get(f"http://127.0.0.1:{port}/v2/health/ready", trust_env=False).status_code == 200
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest()).status == 1
    wrong = run_server(model_folder / "iris.onnx", "--also-listen", "http")
    assert wrong.wait_ended() == 1
    assert "--also-listen: 'http' is not a port" in wrong.output
