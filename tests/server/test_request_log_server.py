"""Requests to a real server are logged in every dialect, and can be asked again with the same result."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import threading
import time
from contextlib import suppress
from http.client import HTTPConnection

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton
from tfs_rig import Stub, predict_request

from modelport.core.errors import NotFoundError
from modelport.core.request_id import parse_request_id
from modelport.engine.requests import LoggedRequests, Wanted
from modelport.engine.requests.writer import COMMIT
from runtimes import onnx_graphs
from services import require

FLAT = [5.1, 3.5, 1.4, 0.2, 6.7, 3.0, 5.2, 2.3]
ROWS = [FLAT[:4], FLAT[4:]]
JSON = {"Content-Type": "application/json"}
TENSOR = {"name": "X", "shape": [2, 4], "datatype": "FP32", "data": FLAT}
COUNTING = """
from collections.abc import Iterator
from typing import Annotated
import numpy as np
from modelport import Tensor

class Counting:
    def predict(self, text_input: list[str]) -> Iterator[Annotated[np.ndarray, Tensor("FP32", [-1])]]:
        for number in range(3):
            yield [len(text_input[0]) + number / 3]
"""
#: Dialect → path, body.
OVER_HTTP = {
    "plain": ("/models/iris/predict", {"instances": ROWS}),
    "open_inference": ("/v2/models/iris/infer", {"inputs": [TENSOR]}),
    "tensorflow_serving": ("/v1/models/iris:predict", {"instances": ROWS}),
    "torchserve": ("/predictions/iris", {"instances": ROWS}),
    "sagemaker": ("/models/iris/invoke", {"instances": ROWS}),
    "invocations": ("/endpoints/iris/invocations", {"instances": ROWS}),
    "mlflow": ("/serving-endpoints/iris/invocations", {"inputs": ROWS}),
    "azureml": ("/api/v1/service/iris/score", {"data": ROWS}),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with models that are logged and one that is not, and where the log is."""
    folder = tmp_path_factory.mktemp("logged")
    (folder / "models").mkdir()
    (folder / "models" / "iris.onnx").write_bytes(onnx_graphs.classifier("text", zipmap=False)[0])
    (folder / "models" / "quiet.onnx").write_bytes(onnx_graphs.regressor()[0])
    (folder / "models" / "counting.py").write_text(COUNTING)
    (folder / "models" / "modelport.toml").write_text(
        "[models.iris.logging]\nrequests = true\n[models.quiet.logging]\nrequests = false\n"
    )
    return folder


@pytest.fixture(scope="module")
def logged(place):
    from running import Running

    models = [place / "models" / name for name in ("iris.onnx", "quiet.onnx", "counting.py")]
    env = {"MODELPORT_LOG_REQUESTS": "*", "MODELPORT_REQUEST_LOG": str(place / "log")}
    server = Running(*models, "--trust", "counting", env=env).wait_ready()
    yield server
    assert server.stop() == 0, server.output


@pytest.fixture(scope="module")
def log(place):
    return LoggedRequests(place / "log")


def again(server, request_id):
    """The outcome of a replay on the version that is served."""
    answer = httpx.post(f"{server.url}/api/v1/requests/{request_id}/replay", json={})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("dialect", OVER_HTTP)
@pytest.mark.parametrize("way", ["http1", "http2"])
def test_every_http_dialect_is_logged_and_asked_again_with_the_same_answer(logged, log, dialect, way):
    path, body = OVER_HTTP[dialect]
    if way == "http1":
        answer = httpx.post(logged.url + path, json=body, headers={"x-request-id": "the client's"})
        assert answer.status_code == 200, answer.text
        headers = answer.headers
    else:
        command = [require("curl", "curl"), "-sS", "--http2-prior-knowledge", "-D", "-", "-o", os.devnull]
        words = ["-H", "x-request-id: the client's", "-H", "content-type: application/json", "-d", json.dumps(body)]
        done = subprocess.run([*command, *words, logged.url + path], capture_output=True, text=True, check=True)
        headers = httpx.Headers([tuple(line.split(": ", 1)) for line in done.stdout.splitlines() if ": " in line])
    made = headers["x-request-id"]
    assert (parse_request_id(made).version, parse_request_id(made).rollout) == (1, 0)
    found = log.find(made, patience=10)
    assert (found.model, found.version, found.client_id, found.kind) == ("iris", 1, "the client's", "")
    assert found.dialect == dialect
    assert headers["x-model-digest"] == f"sha256:{found.digest}"
    assert headers["x-model-version"] == "1"
    assert np.array_equal(found.arrays()["X"], np.array(ROWS, np.float32))
    assert found.outputs()[0]["label"].tolist() == [b"setosa", b"virginica"]
    assert 0 < found.decode < found.total
    outcome = again(logged, made)
    assert (outcome["outcome"], outcome["against"]) == ("equal", "iris@1")
    assert {item["state"] for item in outcome["outputs"]} == {"equal"}


