"""A baseline: the same request answered by uvicorn, Starlette, orjson and ONNX Runtime. plain_asgi.py MODEL PORT"""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

DATATYPES = {"tensor(float)": "FP32", "tensor(int64)": "INT64"}


def application(model: str) -> Starlette:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    described = [(output.name, DATATYPES[output.type]) for output in session.get_outputs()]
    names = [name for name, _ in described]

    async def infer(request: Request) -> Response:
        document = orjson.loads(await request.body())
        feeds = {t["name"]: np.array(t["data"], np.float32).reshape(t["shape"]) for t in document["inputs"]}
        outputs = [
            {"name": name, "datatype": datatype, "shape": array.shape, "data": array.ravel().tolist()}
            for (name, datatype), array in zip(described, session.run(names, feeds), strict=True)
        ]
        answer = {"model_name": "breast-cancer", "id": document.get("id"), "outputs": outputs}
        return Response(orjson.dumps(answer), media_type="application/json")

    async def ready(request: Request) -> Response:
        return Response()

    return Starlette(
        routes=[
            Route("/v2/models/breast-cancer/infer", infer, methods=["POST"]),
            Route("/v2/models/breast-cancer/ready", ready),
        ]
    )


if __name__ == "__main__":
    uvicorn.run(application(sys.argv[1]), port=int(sys.argv[2]), loop="uvloop", access_log=False, log_level="warning")
