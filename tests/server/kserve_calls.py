"""What kserve's clients get from a server, as JSON. A process of its own: its protobuf messages and those of Triton's
client have the same names, and only one of them can be imported.

    python kserve_calls.py PORT
"""

from __future__ import annotations

import asyncio
import json
import sys

import httpx
import numpy as np
from grpc.aio import AioRpcError
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

MODEL = "identity_FP32"


def infer_request(array: np.ndarray, binary: bool, model: str = MODEL) -> InferRequest:
    tensor = InferInput("x", list(array.shape), "FP32")
    tensor.set_data_from_numpy(array, binary_data=binary)
    return InferRequest(model, [tensor], request_id="my id")


def array(rows: int, columns: int) -> np.ndarray:
    return (np.arange(rows * columns, dtype=np.float32) / 7).reshape(rows, columns)


async def over_rest(url: str) -> dict:
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30))
    seen = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model_ready": await client.is_model_ready(url, MODEL),
        "no_model_ready": await client.is_model_ready(url, "nobody"),
    }
    for name, shape, binary in (("json", (3, 2), False), ("binary", (3, 2), True), ("large", (4, 1 << 20), True)):
        sent = array(*shape)
        answer = await client.infer(url, infer_request(sent, binary), model_name=MODEL)
        got = answer.outputs[0].as_numpy()
        seen[name] = [answer.id, answer.model_name, answer.outputs[0].name, bool(np.array_equal(got, sent))]
    try:
        await client.infer(url, infer_request(array(1, 1), True), model_name="nobody")
    except httpx.HTTPStatusError as error:
        seen["unknown"] = [error.response.status_code, "nobody" in error.response.json()["error"]]
    await client.close()
    return seen


async def over_v1(url: str) -> dict:
    client = InferenceRESTClient(RESTConfig(protocol="v1", timeout=30))
    seen = {
        "live": await client.is_server_live(url),
        "model_ready": await client.is_model_ready(url, MODEL),
        "predictions": (await client.infer(url, {"instances": [[1.5, 2], [3, 4]]}, model_name=MODEL))["predictions"],
    }
    await client.close()
    return seen


async def over_grpc(address: str) -> dict:
    client = InferenceGRPCClient(address, timeout=30)
    seen = {
        "live": await client.is_server_live(),
        "ready": await client.is_server_ready(),
        "model_ready": await client.is_model_ready(MODEL),
    }
    for name, shape, binary in (("typed", (3, 2), False), ("raw", (3, 2), True), ("large", (4, 1 << 20), True)):
        sent = array(*shape)
        answer = await client.infer(infer_request(sent, binary))
        got = answer.outputs[0].as_numpy()
        seen[name] = [answer.id, answer.model_name, answer.outputs[0].name, bool(np.array_equal(got, sent))]
    try:
        await client.infer(infer_request(array(1, 1), True, "nobody"))
    except AioRpcError as error:
        seen["unknown"] = error.code().name
    await client.close()
    return seen


async def main(port: str) -> None:
    url, address = f"http://127.0.0.1:{port}", f"127.0.0.1:{port}"
    seen = {}
    for name, asked in (("rest", over_rest(url)), ("v1", over_v1(url)), ("grpc", over_grpc(address))):
        try:
            seen[name] = await asked
        except Exception as error:  # told with what was seen
            seen[name] = {"failed": f"{type(error).__name__}: {error}"}
    print(json.dumps(seen))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