def test_put_to_torchserve_is_logged_too(logged, log):
    answer = httpx.put(logged.url + "/predictions/iris", json={"instances": ROWS})
    assert again(logged, answer.headers["x-request-id"])["outcome"] == "equal"


def test_open_inference_over_grpc(logged, log):
    with triton.InferenceServerClient(f"127.0.0.1:{logged.port}") as client:
        tensor = triton.InferInput("X", [2, 4], "FP32").set_data_from_numpy(np.array(ROWS, np.float32))
        asked = [triton.InferRequestedOutput("probabilities")]
        client.infer("iris", [tensor], request_id="mine", outputs=asked)
        with pytest.raises(triton.InferenceServerException, match="shape"):
            client.infer("iris", [triton.InferInput("X", [4], "FP32").set_data_from_numpy(np.ones(4, np.float32))])
    failed, found = _newest(log, 2, "open_inference_grpc")
    assert (failed.kind, failed.inputs) == ("invalid_input", None)
    assert (found.client_id, found.asked) == ("mine", ["probabilities"])
    assert [tensor.name for tensor in found.answers[0]] == ["probabilities"]
    assert again(logged, found.id)["outcome"] == "equal"


def test_the_metadata_of_a_call_have_the_id(logged, log):
    from modelport.wire.open_inference_grpc_messages import message

    with grpc.insecure_channel(f"127.0.0.1:{logged.port}") as channel:
        infer = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=message("ModelInferResponse").FromString,
        )
        request = message("ModelInferRequest")(model_name="iris")
        request.inputs.add(name="X", datatype="FP32", shape=[2, 4])
        request.raw_input_contents.append(np.array(ROWS, np.float32).tobytes())
        _, call = infer.with_call(request, metadata=[("x-request-id", "its own")])
        made = dict(call.trailing_metadata())["x-request-id"]
        assert log.find(made, patience=10).client_id == "its own"
        assert again(logged, made)["outcome"] == "equal"
        request.inputs[0].shape[:] = [3, 4]
        with pytest.raises(grpc.RpcError) as caught:
            infer.with_call(request)
        assert log.find(dict(caught.value.trailing_metadata())["x-request-id"], patience=10).kind == "invalid_input"


def test_a_stream_of_requests_over_grpc(logged, log):
    answers = []
    with triton.InferenceServerClient(f"127.0.0.1:{logged.port}") as client:
        client.start_stream(lambda result, error: answers.append(result or error))
        tensor = triton.InferInput("X", [2, 4], "FP32").set_data_from_numpy(np.array(ROWS, np.float32))
        client.async_stream_infer("iris", [tensor])
        _until(lambda: answers)
        client.stop_stream()
    made = answers[0].get_response().parameters["x-request-id"].string_param
    assert np.array_equal(log.find(made, patience=10).arrays()["X"], np.array(ROWS, np.float32))
    assert again(logged, made)["outcome"] == "equal"


def test_tensorflow_serving_over_grpc(logged, log):
    stub = Stub(logged.port)
    asked = predict_request(X=(1, (2, 4), "float_val", FLAT))
    _, call = stub.Predict.func.with_call(asked)
    made = dict(call.trailing_metadata())["x-request-id"]
    assert log.find(made, patience=10).dialect == "tensorflow_serving_grpc"
    assert again(logged, made)["outcome"] == "equal"
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(predict_request(X=(1, (1, 3), "float_val", [1, 2, 3])))
    made = dict(caught.value.trailing_metadata())["x-request-id"]
    assert log.find(made, patience=10).kind == "invalid_input"
    stub.channel.close()


@pytest.mark.parametrize(
    ("path", "name"),
    [("/v2/models/counting/generate_stream", "generate_stream"), ("/models/counting/predict_stream", "predict_stream")],
)
def test_all_responses_of_a_stream_are_logged_and_asked_again(logged, log, path, name):
    body = {"text_input": "four"} if name == "generate_stream" else {"instances": ["four"]}
    answer = httpx.post(logged.url + path, json=body, headers={"x-request-id": "mine"})
    assert answer.text.count("data: ") == 3
    made = answer.headers["x-request-id"]
    found = log.find(made, patience=10)
    assert (found.dialect, found.client_id) == (name, "mine")
    assert [item["output"].tolist() for item in found.outputs()] == [
        [np.float32(4 + number / 3)] for number in range(3)
    ]
    outcome = again(logged, made)
    assert (outcome["outcome"], outcome["note"]) == ("equal", "")
    refused = httpx.post(logged.url + path, json={"no_input": 1})
    assert refused.status_code == 400
    assert log.find(refused.headers["x-request-id"], patience=10).kind == "invalid_input"


