"""Triton's extensions with its own clients, over REST and gRPC: repository, statistics, configuration, settings."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from runtimes.onnx_graphs import classifier, identity

CLIENTS = {"grpc": tritonclient.grpc, "http": tritonclient.http}


def fresh(server, kind):
    """A client with a connection of its own, so that any worker may answer it."""
    return CLIENTS[kind].InferenceServerClient(f"127.0.0.1:{server.port}")


def plain(answer):
    """A gRPC answer, or a part of one, as the REST one is."""
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(answer, preserving_proto_field_name=True) if hasattr(answer, "DESCRIPTOR") else answer


def infer(client, model, array):
    made = (tritonclient.grpc if "grpc" in type(client).__module__ else tritonclient.http).InferInput(
        "x", list(array.shape), "FP32"
    )
    return client.infer(model, [made.set_data_from_numpy(array)]).as_numpy("y")


@pytest.fixture
def models(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.onnx").write_bytes(identity(shape=("n", "m")).SerializeToString())
    return tmp_path


def states(client):
    index = plain(client.get_model_repository_index())
    return {entry["name"]: entry["state"] for entry in (index["models"] if isinstance(index, dict) else index)}


def wait_until(condition, seconds=5.0):
    """True as soon as the condition holds; False where it does not within the time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("kind", CLIENTS)
def test_load_and_unload(run_server, models, kind):
    server = run_server(models, "--poll", "0.1").wait_ready()
    with fresh(server, kind) as client:
        assert states(client) == {"one": "READY", "two": "READY"}
        client.unload_model("one")
        assert states(client) == {"one": "UNAVAILABLE", "two": "READY"}
        assert not client.is_model_ready("one")
        assert client.is_server_ready()
        with pytest.raises(InferenceServerException, match="model 'one' is unloaded"):
            infer(client, "one", np.ones((1, 2), np.float32))
        time.sleep(0.5)  # polling does not bring it back
        assert states(client)["one"] == "UNAVAILABLE"
        client.load_model("one")
        assert infer(client, "one", np.ones((1, 2), np.float32)).tolist() == [[1, 1]]
        with pytest.raises(InferenceServerException, match=r"no model 'on' to load \(did you mean 'one'\?\)"):
            client.load_model("on")
        with pytest.raises(InferenceServerException, match="no model 'on' is served"):
            client.unload_model("on")


@pytest.mark.parametrize("kind", CLIENTS)
def test_load_takes_what_lies_there_now(run_server, models, kind):
    server = run_server(models).wait_ready()
    with fresh(server, kind) as client:
        (models / "three.onnx").write_bytes(identity(shape=("n", "m")).SerializeToString())
        (models / "one.onnx").write_bytes(classifier("text", zipmap=False)[0])
        (models / "two.onnx").write_bytes(b"broken")
        client.load_model("three")
        client.load_model("one")
        assert infer(client, "three", np.ones((1, 2), np.float32)).tolist() == [[1, 1]]
        assert plain(client.get_model_metadata("one"))["inputs"][0]["name"] == "X"
        with pytest.raises(InferenceServerException, match=r"two\.onnx"):
            client.load_model("two")
        assert infer(client, "two", np.ones((1, 2), np.float32)).tolist() == [[1, 1]]  # what was served goes on


def test_parameters_that_are_not_supported_are_refused(run_server, models):
    server = run_server(models).wait_ready()
    with fresh(server, "grpc") as client:
        with pytest.raises(InferenceServerException, match="the parameter 'config' is not supported") as caught:
            client.load_model("one", config="{}")
        assert caught.value.status() == "StatusCode.UNIMPLEMENTED"
    with fresh(server, "http") as client:
        client.unload_model("one", unload_dependents=True)
        assert states(client)["one"] == "UNAVAILABLE"


def test_every_worker_follows(run_server, models):
    server = run_server(models, "--workers", "2").wait_ready()

    def all_say(model, status):
        with_own_connections = [
            httpx.get(f"{server.url}/v2/models/{model}/ready", headers={"connection": "close"}) for _ in range(12)
        ]
        return {answer.status_code for answer in with_own_connections} == {status}

    assert all_say("one", 200)
    started = time.monotonic()
    httpx.post(f"{server.url}/v2/repository/models/one/unload").raise_for_status()
    assert wait_until(lambda: all_say("one", 503), 3)
    assert time.monotonic() - started < 2
    for child in Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)  # those that come after them know what was asked
    assert wait_until(lambda: server.output.count("it is replaced") == 2)
    assert wait_until(lambda: _answers(server))
    assert all_say("one", 503)
    httpx.post(f"{server.url}/v2/repository/models/one/load").raise_for_status()
    assert wait_until(lambda: all_say("one", 200), 3)
    assert server.stop() == 0


def _answers(server):
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{server.url}/v2/models/two/ready", headers={"connection": "close"}).status_code == 200
    return False


def test_loading_again_under_load_loses_no_request(run_server, models):
    server = run_server(models).wait_ready()
    stop, counts = threading.Event(), []

    def ask():
        with fresh(server, "grpc") as client:
            while not stop.is_set():
                assert infer(client, "one", np.ones((2, 2), np.float32)).tolist() == [[1, 1], [1, 1]]
                counts.append(1)

    with ThreadPoolExecutor(3) as threads, fresh(server, "grpc") as client:
        asking = [threads.submit(ask) for _ in range(3)]
        for _ in range(10):
            client.load_model("one")
        stop.set()
        for task in asking:
            task.result()
    assert len(counts) > 20


