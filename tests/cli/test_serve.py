"""`modelport serve` as its user runs it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest

from services import require

PREDICT = {"instances": [[1.0, 2.0]]}


def predict(url, model="identity_FP32", version=""):
    return httpx.post(f"{url}/models/{model}{version}/predict", json=PREDICT, trust_env=False)


def wait_until(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def identity(model_folder):
    return model_folder / "identity_FP32.onnx"


def test_the_terminal_says_what_is_served_and_the_curl_line_works(run_server, model_folder):
    curl = require("curl", "curl")
    server = run_server(model_folder / "diabetes.onnx").wait_ready()
    server.wait_said(r"curl http")
    assert re.search(r"serves 1 model on http://127\.0\.0\.1:\d+", server.output)
    assert "diabetes  version 1  onnx  X FP32 [-1, 10] → variable" in server.output
    line = server.wait_said(r"(?m)^  (curl .*)$")[1]
    done = subprocess.run([curl, "-s", *shlex.split(line)[1:]], capture_output=True, text=True, check=True)
    assert '"predictions":[{"variable":' in done.stdout
    assert server.stop() == 0


def test_a_single_model_takes_another_name(run_server, identity):
    server = run_server(identity, "--name", "my model").wait_ready()
    assert predict(server.url, "my%20model").json()["model"] == "my model"
    assert httpx.post(f"{server.url}/predict", json=PREDICT, trust_env=False).status_code == 200


def test_predict_without_a_name_needs_one_model(server):
    answer = httpx.post(f"{server.url}/predict", json=PREDICT, trust_env=False)
    assert answer.status_code == 404
    assert "needs exactly one served model; served are: diabetes, identity_BF16" in answer.json()["error"]


def test_a_version_tree_serves_its_newest_and_follows_what_comes(run_server, identity, tmp_path):
    tree = tmp_path / "models"
    for number in ("1", "2"):
        (tree / "twin" / number).mkdir(parents=True)
        shutil.copy(identity, tree / "twin" / number / "model.onnx")
    server = run_server(tree, "--poll", "0.2").wait_ready()
    assert predict(server.url, "twin").json()["version"] == 2
    assert predict(server.url, "twin", "/versions/1").status_code == 404
    (tree / "twin" / "3").mkdir()
    (tree / "twin" / "3" / "model.onnx").write_bytes(identity.read_bytes()[:50])
    server.wait_said(r"twin@3 was not loaded: .*cut short")
    assert predict(server.url, "twin").json()["version"] == 2
    shutil.copy(identity, tree / "twin" / "3" / "model.onnx")
    wait_until(lambda: predict(server.url, "twin").json()["version"] == 3)
    shutil.rmtree(tree / "twin" / "3")
    wait_until(lambda: predict(server.url, "twin").json()["version"] == 2)
    shutil.copy(identity, tree / "new.onnx")
    wait_until(lambda: predict(server.url, "new").status_code == 200)
    (tree / "new.onnx").unlink()
    wait_until(lambda: predict(server.url, "new").status_code == 404)


def test_all_versions_on_request(run_server, identity, tmp_path):
    for number in ("1", "07"):
        (tmp_path / "twin" / number).mkdir(parents=True)
        shutil.copy(identity, tmp_path / "twin" / number)
    server = run_server(tmp_path / "twin", "--versions", "all").wait_ready()
    assert predict(server.url, "twin", "/versions/1").json()["version"] == 1
    assert predict(server.url, "twin").json()["version"] == 7


def test_a_broken_model_beside_good_ones_is_shown_and_readiness_says_so(run_server, identity, tmp_path):
    shutil.copy(identity, tmp_path / "good.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    server = run_server(tmp_path).wait_ready()
    assert predict(server.url, "good").status_code == 200
    refused = predict(server.url, "bad")
    assert (refused.status_code, refused.json()["kind"]) == (503, "unavailable")
    assert "bad.onnx" in refused.json()["error"]
    assert httpx.get(f"{server.url}/v2/health/ready", trust_env=False).status_code == 503
    assert httpx.get(f"{server.url}/v2/models/good/ready", trust_env=False).status_code == 200
    assert httpx.get(f"{server.url}/v2/models/bad/ready", trust_env=False).status_code == 503


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nowhere.onnx"], "nowhere.onnx does not exist"),
        (["bad.onnx"], "bad was not loaded: "),
        (["empty.onnx"], "empty.onnx is empty"),
        (["some.pkl"], "some.pkl (pickle) can run any code when it is loaded"),
        (["good.onnx", "--versions", "newest"], "'newest' is not a version policy"),
        (["good.onnx", "--name", "a/b"], "'a/b' can't be a model's name"),
        (["good.onnx", "--host", "no.such.host.invalid"], "is not an address"),
        ([".", "--name", "one"], "--name names a single model, but 4 were found"),
    ],
)
def test_what_can_not_be_served_ends_with_a_clear_line(run_server, identity, tmp_path, arguments, text):
    shutil.copy(identity, tmp_path / "good.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "some.pkl").write_bytes(b"\x80\x04K\x01.")
    given = [tmp_path / item if item.endswith((".onnx", ".pkl", ".")) else item for item in arguments]
    server = run_server(*given)
    assert server.wait_ended() == 1
    assert text in server.output
    assert "Traceback" not in server.output


def test_a_port_that_is_taken_is_named(run_server, server, identity):
    second = run_server(identity, "--port", str(server.port))
    assert second.wait_ended() == 1
    assert f"can't listen on 127.0.0.1 port {server.port}: Address already in use" in second.output


def test_a_setting_from_the_environment_that_is_no_number_is_named(run_server, identity):
    server = run_server(identity, env={"MODELPORT_BODY_BYTES": "many"})
    assert server.wait_ended() == 1
    assert "MODELPORT_BODY_BYTES='many' is not a whole number" in server.output


def test_a_wide_address_is_warned_about(run_server, identity):
    server = run_server(identity, "--host", "0.0.0.0").wait_ready()
    assert "listening on 0.0.0.0: anyone who reaches this address" in server.output
    assert server.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_answers_what_has_come(run_server, identity, workers):
    server = run_server(identity, "--workers", str(workers)).wait_ready()
    body = b'{"instances": [[1, 2]]}'
    with server.connect() as sock:
        sock.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body[:5]))
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        sock.sendall(body[5:])
        answer = sock.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer
        assert sock.recv(10) == b""
    assert server.wait_ended() == 0


def test_workers_share_the_port_and_their_numbers_and_are_replaced(run_server, identity):
    server = run_server(identity, "--workers", "2").wait_ready()
    for _ in range(40):
        assert predict(server.url).status_code == 200
    metrics = httpx.get(f"{server.url}/metrics", trust_env=False).text
    assert 'modelport_requests_total{dialect="plain",model="identity_FP32",version="1"} 40' in metrics
    assert "modelport_workers 2" in metrics
    assert len(server.children()) == 2
    os.kill(server.children()[0], signal.SIGKILL)
    server.wait_said(r"worker \d died \(signal 9\)")
    wait_until(lambda: len(server.children()) == 2)
    failures = 0
    for _ in range(20):
        try:
            assert predict(server.url).status_code == 200
        except httpx.TransportError:
            failures += 1
    assert failures == 0, "the new worker takes what waits on its socket"
    metrics = httpx.get(f"{server.url}/metrics", trust_env=False).text
    assert 'modelport_requests_total{dialect="plain",model="identity_FP32",version="1"} 60' in metrics
    assert server.stop() == 0


def test_workers_end_with_a_supervisor_that_is_killed(run_server, identity):
    server = run_server(identity, "--workers", "2").wait_ready()
    workers = server.children()
    server.stop(signal.SIGKILL)
    wait_until(lambda: not any(Path(f"/proc/{pid}/stat").exists() for pid in workers))


def test_requests_go_on_while_versions_change(run_server, identity, tmp_path):
    (tmp_path / "twin" / "1").mkdir(parents=True)
    shutil.copy(identity, tmp_path / "twin" / "1")
    server = run_server(tmp_path, "--poll", "0.1").wait_ready()
    seen, failed, stop = set(), [], threading.Event()

    def ask():
        with httpx.Client(trust_env=False) as client:
            while not stop.is_set():
                answer = client.post(f"{server.url}/models/twin/predict", json=PREDICT)
                if answer.status_code == 200 and answer.json()["predictions"] == [{"y": [1.0, 2.0]}]:
                    seen.add(answer.json()["version"])
                else:
                    failed.append(answer.text)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(2, 6):
        (tmp_path / "twin" / str(number)).mkdir()
        shutil.copy(identity, tmp_path / "twin" / str(number))
        wait_until(lambda number=number: number in seen)
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert seen == {1, 2, 3, 4, 5}
