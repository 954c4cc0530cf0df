"""Callers of a server, one for each way in which inference comes: `way(url, model, key, x)` gives version and id."""

from __future__ import annotations

import json

import grpc
import httpx
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from modelport.wire.tensorflow_serving_messages import message


def _headers(key: str | None) -> dict[str, str]:
    return {} if key is None else {"x-routing-key": key}


def _tensor(x: float) -> dict:
    return {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [x]}]}


def _told(response: httpx.Response) -> tuple[int, str]:
    assert response.status_code == 200, response.text
    return int(response.headers["x-model-version"]), response.headers.get("x-request-id", "")


def _post(url: str, path: str, key: str | None, document: dict, **client: bool) -> httpx.Response:
    with httpx.Client(base_url=url, trust_env=False, timeout=20, **client) as made:
        return made.post(path, json=document, headers=_headers(key))


def open_inference(url, model, key, x=3.0, version=""):
    path = f"/v2/models/{model}{f'/versions/{version}' if version else ''}/infer"
    response = _post(url, path, key, _tensor(x))
    told = _told(response)
    assert int(response.json()["model_version"]) == told[0]
    return told


def http2(url, model, key, x=3.0):
    return _told(_post(url, f"/v2/models/{model}/infer", key, _tensor(x), http1=False, http2=True))


def plain(url, model, key, x=3.0):
    return _told(_post(url, f"/models/{model}/predict", key, {"instances": [x]}))


def tensorflow_rest(url, model, key, x=3.0):
    return _told(_post(url, f"/v1/models/{model}:predict", key, {"instances": [x]}))


def by_asgi(url, model, key, x=3.0):
    """TorchServe's PUT goes by the ASGI app."""
    with httpx.Client(base_url=url, trust_env=False, timeout=20) as made:
        return _told(made.put(f"/predictions/{model}", json={"instances": [x]}, headers=_headers(key)))


def events(url, model, key, x=3.0):
    response = _post(url, f"/models/{model}/predict_stream", key, {"instances": [x]})
    assert response.headers["content-type"].startswith("text/event-stream")
    return _told(response)


def _infer_message(model: str, x: float) -> service_pb2.ModelInferRequest:
    made = service_pb2.ModelInferRequest(model_name=model)
    made.inputs.add(name="x", datatype="FP32", shape=[1])
    made.raw_input_contents.append(np.array([x], np.float32).tobytes())
    return made


def _metadata(key: str | None) -> list[tuple[str, str]]:
    return list(_headers(key).items())


def grpc_infer(url, model, key, x=3.0):
    with grpc.insecure_channel(url.removeprefix("http://")) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        response, call = stub.ModelInfer.with_call(_infer_message(model, x), metadata=_metadata(key), timeout=20)
        return int(response.model_version), dict(call.trailing_metadata()).get("x-request-id", "")


def grpc_stream(url, model, key, x=3.0):
    with grpc.insecure_channel(url.removeprefix("http://")) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        messages = iter([_infer_message(model, x)])
        (response,) = stub.ModelStreamInfer(messages, metadata=_metadata(key), timeout=20)
        assert not response.error_message
        parameters = response.infer_response.parameters
        request_id = parameters["x-request-id"].string_param if "x-request-id" in parameters else ""
        return int(response.infer_response.model_version), request_id


def tensorflow_grpc(url, model, key, x=3.0):
    request = message("PredictRequest")()
    request.model_spec.name = model
    tensor = request.inputs["x"]
    tensor.dtype = 1
    tensor.tensor_shape.dim.add(size=1)
    tensor.float_val.append(x)
    with grpc.insecure_channel(url.removeprefix("http://")) as channel:
        call = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=lambda made: made.SerializeToString(),
            response_deserializer=message("PredictResponse").FromString,
        )
        response, told = call.with_call(request, metadata=_metadata(key), timeout=20)
        return response.model_spec.version.value, dict(told.trailing_metadata()).get("x-request-id", "")


WAYS = (
    open_inference, http2, plain, tensorflow_rest, by_asgi, events, grpc_infer, grpc_stream, tensorflow_grpc,
)  # fmt: skip


def raw_body(x: float) -> bytes:
    """A body whose bytes are known."""
    return json.dumps(_tensor(x)).encode()