@pytest.mark.parametrize("kind", CLIENTS)
def test_statistics_of_all_workers(run_server, models, kind):
    server = run_server(models, "--workers", "2").wait_ready()
    before = time.time()
    for rows in (1, 1, 3, 3, 3, 5):
        with fresh(server, kind) as client:
            infer(client, "one", np.ones((rows, 2), np.float32))
    with fresh(server, kind) as client:
        answer = plain(client.get_inference_statistics("one"))["model_stats"]
        assert len(answer) == 1
        found = answer[0]
        assert (found["name"], found["version"]) == ("one", "1")
        assert (int(found["inference_count"]), int(found["execution_count"])) == (16, 6)
        assert before - 1 < int(found["last_inference"]) / 1000 < time.time() + 1
        stats = found["inference_stats"]
        for stage in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
            assert int(stats[stage]["count"]) == 6
        parts = ("queue", "compute_input", "compute_infer", "compute_output")
        assert sum(int(stats[part].get("ns", 0)) for part in parts) == int(stats["success"]["ns"])
        sizes = {int(item["batch_size"]): int(item["compute_infer"]["count"]) for item in found["batch_stats"]}
        assert sizes == {1: 2, 3: 3, 5: 1}
        assert len(plain(client.get_inference_statistics())["model_stats"]) == 2
        assert len(plain(client.get_inference_statistics("two", "1"))["model_stats"]) == 1
        with pytest.raises(InferenceServerException, match="no model 'on' is served"):
            client.get_inference_statistics("on")
    assert server.stop() == 0


@pytest.mark.parametrize("kind", CLIENTS)
def test_configuration(server, kind):
    with fresh(server, kind) as client:
        config = plain(client.get_model_config("iris"))
        config = config.get("config", config)
        assert (config["name"], config["platform"], config["max_batch_size"]) == ("iris", "onnxruntime_onnx", 64)
        described = config["input"][0]
        assert (described["name"], described["data_type"], [int(size) for size in described["dims"]]) == (
            "X",
            "TYPE_FP32",
            [4],
        )
        assert [item["data_type"] for item in config["output"]] == ["TYPE_STRING", "TYPE_FP32"]
        with pytest.raises(InferenceServerException, match="has no version 7"):
            client.get_model_config("iris", "7")


@pytest.mark.parametrize("kind", CLIENTS)
def test_log_settings(run_server, models, kind):
    server = run_server(models, "--workers", "2").wait_ready()
    with fresh(server, kind) as client:
        assert str(True) in str(plain(client.get_log_settings()))
        client.update_log_settings({"log_info": False, "log_warning": False})
        with pytest.raises(InferenceServerException, match="log_file can't be changed"):
            client.update_log_settings({"log_file": "/somewhere"})
        with pytest.raises(InferenceServerException, match="there is no log setting 'log_all'"):
            client.update_log_settings({"log_all": True})
        assert wait_until(lambda: _loads_quietly(server, kind), 3)
    assert server.stop() == 0


def _loads_quietly(server, kind):
    """Whether a load is not logged, in either worker: both load, whoever is asked."""
    time.sleep(0.3)
    before = len(server.lines)
    with fresh(server, kind) as client:
        client.load_model("one")
    time.sleep(0.3)
    return not any("one@1 is ready" in line for line in server.lines[before:])


@pytest.mark.parametrize("kind", CLIENTS)
def test_trace_settings(server, kind):
    with fresh(server, kind) as client:
        assert "OFF" in str(plain(client.get_trace_settings()))
        assert "OFF" in str(plain(client.update_trace_settings(settings={"trace_level": "OFF"})))
        with pytest.raises(InferenceServerException, match="writes no traces"):
            client.update_trace_settings("iris", {"trace_level": ["TIMESTAMPS"]})


def test_generate(server):
    url = f"{server.url}/v2/models/iris"
    with httpx.Client() as client:
        answer = client.post(f"{url}/generate", json={"X": [5.1, 3.5, 1.4, 0.2], "id": "7", "temperature": 1}).json()
        assert (answer["model_name"], answer["id"], answer["label"]) == ("iris", "7", "setosa")
        assert len(answer["probabilities"]) == 3
        rows = client.post(f"{url}/versions/1/generate", json={"X": [[5.1, 3.5, 1.4, 0.2]] * 2}).json()
        assert rows["label"] == ["setosa", "setosa"]
        with client.stream("POST", f"{url}/generate_stream", json={"X": [5.1, 3.5, 1.4, 0.2]}) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            events = [line for line in stream.iter_lines() if line]
        assert len(events) == 1
        assert events[0].startswith('data: {"model_name":"iris"')
        wrong = client.post(f"{url}/generate", json={"Y": 1})
        assert (wrong.status_code, "missing input 'X'" in wrong.json()["error"]) == (400, True)
        assert client.post(f"{url}/generate_stream", json={"X": [1]}).status_code == 400
        assert client.post(f"{url}/generate", content=b"[1]").status_code == 400


@pytest.mark.parametrize(
    ("value", "result"), [("word", "word"), (["a", "b"], ["a", "b"]), ([["a"], ["b"]], ["a", "b"]), ("ü✓", "ü✓")]
)
def test_generate_with_texts(server, value, result):
    answer = httpx.post(f"{server.url}/v2/models/identity_BYTES/generate", json={"x": value})
    assert answer.json()["y"] == result


def test_the_extensions_are_documented(server):
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    for path in ("/v2/repository/index", "/v2/models/stats", "/v2/models/{model}/config", "/v2/logging"):
        assert path in paths
