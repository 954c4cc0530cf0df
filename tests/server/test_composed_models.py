"""Pipelines, stateful models, cached responses and streams, declared beside the models, over real sockets."""

import json
import queue

import httpx
import numpy as np
import onnx
import pytest
import tritonclient.grpc as triton
import tritonclient.http as triton_http
from onnx import TensorProto, helper

from running import Running
from runtimes.onnx_graphs import classifier, direct

MODELPORT_TOML = """
[models.acc.sequence]
idle_seconds = 30
[[models.acc.sequence.state]]
input = "s"
output = "t"

[models.both.pipeline]
outputs = { probabilities = "mean.p", label = "forest.label" }
[[models.both.pipeline.steps]]
name = "logistic"
model = "logistic"
inputs = { X = "X" }
[[models.both.pipeline.steps]]
name = "forest"
model = "forest"
inputs = { X = "X" }
[[models.both.pipeline.steps]]
name = "mean"
mean = ["logistic.probabilities", "forest.probabilities"]

[models.forest.cache]

[models.counter.outputs.value]
datatype = "INT64"
shape = [-1]
"""
COUNTER = """
import numpy as np


class Counter:
    batched = False

    def predict(self, n: int):
        for value in range(n):
            if value == 7:
                raise ValueError("seven is too many")
            yield {"value": value}
"""


def accumulator():
    """y = t = x + s."""
    two = ["n", 2]
    tensors = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, two) for name in "xsyt"}
    nodes = [helper.make_node("Add", ["x", "s"], ["t"]), helper.make_node("Identity", ["t"], ["y"])]
    graph = helper.make_graph(nodes, "acc", [tensors["x"], tensors["s"]], [tensors["y"], tensors["t"]])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture(scope="module")
def rows():
    return classifier(zipmap=False)[1]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("composed")
    onnx.save(accumulator(), folder / "acc.onnx")
    (folder / "logistic.onnx").write_bytes(classifier(zipmap=False)[0])
    (folder / "forest.onnx").write_bytes(classifier(zipmap=False, kind="forest")[0])
    (folder / "modelport.toml").write_text(MODELPORT_TOML)
    (folder / "counter.py").write_text(COUNTER)
    server = Running(folder, folder / "counter.py", "--workers", "2", "--trust", "counter").wait_ready(60)
    server.folder = folder
    yield server
    assert server.stop() == 0, server.output


def test_a_pipeline_is_a_model_like_any_other(served, rows):
    each = [direct(served.folder / f"{name}.onnx", {"X": rows}) for name in ("logistic", "forest")]
    mean = np.mean([item["probabilities"].astype(np.float64) for item in each], axis=0)
    with triton_http.InferenceServerClient(served.url.removeprefix("http://")) as client:
        asked = triton_http.InferInput("X", rows.shape, "FP32")
        asked.set_data_from_numpy(rows)
        answer = client.infer("both", [asked])
        np.testing.assert_allclose(answer.as_numpy("probabilities"), mean, rtol=1e-5, atol=1e-7)
        assert answer.as_numpy("label").tolist() == each[1]["label"].tolist()
        assert client.get_model_metadata("both")["platform"] == "modelport_pipeline"
    wrong = httpx.post(f"{served.url}/v2/models/both/infer", json={"inputs": []})
    assert (wrong.status_code, "missing input 'X'" in wrong.json()["error"]) == (400, True)


def test_a_sequence_keeps_its_state_whichever_worker_answers(served):
    address = served.url.removeprefix("http://")
    total = np.zeros(2, np.float32)
    for step in range(12):  # a connection of its own each time: both workers take part
        with triton_http.InferenceServerClient(address) as client:
            asked = triton_http.InferInput("x", (1, 2), "FP32")
            asked.set_data_from_numpy(np.array([[step, 1]], np.float32))
            answer = client.infer("acc", [asked], sequence_id=42, sequence_start=step == 0, sequence_end=step == 11)
        total += np.array([step, 1], np.float32)
        assert answer.as_numpy("y").tolist() == [total.tolist()]
    over = httpx.post(
        f"{served.url}/v2/models/acc/infer",
        json={
            "parameters": {"sequence_id": 42},
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}],
        },
    )
    assert (over.status_code, "not under way" in over.json()["error"]) == (400, True)


def test_a_cached_answer_says_so(served, rows):
    with httpx.Client() as client:  # one connection, one worker
        body = {"instances": rows[:1].tolist()}
        answers = [client.post(f"{served.url}/models/forest/predict", json=body) for _ in range(3)]
    assert [answer.headers["x-cache"] for answer in answers] == ["miss", "hit", "hit"]
    assert answers[0].json() == answers[2].json()
    metrics = httpx.get(f"{served.url}/metrics").text
    assert 'modelport_cache_requests_total{model="forest",result="hit",version="1"} 2' in metrics


def events(url, body, **more):
    with httpx.stream("POST", url, json=body, **more) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line]


def test_a_model_that_streams_gives_an_event_for_each_response(served):
    generated = events(f"{served.url}/v2/models/counter/generate_stream", {"n": 3})
    assert [event["value"] for event in generated] == [0, 1, 2]
    plain = events(f"{served.url}/models/counter/versions/1/predict_stream", {"inputs": {"n": 3}})
    assert len(plain) == 3
    failed = events(f"{served.url}/v2/models/counter/generate_stream", {"n": 9})
    assert [event.get("value") for event in failed] == [0, 1, 2, 3, 4, 5, 6, None]
    assert "ValueError: seven is too many" in failed[-1]["error"]


def test_a_stream_that_can_not_begin_has_the_errors_status(served):
    for path, status in (("counter", 400), ("counted", 404)):
        answer = httpx.post(f"{served.url}/v2/models/{path}/generate_stream", json={"m": 3})
        assert (answer.status_code, "error" in answer.json()) == (status, True)


@pytest.mark.parametrize("empty_final", [True, False])
def test_a_grpc_stream_gets_every_response(served, empty_final):
    got = queue.Queue()
    asked = triton.InferInput("n", (1,), "INT64")
    asked.set_data_from_numpy(np.array([4]))
    with triton.InferenceServerClient(served.url.removeprefix("http://")) as client:
        client.start_stream(lambda result, error: got.put((result, error)))
        client.async_stream_infer("counter", [asked], request_id="7", enable_empty_final_response=empty_final)
        results = [got.get(timeout=20) for _ in range(5 if empty_final else 4)]
        client.stop_stream()
    assert not any(error for _, error in results)
    responses = [result.get_response() for result, _ in results]
    assert [response.id for response in responses] == ["7"] * len(responses)
    assert [result.as_numpy("value").tolist() for result, _ in results[:4]] == [[0], [1], [2], [3]]
    finals = [response.parameters["triton_final_response"].bool_param for response in responses]
    assert finals == [False] * 4 + ([True] if empty_final else [])
    assert got.empty()
