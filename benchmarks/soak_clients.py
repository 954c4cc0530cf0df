"""The good clients of the soak: each sends one request after the other in its dialect and knows the right answer."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import numpy as np
import onnxruntime

from modelport.wire.protobuf import load_schema
from modelport.wire.tensorflow_serving_messages import schema as tensorflow_serving_schema

_OIP = load_schema("model_config.proto", "open_inference.proto")
_TFS = tensorflow_serving_schema()
JSON = {"content-type": "application/json"}
UNBOUNDED = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
]


class WrongAnswerError(Exception):
    """A good request was not answered rightly."""


class Models:
    """What the models answer when they are called directly."""

    def __init__(self, folder: Path) -> None:
        self._sessions = {file.stem: onnxruntime.InferenceSession(str(file)) for file in folder.glob("*.onnx")}

    def rows(self, model: str, count: int) -> np.ndarray:
        return (random.random() + np.random.default_rng().random((count, self.width(model)))).astype(np.float32)

    def width(self, model: str) -> int:
        return int(self._sessions[model].get_inputs()[0].shape[1])

    def answer(self, model: str, rows: np.ndarray) -> dict[str, np.ndarray]:
        session = self._sessions[model]
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, {session.get_inputs()[0].name: rows}), strict=True))


class Clients:
    """Good requests by dialect. Each method sends one and raises whatever is wrong with the answer."""

    def __init__(self, url: str, models: Models) -> None:
        self.models = models
        self.http = httpx.AsyncClient(base_url=url, timeout=60, limits=httpx.Limits(max_connections=64))
        self.address = url.removeprefix("http://")
        self.channel = grpc.aio.insecure_channel(self.address, UNBOUNDED)

    async def close(self) -> None:
        await self.http.aclose()
        await self.channel.close()

    def all(self) -> dict[str, Callable[[], Awaitable[None]]]:
        names = [name for name in dir(self) if name.startswith("ask_")]
        return {name.removeprefix("ask_"): getattr(self, name) for name in names}

    async def ask_open_inference_json(self) -> None:
        rows = self.models.rows("breast-cancer", random.randint(1, 20))
        tensor = {"name": "X", "shape": rows.shape, "datatype": "FP32", "data": rows.ravel().tolist()}
        document = await self._post("/v2/models/breast-cancer/infer", json.dumps({"inputs": [tensor]}).encode())
        wanted = self.models.answer("breast-cancer", rows)
        got = {output["name"]: np.reshape(output["data"], output["shape"]) for output in document["outputs"]}
        _compare(got, wanted)

    async def ask_open_inference_binary(self) -> None:
        await self._echo_binary(np.random.default_rng().random((random.randint(1, 9), 100), dtype=np.float32))

    async def ask_open_inference_binary_large(self) -> None:
        await self._echo_binary(
            np.random.default_rng().random((1, random.randint(100_000, 1_500_000)), dtype=np.float32)
        )

    async def ask_plain(self) -> None:
        rows = self.models.rows("diabetes", random.randint(1, 5))
        document = await self._post("/models/diabetes/predict", json.dumps({"instances": rows.tolist()}).encode())
        got = np.array([[item["progression"]] for item in document["predictions"]])
        _compare({"progression": got}, self.models.answer("diabetes", rows))

    async def ask_text(self) -> None:
        texts = [f"text ünïcødé {random.random()}" for _ in range(random.randint(1, 5))]
        tensor = {"name": "x", "shape": [1, len(texts)], "datatype": "BYTES", "data": texts}
        document = await self._post("/v2/models/texts/infer", json.dumps({"inputs": [tensor]}).encode())
        if document["outputs"][0]["data"] != texts:
            raise WrongAnswerError(f"{document} instead of {texts}")

    async def ask_tensorflow_serving(self) -> None:
        rows = self.models.rows("diabetes", random.randint(1, 5))
        document = await self._post("/v1/models/diabetes:predict", json.dumps({"instances": rows.tolist()}).encode())
        _compare({"progression": np.array(document["predictions"])}, self.models.answer("diabetes", rows))

    async def ask_sagemaker(self) -> None:
        rows = self.models.rows("diabetes", random.randint(1, 5))
        headers = {"content-type": "text/csv", "x-amzn-sagemaker-target-model": "diabetes"}
        body = "\n".join(",".join(map(repr, row)) for row in rows.tolist()).encode()
        got = np.array(await self._post("/invocations", body, headers)).reshape(-1, 1)
        _compare({"progression": got}, self.models.answer("diabetes", rows))

    async def ask_mlflow(self) -> None:
        rows = self.models.rows("diabetes", random.randint(1, 5))
        columns = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
        split = {"columns": columns, "data": rows.tolist()}
        body = random.choice(({"dataframe_split": split}, {"instances": rows.tolist()}, {"inputs": rows.tolist()}))
        got = np.array((await self._post("/invocations", json.dumps(body).encode(), JSON))["predictions"])
        _compare({"progression": got.reshape(-1, 1)}, self.models.answer("diabetes", rows))

    async def ask_torchserve(self) -> None:
        rows = self.models.rows("diabetes", 1)
        got = await self._post("/predictions/diabetes", json.dumps(rows.tolist()[0]).encode())
        _compare({"progression": np.array(got).reshape(1, 1)}, self.models.answer("diabetes", rows))

    async def ask_open_inference_grpc(self) -> None:
        rows = self.models.rows("breast-cancer", random.randint(1, 20))
        response = await self._unary("ModelInfer", _infer("breast-cancer", "X", rows), "ModelInferResponse")
        wanted = self.models.answer("breast-cancer", rows)
        dtypes = {"INT64": np.int64, "FP32": np.float32}
        got = {
            output.name: np.frombuffer(raw, dtypes[output.datatype]).reshape(list(output.shape))
            for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
        }
        _compare(got, wanted)

    async def ask_open_inference_grpc_large(self) -> None:
        array = np.random.default_rng().random((1, random.randint(100_000, 1_500_000)), dtype=np.float32)
        response = await self._unary("ModelInfer", _infer("identity", "x", array), "ModelInferResponse")
        _same(response.raw_output_contents[0], array)

    async def ask_open_inference_grpc_stream(self) -> None:
        arrays = [np.random.default_rng().random((1, 5), dtype=np.float32) for _ in range(8)]

        async def requests() -> Any:
            for array in arrays:
                yield _infer("identity", "x", array)

        answers = [item async for item in self.stream(requests())]
        if len(answers) != len(arrays):
            raise WrongAnswerError(f"{len(answers)} answers to {len(arrays)} requests of a stream")
        for answer, array in zip(answers, arrays, strict=True):
            message = _OIP.message("inference.ModelStreamInferResponse").FromString(answer)
            _same(message.infer_response.raw_output_contents[0], array)

    async def ask_tensorflow_serving_grpc(self) -> None:
        rows = self.models.rows("diabetes", random.randint(1, 5))
        message = _TFS.message("tensorflow.serving.PredictRequest")()
        message.model_spec.name = "diabetes"
        tensor = message.inputs["X"]
        tensor.dtype = 1
        for size in rows.shape:
            tensor.tensor_shape.dim.add(size=size)
        tensor.float_val.extend(rows.ravel().tolist())
        path = "/tensorflow.serving.PredictionService/Predict"
        call = self.channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
        answer = await call(message.SerializeToString(), timeout=60)
        response = _TFS.message("tensorflow.serving.PredictResponse").FromString(answer)
        output = response.outputs["progression"]
        got = np.array(output.float_val) if output.float_val else np.frombuffer(output.tensor_content, np.float32)
        _compare({"progression": got.reshape(-1, 1)}, self.models.answer("diabetes", rows))

    async def ask_new_connections(self) -> None:
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.get(f"http://{self.address}/v2/models/identity/ready")
        if answer.status_code != 200:
            raise WrongAnswerError(f"{answer.status_code} {answer.text[:300]}")
        async with grpc.aio.insecure_channel(self.address, UNBOUNDED) as channel:
            path = "/inference.GRPCInferenceService/ServerReady"
            await channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)(b"", timeout=60)

    def stream(self, requests: Any) -> Any:
        """A call of ModelStreamInfer."""
        path = "/inference.GRPCInferenceService/ModelStreamInfer"
        call = self.channel.stream_stream(path, request_serializer=bytes, response_deserializer=bytes)
        return call(requests, timeout=60)

    async def cancel_calls(self) -> None:
        """No good request: a stream and a large call that are given up while they run."""

        async def requests() -> Any:
            while True:
                yield _infer("identity", "x", np.ones((1, 1000), np.float32))
                await asyncio.sleep(0.001)

        call = self.stream(requests())
        async for _ in call:
            break
        call.cancel()
        path = "/inference.GRPCInferenceService/ModelInfer"
        unary = self.channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
        large = unary(_infer("identity", "x", np.ones((1, 1_000_000), np.float32)), timeout=60)
        await asyncio.sleep(random.random() * 0.02)
        large.cancel()

    async def _unary(self, method: str, message: bytes, answer: str) -> Any:
        path = f"/inference.GRPCInferenceService/{method}"
        call = self.channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
        return _OIP.message(f"inference.{answer}").FromString(await call(message, timeout=60))

    async def _post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> Any:
        answer = await self.http.post(path, content=body, headers=headers or JSON)
        if answer.status_code != 200:
            raise WrongAnswerError(f"{path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()

    async def _echo_binary(self, array: np.ndarray) -> None:
        tensor = {"name": "x", "shape": array.shape, "datatype": "FP32"}
        tensor["parameters"] = {"binary_data_size": array.nbytes}
        head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        headers = {"inference-header-content-length": str(len(head))}
        answer = await self.http.post("/v2/models/identity/infer", content=head + array.tobytes(), headers=headers)
        if answer.status_code != 200:
            raise WrongAnswerError(f"{answer.status_code} {answer.text[:300]}")
        _same(answer.content[int(answer.headers["inference-header-content-length"]) :], array)


def _infer(model: str, name: str, array: np.ndarray) -> bytes:
    tensor = {"name": name, "datatype": "FP32", "shape": array.shape}
    message = _OIP.message("inference.ModelInferRequest")(
        model_name=model, inputs=[tensor], raw_input_contents=[array.tobytes()]
    )
    return bytes(message.SerializeToString())


def _same(raw: bytes, array: np.ndarray) -> None:
    if raw != array.tobytes():
        raise WrongAnswerError(f"{len(raw)} bytes that are not the {array.nbytes} sent")


def _compare(got: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    for name, right in wanted.items():
        if got[name].shape != right.shape or not np.allclose(got[name], right, rtol=1e-4, atol=1e-5):
            raise WrongAnswerError(f"{name} is {got[name].tolist()} instead of {right.tolist()}")
