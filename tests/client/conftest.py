"""A small real HTTP server of Open Inference Protocol v2 for the client's tests, with a model that echoes its inputs.

It reads with its own code, so that the client is not proven by the code that it shares with the server.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import ml_dtypes
import numpy as np
import pytest

from modelport.client import AsyncClient, Client

NUMPY = {
    "BOOL": np.bool_,
    **{f"{kind}{bits}": getattr(np, f"{kind.lower()}{bits}") for kind in ("INT", "UINT") for bits in (8, 16, 32, 64)},
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BF16": ml_dtypes.bfloat16,
}


@dataclass
class Behaviour:
    """What the server does; tests change it while it runs."""

    extensions: list[str] = field(default_factory=lambda: ["binary_tensor_data"])
    inputs: list[dict] = field(default_factory=list)
    answer_binary: bool = True
    #: Answers given before the usual ones, one per request: (status, headers, body).
    queue: list[tuple[int, dict, bytes]] = field(default_factory=list)
    seen: list[tuple[str, str, dict, bytes]] = field(default_factory=list)

    def paths(self) -> list[str]:
        return [f"{method} {path}" for method, path, _, _ in self.seen]


@contextmanager
def serving(behaviour: Behaviour):
    class Handler(_Handler):
        pass

    Handler.behaviour = behaviour
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # headers and body in one packet
    behaviour: Behaviour

    def log_message(self, *args):
        pass

    def do_GET(self):
        self._answer(b"")

    def do_POST(self):
        self._answer(self.rfile.read(int(self.headers["Content-Length"] or 0)))

    def _answer(self, body):
        behaviour = self.behaviour
        headers = {name.lower(): value for name, value in self.headers.items()}
        behaviour.seen.append((self.command, self.path, headers, body))
        if behaviour.queue:
            return self._send(*behaviour.queue.pop(0))
        if self.path == "/v2":
            return self._json({"name": "echo", "version": "1", "extensions": behaviour.extensions})
        if self.path.startswith("/v2/health/"):
            return self._send(200, {}, b"")
        if self.path.endswith("/infer") and "/echo" in self.path:
            return self._infer(headers, body)
        if self.path.endswith("/predict"):
            return self._json({"model": "echo", "version": 1, "predictions": [{"body": body.decode("latin-1")}]})
        if self.path.startswith("/v2/models/echo"):
            return self._json(
                {"name": "echo", "versions": ["1"], "platform": "", "inputs": behaviour.inputs, "outputs": []}
            )
        return self._json({"error": f"no {self.path}"}, 404)

    def _infer(self, headers, body):
        length = headers.get("inference-header-content-length")
        head = json.loads(body if length is None else body[: int(length)])
        binary = b"" if length is None else body[int(length) :]
        outputs, raws = [], []
        for tensor in head["inputs"]:
            size = tensor.get("parameters", {}).get("binary_data_size")
            raw, binary = (_to_raw(tensor), binary) if size is None else (binary[:size], binary[size:])
            output = {key: tensor[key] for key in ("name", "datatype", "shape")}
            if self.behaviour.answer_binary and size is not None:
                output["parameters"] = {"binary_data_size": len(raw)}
                raws.append(raw)
            else:
                output["data"] = _to_json(tensor["datatype"], raw)
            outputs.append(output)
        assert not binary
        answer = {"model_name": "echo", "model_version": "1", "id": head.get("id", ""), "outputs": outputs}
        if not raws:
            return self._json(answer)
        text = json.dumps(answer).encode()
        return self._send(200, {"Inference-Header-Content-Length": str(len(text))}, text + b"".join(raws))

    def _json(self, document, status=200):
        self._send(status, {"Content-Type": "application/json"}, json.dumps(document).encode())

    def _send(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _to_raw(tensor) -> bytes:
    if tensor["datatype"] == "BYTES":
        return b"".join(struct.pack("<I", len(item.encode())) + item.encode() for item in tensor["data"])
    return np.array(tensor["data"], NUMPY[tensor["datatype"]]).tobytes()


def _to_json(datatype, raw):
    if datatype != "BYTES":
        return np.frombuffer(raw, NUMPY[datatype]).tolist()
    items, at = [], 0
    while at < len(raw):
        (length,) = struct.unpack_from("<I", raw, at)
        items.append(raw[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return items


class Blocking:
    """AsyncClient behind Client's face, so that one set of tests is for both."""

    def __init__(self, url, **options):
        self._loop = asyncio.new_event_loop()
        self._client = AsyncClient(url, **options)

    def __getattr__(self, name):
        method = getattr(self._client, name)
        if not inspect.iscoroutinefunction(method):
            return method
        return lambda *args, **kwargs: self._loop.run_until_complete(method(*args, **kwargs))

    def __enter__(self):
        self._loop.run_until_complete(self._client.__aenter__())
        return self

    def __exit__(self, *error):
        self._loop.run_until_complete(self._client.__aexit__(*error))
        self._loop.close()


@pytest.fixture(params=[Client, Blocking], ids=["sync", "async"])
def make(request):
    return request.param


@pytest.fixture
def behaviour():
    return Behaviour()


@pytest.fixture
def echo_url(behaviour):
    with serving(behaviour) as url:
        yield url
