"""TensorFlow Serving's services and REST paths on an engine of their own, and requests to them without TensorFlow."""

import asyncio
import threading
from functools import partial

import grpc
import httpx

from modelport.engine.engine import Engine
from modelport.engine.lifecycle.manager import Lifecycle
from modelport.engine.lifecycle.policy import parse_policy
from modelport.engine.lifecycle.source import scan
from modelport.server.asgi.app import create_app
from modelport.server.asgi.inference import InferenceFirst
from modelport.server.asgi.tensorflow_serving import tensorflow_serving_router
from modelport.server.grpc.tensorflow_serving import tensorflow_serving_methods
from modelport.server.http.routes import Routes
from modelport.server.http2 import GrpcServer, Http2Protocol, Limits, Router
from modelport.server.repository import Repository
from modelport.server.settings import LimitSettings
from modelport.wire.tensorflow_serving import TENSORFLOW_SERVING
from modelport.wire.tensorflow_serving_messages import message, schema


class TfsServer:
    """A thread that serves a folder: gRPC on `port`, REST by `ask`."""

    def __init__(self, folder, versions="latest"):
        self._folder, self._versions = folder, versions
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(60)
        self.stub = Stub(self.port)

    def stop(self):
        self.stub.channel.close()
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def ask(self, method, path, body=None):
        """A REST request; `body` is bytes or a document."""

        async def run():
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                content = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
                return await client.request(method, path, **content)

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(30)

    async def _serve(self):
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.engine = Engine()
        lifecycle = Lifecycle(self.engine, partial(scan, (self._folder,)), parse_policy(self._versions))
        repository = Repository(self.engine, lifecycle)
        await lifecycle.start()
        app = create_app([tensorflow_serving_router(self.engine, repository)])
        self._app = InferenceFirst(app, self.engine, Routes(TENSORFLOW_SERVING), LimitSettings())
        router = Router(GrpcServer(tensorflow_serving_methods(self.engine, repository)), lambda request: None)
        protocols = []
        make = partial(Http2Protocol, router, Limits(), on_open=protocols.append)
        server = await self.loop.create_server(make, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for protocol in protocols:
            protocol.transport.abort()
        await asyncio.sleep(0.01)
        self.engine.close()


class Stub:
    """Both services, called with our own messages over grpcio."""

    def __init__(self, port):
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        for service in (service for file in schema().files for service in file.service):
            for method in service.method:
                call = self.channel.unary_unary(
                    f"/tensorflow.serving.{service.name}/{method.name}",
                    request_serializer=lambda request: request.SerializeToString(),
                    response_deserializer=schema().message(method.output_type[1:]).FromString,
                )
                setattr(self, method.name, partial(call, timeout=20))


def refusal(call, request):
    """The status code and text of a call that fails."""
    try:
        call(request)
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError("the call succeeded")


def predict_request(model="iris", **inputs):
    """A PredictRequest; an input is (dtype, shape, field, values)."""
    request = message("PredictRequest")()
    request.model_spec.name = model
    for name, (dtype, shape, field, values) in inputs.items():
        tensor = request.inputs[name]
        tensor.dtype = dtype
        tensor.tensor_shape.SetInParent()
        for size in shape:
            tensor.tensor_shape.dim.add(size=size)
        if field == "tensor_content":
            tensor.tensor_content = values
        elif field:
            getattr(tensor, field).extend(values)
    return request


def set_example(example, **features):
    """Fill in a tf.Example: lists of floats, ints or bytes."""
    for name, values in features.items():
        feature = example.features.feature[name]
        kind = {float: feature.float_list, int: feature.int64_list, bytes: feature.bytes_list}[type(values[0])]
        kind.value.extend(values)
