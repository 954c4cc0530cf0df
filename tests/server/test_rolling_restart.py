"""Workers are renewed, killed and drained under load, seen by clients that keep their connections."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time

import httpx
import pytest

from server.load_on_workers import Load

KINDS = ("http1", "asgi", "http2", "grpc")


def wait_until(condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def identity(model_folder):
    return model_folder / "identity_FP32.onnx"


@pytest.fixture
def load():
    started = []

    def make(server, *kinds, model="identity_FP32"):
        started.append(Load(server.port, model).start(*kinds))
        return started[-1]

    yield make
    for item in started:
        item.end()


def gauge(server, name):
    text = httpx.get(f"{server.url}/metrics", trust_env=False).text
    found = re.search(rf"^modelport_{name} (\S+)", text, re.M)
    assert found is not None, text
    return float(found[1])


def test_no_request_fails_while_all_workers_are_renewed(run_server, identity, load):
    server = run_server(identity, "--workers", "2").wait_ready()
    first = set(server.children())
    clients = load(server, *KINDS)
    clients.wait()
    for _ in range(2):
        before = set(server.children())
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda before=before: len(server.children()) == 2 and not before & set(server.children()))
        clients.wait()
    clients.end()
    assert clients.failures == []
    assert first.isdisjoint(server.children())
    wait_until(lambda: gauge(server, "workers") == 2)
    assert server.stop() == 0
    assert "died" not in server.output


def test_numbers_go_on_over_a_renewal(run_server, identity):
    server = run_server(identity, "--workers", "2").wait_ready()
    ask = {"instances": [[1.0, 2.0]]}
    for expected in (10, 20):
        for _ in range(10):
            assert httpx.post(f"{server.url}/predict", json=ask, trust_env=False).status_code == 200
        metrics = httpx.get(f"{server.url}/metrics", trust_env=False).text
        assert f'requests_total{{dialect="plain",model="identity_FP32",version="1"}} {expected}\n' in metrics
        before = set(server.children())
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda before=before: len(server.children()) == 2 and not before & set(server.children()))


def test_a_worker_that_would_lack_a_model_takes_nothing_over(run_server, identity, load, tmp_path):
    shutil.copy(identity, tmp_path / "good.onnx")
    shutil.copy(identity, tmp_path / "other.onnx")
    server = run_server(tmp_path, "--workers", "2").wait_ready()
    clients = load(server, *KINDS, model="good")
    workers = set(server.children())
    (tmp_path / "good.onnx").write_bytes(b"this is no model any more")
    server.process.send_signal(signal.SIGHUP)
    server.wait_said("the rolling restart is given up: .*; the workers that serve go on")
    assert "good was not loaded: " in server.output
    clients.wait()
    clients.end()
    assert clients.failures == []
    assert set(server.children()) == workers
    shutil.copy(identity, tmp_path / "good.onnx")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(server.children()) == 2 and not workers & set(server.children()))
    assert server.stop() == 0


def test_clients_are_told_to_go_before_a_server_stops(run_server, identity):
    """A connection that is kept gets the answer to one more request, and with it the word that it was the last."""
    server = run_server(identity).wait_ready()
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{server.url}/v2").headers.get("connection") is None
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        answer = client.get(f"{server.url}/v2")
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"
        with pytest.raises(httpx.ConnectError):
            client.get(f"{server.url}/v2")
    assert server.wait_ended() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_accepted_and_then_lost_when_a_server_stops(run_server, identity, load, workers):
    """What fails of a stop is that no connection is made any more; a request that was sent is answered."""
    server = run_server(identity, "--workers", str(workers)).wait_ready()
    clients = load(server, *KINDS)
    clients.wait()
    server.process.send_signal(signal.SIGTERM)
    assert server.wait_ended() == 0
    clients.end()
    refused = re.compile("http[12]: ConnectionRefusedError|asgi: ConnectionRefusedError|grpc: .*(?s:.*)[Cc]onnect")
    assert len(clients.failures) == len(KINDS) * 2
    assert [failure for failure in clients.failures if not refused.match(failure)] == []


def test_a_killed_worker_is_replaced_and_its_connections_break(run_server, identity):
    server = run_server(identity, "--workers", "2").wait_ready()
    before = set(server.children())
    with server.connect() as first:
        first.sendall(b"GET /v2 HTTP/1.1\r\nHost: test\r\n\r\n")
        answer = first.recv(1 << 16)
        while not answer.endswith(b"}"):
            answer += first.recv(1 << 16)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert first.recv(10) == b""
    assert httpx.get(f"{server.url}/v2", trust_env=False).status_code == 200
    assert before.isdisjoint(server.children())
    assert server.output.count("died (signal 9)") == 2
    assert gauge(server, "workers") == 2
    assert server.stop() == 0


def test_a_single_process_says_what_it_needs_to_be_renewed(run_server, identity):
    server = run_server(identity).wait_ready()
    server.process.send_signal(signal.SIGHUP)
    server.wait_said("this server is a single process: use --workers 2")
    assert httpx.get(f"{server.url}/v2", trust_env=False).status_code == 200
    assert server.stop() == 0
