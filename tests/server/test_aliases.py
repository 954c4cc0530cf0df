"""Versions by their names, in the dialects that know such names."""

from __future__ import annotations

import grpc
import httpx
import numpy as np
import pytest

from modelport.wire.tensorflow_serving_messages import message
from runtimes import onnx_graphs

BODY = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.5, -2.0]}]}
PREDICT = "/tensorflow.serving.PredictionService/Predict"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"


def scaled(factor):
    """`y` is `factor` times `x`."""
    tensors = [onnx_graphs.tensor(name, 1, ("n", 2)) for name in "xy"]
    weights = [onnx_graphs.weight("f", np.array([factor], np.float32))]
    nodes = [onnx_graphs.node("Mul", ["x", "f"], ["y"])]
    return onnx_graphs.model(nodes, tensors[:1], tensors[1:], weights=weights).SerializeToString()


@pytest.fixture
def aliased(run_server, tmp_path):
    for number in (1, 2, 3):
        (tmp_path / "m" / str(number)).mkdir(parents=True)
        (tmp_path / "m" / str(number) / "model.onnx").write_bytes(scaled(number))
    (tmp_path / "m" / "modelport.toml").write_text("[serving]\naliases = {production = 1, staging = 3}\n")
    return run_server(tmp_path).wait_ready()


def post(server, path, body):
    return httpx.post(server.url + path, json=body, trust_env=False)


def test_over_rest(aliased):
    for alias, first in (("production", 1.5), ("staging", 4.5)):
        answer = post(aliased, f"/v2/models/m/versions/{alias}/infer", BODY)
        assert answer.json()["outputs"][0]["data"][0] == first
        answer = post(aliased, f"/v1/models/m/labels/{alias}:predict", {"instances": [[1.5, -2.0]]})
        assert answer.json()["predictions"][0][0] == first
    answer = post(aliased, "/v2/models/m/versions/test/infer", BODY)
    assert answer.status_code == 400
    assert answer.json()["error"].endswith("versions are numbered 1, 2, 3 … or called production, staging")
    answer = post(aliased, "/v1/models/m/labels/test:predict", {"instances": [[1.5, -2.0]]})
    assert (answer.status_code, answer.json()["error"]) == (400, "Unrecognized servable version label: test")
    assert post(aliased, "/v2/models/m/versions/2/infer", BODY).status_code == 404
    status = httpx.get(f"{aliased.url}/v1/models/m/labels/production", trust_env=False).json()
    assert [item["version"] for item in status["model_version_status"]] == ["1"]
    metadata = httpx.get(f"{aliased.url}/v1/models/m/labels/production/metadata", trust_env=False).json()
    assert metadata["model_spec"]["version"] == "1"


def test_over_grpc(aliased):
    with grpc.insecure_channel(f"127.0.0.1:{aliased.port}") as channel:
        predict, status = channel.unary_unary(PREDICT), channel.unary_unary(STATUS)
        for alias, version in (("production", 1), ("staging", 3)):
            request = message("PredictRequest")()
            request.model_spec.name, request.model_spec.version_label = "m", alias
            tensor = request.inputs["x"]
            tensor.dtype = 1
            for size in (1, 2):
                tensor.tensor_shape.dim.add(size=size)
            tensor.float_val.extend([1.5, -2.0])
            answer = message("PredictResponse").FromString(predict(request.SerializeToString(), timeout=10))
            assert answer.model_spec.version.value == version
            assert list(answer.outputs["y"].float_val) == [1.5 * version, -2.0 * version]
            asked = message("GetModelStatusRequest")()
            asked.model_spec.name, asked.model_spec.version_label = "m", alias
            states = message("GetModelStatusResponse").FromString(status(asked.SerializeToString(), timeout=10))
            assert [item.version for item in states.model_version_status] == [version]
        asked.model_spec.version_label = "test"
        with pytest.raises(grpc.RpcError) as caught:
            status(asked.SerializeToString(), timeout=10)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.details() == "Unrecognized servable version label: test"