def test_a_request_that_fails_says_who_refused_it_and_is_logged(logged, log):
    answer = httpx.post(logged.url + "/models/iris/predict", json={"instances": [[1, 2, 3]]})
    assert answer.status_code == 400
    found = log.find(answer.headers["x-request-id"], patience=10)
    assert (found.kind, found.inputs, found.answers) == ("invalid_input", None, [])
    assert found.text == answer.json()["error"]
    assert answer.headers["x-model-digest"] == f"sha256:{found.digest}"
    refused = httpx.post(f"{logged.url}/api/v1/requests/{found.id}/replay", json={})
    assert (refused.status_code, "could not be read" in refused.json()["error"]) == (400, True)


def test_a_model_that_says_no_is_not_logged_whatever_the_server_says(logged, log):
    answer = httpx.post(logged.url + "/models/quiet/predict", json={"instances": [[0.1] * 10]})
    assert answer.status_code == 200
    assert "x-request-id" not in answer.headers
    assert "quiet" not in log.models()


def test_the_api_lists_and_shows_requests(logged):
    made = [httpx.post(logged.url + "/models/iris/predict", json={"instances": ROWS}) for _ in range(3)]
    ids = [answer.headers["x-request-id"] for answer in made]
    shown = httpx.get(f"{logged.url}/api/v1/requests/{ids[-1]}?elements=3").json()
    [tensor] = shown["inputs"]
    assert (tensor["shape"], tensor["data"], tensor["cut"]) == ([2, 4], np.float32(ROWS[0][:3]).tolist(), 8)
    listed = httpx.get(f"{logged.url}/api/v1/requests?model=iris&limit=3").json()["requests"]
    assert [item["id"] for item in listed] == ids[::-1]
    assert all(item["ok"] and item["ms"]["total"] > 0 for item in listed)
    before = httpx.get(f"{logged.url}/api/v1/requests", params={"before": listed[1]["at"], "limit": 1}).json()
    assert [item["id"] for item in before["requests"]] == ids[:1]
    assert httpx.get(f"{logged.url}/api/v1/requests?errors=true&model=iris&since=1d").json()["requests"]
    assert httpx.get(f"{logged.url}/api/v1/requests?since=whenever").status_code == 400
    assert httpx.get(f"{logged.url}/api/v1/requests/0-1-0000000000000").status_code == 404
    assert httpx.get(f"{logged.url}/api/v1/requests/nonsense").status_code == 400
    unknown = httpx.post(f"{logged.url}/api/v1/requests/{ids[0]}/replay", json={"against": 7})
    assert unknown.status_code == 404


def test_a_pipelined_connection_of_many_small_requests_is_logged_whole(logged, log):
    """Such requests go another way where nothing is logged."""
    body = json.dumps({"instances": ROWS}).encode()
    head = b"POST /models/iris/predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    one = head + b"content-length: %d\r\n\r\n%b" % (len(body), body)
    last = head + b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    received = logged.raw(one * 30, last)
    ids = [line.partition(b": ")[2].decode() for line in received.split(b"\r\n") if line.startswith(b"x-request-id")]
    assert len(set(ids)) == 31
    assert [log.find(made, patience=10).id for made in ids] == ids


def test_answers_of_a_cache_are_logged_and_asked_again_of_the_model(run_server, place, tmp_path):
    (tmp_path / "iris.onnx").write_bytes((place / "models" / "iris.onnx").read_bytes())
    (tmp_path / "modelport.toml").write_text("[cache]\n[logging]\nrequests = true\n")
    server = run_server(tmp_path / "iris.onnx", env={"MODELPORT_HOME": str(tmp_path / "home")}).wait_ready()
    answers = [httpx.post(server.url + "/models/iris/predict", json={"instances": ROWS}) for _ in range(2)]
    assert [answer.headers["x-cache"] for answer in answers] == ["miss", "hit"]
    made = answers[1].headers["x-request-id"]
    assert again(server, made)["outcome"] == "equal"
    assert LoggedRequests(tmp_path / "home" / "requests").find(made).cache == "hit"
    metrics = httpx.get(server.url + "/metrics").text
    assert 'modelport_request_log_total{model="iris",result="written"} 2' in metrics
    assert 'cache_requests_total{model="iris",result="hit",version="1"} 1' in metrics


