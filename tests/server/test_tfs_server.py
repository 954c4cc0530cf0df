"""TensorFlow Serving's clients against `modelport serve` itself: gRPC and REST on its one port."""

import json
import urllib.request

import numpy as np
import pytest
from tfs_rig import Stub, predict_request

from runtimes import onnx_graphs

ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]], np.float32)


@pytest.fixture
def stub(server):
    made = Stub(server.port)
    yield made
    made.channel.close()


def ask(server, path, document=None):
    body = None if document is None else json.dumps(document).encode()
    with urllib.request.urlopen(f"{server.url}{path}", body, 10) as answer:
        return json.load(answer)


def test_both_protocols_on_one_port(server, stub, model_folder):
    direct = onnx_graphs.direct(model_folder / "iris.onnx", {"X": ROWS})["probabilities"]
    answer = stub.Predict(predict_request(X=(1, ROWS.shape, "tensor_content", ROWS.tobytes())))
    assert np.array_equal(np.array(answer.outputs["probabilities"].float_val, np.float32), direct.ravel())
    rows = ask(server, "/v1/models/iris:predict", {"instances": ROWS.tolist()})["predictions"]
    assert np.array_equal(np.array([row["probabilities"] for row in rows], np.float32), direct)
    assert ask(server, "/v1/models/iris")["model_version_status"][0]["state"] == "AVAILABLE"
    assert "serving_default" in ask(server, "/v1/models/iris/metadata")["metadata"]["signature_def"]["signature_def"]
    assert "iris" in ask(server, "/v1/models")["models"]


def test_errors_on_the_lane_are_in_the_dialects_form(server):
    body = b'{"instances": [[1]]}'
    head = (
        b"POST /v1/models/iris/labels/x:predict HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    )
    answer = server.raw(head % len(body) + body)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.endswith(b'{"error":"Unrecognized servable version label: x"}')


def test_requests_are_counted_by_dialect(server, stub):
    stub.Predict(predict_request(X=(1, ROWS.shape, "tensor_content", ROWS.tobytes())))
    ask(server, "/v1/models/iris:predict", {"instances": ROWS.tolist()})
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert 'dialect="tensorflow_serving_grpc"' in text
    assert 'dialect="tensorflow_serving"' in text
