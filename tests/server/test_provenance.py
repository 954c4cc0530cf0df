"""Every answer says which version and which artifact gave it: in every dialect, by every way, errors too."""

from __future__ import annotations

import os
import subprocess

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton
from tfs_rig import predict_request

from modelport.artifacts.digest import digest
from modelport.wire.open_inference_grpc_messages import message
from modelport.wire.tensorflow_serving_messages import message as tfs_message
from services import require

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
FLAT = [*ROWS[0], *ROWS[1]]
TENSOR = {"name": "X", "shape": [2, 4], "datatype": "FP32", "data": FLAT}
PATHS = {
    "/models/iris/predict": {"instances": ROWS},
    "/models/iris/predict_stream": {"instances": ROWS},
    "/v2/models/iris/infer": {"inputs": [TENSOR]},
    "/v1/models/iris:predict": {"instances": ROWS},
    "/predictions/iris": {"instances": ROWS},
    "/models/iris/invoke": {"instances": ROWS},
    "/endpoints/iris/invocations": {"instances": ROWS},
    "/serving-endpoints/iris/invocations": {"inputs": ROWS},
    "/api/v1/service/iris/score": {"data": ROWS},
    "/v2/models/text/generate": {"text": "good"},
    "/v2/models/text/generate_stream": {"text": "good"},
}


@pytest.fixture(scope="module")
def known(model_folder):
    """What the headers have to say, by the model's name."""
    return {
        name: {"x-model-version": "1", "x-model-digest": f"sha256:{digest(model_folder / f'{name}.onnx')}"}
        for name in ("iris", "text")
    }


def said(headers):
    return {name: headers.get(name) for name in ("x-model-version", "x-model-digest")}


@pytest.mark.parametrize("path", PATHS)
def test_answers_and_errors_over_http(server, known, path):
    name = "text" if "/text/" in path else "iris"
    for body, status in ((PATHS[path], 200), ({"nothing": 1}, 400)):
        answer = httpx.post(server.url + path, json=body)
        assert (answer.status_code == 200) == (status == 200), answer.text
        assert said(answer.headers) == known[name]
        assert "x-request-id" not in answer.headers or "score" in path


@pytest.mark.parametrize("path", ["/models/iris/predict", "/v2/models/iris/infer"])
def test_answers_over_http2(server, known, path):
    import json

    command = [require("curl", "curl"), "-sS", "--http2-prior-knowledge", "-D", "-", "-o", os.devnull]
    done = subprocess.run(
        [*command, "-H", "content-type: application/json", "-d", json.dumps(PATHS[path]), server.url + path],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    headers = httpx.Headers([tuple(line.split(": ", 1)) for line in done.stdout.splitlines() if ": " in line])
    assert said(headers) == known["iris"]


def test_put_and_what_came_together_on_one_connection(server, known):
    assert said(httpx.put(server.url + "/predictions/iris", json={"instances": ROWS}).headers) == known["iris"]
    head = b"POST /models/iris/predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 36\r\n"
    body = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]'[:35] + b"}"
    good = b'{"instances":[[5.1,3.5,1.4,0.2]]}   '
    received = server.raw((head + b"\r\n" + good) * 5 + head + b"connection: close\r\n\r\n" + body)
    assert received.count(known["iris"]["x-model-digest"].encode()) == 6


def test_nothing_is_said_of_a_version_where_none_was_found(server):
    answer = httpx.post(server.url + "/models/nobody/predict", json={})
    assert said(answer.headers) == {"x-model-version": None, "x-model-digest": None}


@pytest.fixture(scope="module")
def infer(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=message("ModelInferResponse").FromString,
        )


def infer_request(model="iris", rows=2):
    request = message("ModelInferRequest")(model_name=model)
    request.inputs.add(name="X", datatype="FP32", shape=[rows, 4])
    request.raw_input_contents.append(np.array(ROWS, np.float32).tobytes())
    return request


def test_open_inference_over_grpc(infer, known):
    for compression in (None, grpc.Compression.Gzip):
        for _ in range(3):  # the second time a request takes the quick way
            answer, call = infer.with_call(infer_request(), compression=compression)
            assert said(dict(call.trailing_metadata())) == known["iris"]
            assert answer.model_version == "1"
    with pytest.raises(grpc.RpcError) as caught:
        infer(infer_request(rows=3))
    assert said(dict(caught.value.trailing_metadata())) == known["iris"]
    with pytest.raises(grpc.RpcError) as caught:
        infer(infer_request("nobody"))
    assert said(dict(caught.value.trailing_metadata())) == {"x-model-version": None, "x-model-digest": None}


def test_tensorflow_serving_over_grpc(server, known):
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        predict = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=tfs_message("PredictResponse").FromString,
        )
        _, call = predict.with_call(predict_request(X=(1, (2, 4), "float_val", FLAT)))
        assert said(dict(call.trailing_metadata())) == known["iris"]
        with pytest.raises(grpc.RpcError) as caught:
            predict(predict_request(X=(1, (1, 3), "float_val", FLAT[:3])))
        assert said(dict(caught.value.trailing_metadata())) == known["iris"]


def test_a_stream_of_requests_over_grpc_says_it_with_each_response(server, known):
    import queue

    answers: queue.Queue = queue.Queue()
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        client.start_stream(lambda result, error: answers.put(result or error))
        tensor = triton.InferInput("X", [2, 4], "FP32").set_data_from_numpy(np.array(ROWS, np.float32))
        client.async_stream_infer("iris", [tensor])
        response = answers.get(timeout=20).get_response()
        client.stop_stream()
    assert response.model_version == "1"
    assert response.parameters["x-model-digest"].string_param == known["iris"]["x-model-digest"]