def test_all_workers_write_and_any_of_them_reads(run_server, place, tmp_path):
    env = {"MODELPORT_LOG_REQUESTS": "iris", "MODELPORT_REQUEST_LOG": str(tmp_path)}
    server = run_server(place / "models" / "iris.onnx", "--workers", "2", env=env).wait_ready()
    answers = [httpx.post(server.url + "/models/iris/predict", json={"instances": ROWS}) for _ in range(40)]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len({parse_request_id(made).process for made in ids}) == 2
    for made in ids[-4:]:
        assert httpx.get(f"{server.url}/api/v1/requests/{made}").status_code == 200
    assert server.stop() == 0
    assert {item.id for item in LoggedRequests(tmp_path).newest(Wanted(), 100)} == set(ids)


def test_a_killed_server_has_written_all_that_it_answered_a_moment_ago_and_nothing_half(run_server, place, tmp_path):
    env = {"MODELPORT_LOG_REQUESTS": "iris", "MODELPORT_REQUEST_LOG": str(tmp_path)}
    server = run_server(place / "models" / "iris.onnx", env=env).wait_ready()
    answered: list[tuple[float, str]] = []
    threads = [threading.Thread(target=_ask_until_dead, args=(server.port, answered)) for _ in range(4)]
    for thread in threads:
        thread.start()
    _until(lambda: len(answered) > 300 and answered[300][0] < time.monotonic() - COMMIT - 1.0)
    killed = time.monotonic()
    server.process.send_signal(signal.SIGKILL)
    for thread in threads:
        thread.join(20)
    found = {item.id: item for item in LoggedRequests(tmp_path).newest(Wanted(), 100_000)}
    old = [made for at, made in answered if at < killed - COMMIT - 1.0]
    assert len(old) > 100
    assert [made for made in old if made not in found] == []
    for item in found.values():
        assert item.arrays()["X"].shape == (2, 4)
        assert item.outputs()[0]["label"].tolist() == [b"setosa", b"virginica"]


def _ask_until_dead(port, answered):
    body = json.dumps({"instances": ROWS})
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        while True:
            connection.request("POST", "/models/iris/predict", body, JSON)
            response = connection.getresponse()
            response.read()
            answered.append((time.monotonic(), response.headers["x-request-id"]))
            time.sleep(0.002)
    except OSError:
        connection.close()


def test_a_full_disk_costs_no_request_and_logging_goes_on_once_there_is_room(run_server, place, tmp_path):
    env = {"MODELPORT_LOG_REQUESTS": "iris", "MODELPORT_REQUEST_LOG": str(tmp_path)}
    server = run_server(place / "models" / "iris.onnx", env=env).wait_ready()
    log = LoggedRequests(tmp_path)

    def ask(count):
        answers = [httpx.post(server.url + "/models/iris/predict", json={"instances": ROWS}) for _ in range(count)]
        assert {answer.status_code for answer in answers} == {200}
        return [answer.headers["x-request-id"] for answer in answers]

    first = ask(3)
    assert log.find(first[-1], patience=10)
    limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (2500, resource.RLIM_INFINITY))
    ask(20)
    _until(lambda: _failed(server) > 0)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
    _until(lambda: _is_logged(log, ask(1)[0]))
    assert set(first) <= {item.id for item in log.newest(Wanted(), 1000)}
    assert "are answered but not logged" in server.output


def test_a_folder_that_can_not_be_written_costs_no_request(run_server, place, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    env = {"MODELPORT_LOG_REQUESTS": "*", "MODELPORT_REQUEST_LOG": str(tmp_path / "file" / "log")}
    server = run_server(place / "models" / "iris.onnx", env=env).wait_ready()
    for _ in range(5):
        answer = httpx.post(server.url + "/models/iris/predict", json={"instances": ROWS})
        assert answer.status_code == 200
        assert answer.headers["x-request-id"]
    _until(lambda: _failed(server) == 5)
    assert httpx.get(f"{server.url}/api/v1/requests").json() == {"requests": []}


def _is_logged(log, request_id):
    with suppress(NotFoundError):
        return log.find(request_id, patience=1) is not None
    return False


def _failed(server):
    for line in httpx.get(server.url + "/metrics").text.splitlines():
        if line.startswith('modelport_request_log_total{model="iris",result="failed"}'):
            return int(line.split()[-1])
    return 0


def _newest(log, count, dialect):
    def found():
        return [item for item in log.newest(Wanted(), 50) if item.dialect == dialect][:count]

    _until(lambda: len(found()) == count)
    return found()


def _until(said, seconds=20):
    end = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < end
        time.sleep(0.02)
