"""`inference.GRPCInferenceService`: inference, health and metadata of the Open Inference Protocol over gRPC."""

from __future__ import annotations

import logging
from functools import partial
from time import perf_counter_ns
from typing import Any

from modelport import __version__
from modelport.core.deadline import Deadline
from modelport.core.errors import CancelledError, InternalError, ModelportError, NotFoundError, UnavailableError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.references import parse_version
from modelport.engine.engine import Engine
from modelport.engine.served import ON_THE_LOOP, ServedVersion
from modelport.server.extensions import Extensions
from modelport.server.grpc.open_inference_management import management_methods
from modelport.server.grpc.open_inference_stream import InferStream
from modelport.server.grpc.open_inference_unary import Answer, unary
from modelport.server.http2 import Streaming, StreamingCall, Unary, UnaryCall
from modelport.server.http2.grpc import Method
from modelport.wire.grpc import STATUS, kind_trailer
from modelport.wire.open_inference_grpc import Encode, OpenInferenceGrpc, model_of
from modelport.wire.open_inference_grpc_messages import message
from modelport.wire.open_inference_grpc_scan import raw_start
from modelport.wire.open_inference_metadata import model_metadata, server_metadata
from modelport.wire.quoting import error_text

_log = logging.getLogger("modelport.server")
_PATH = b"/inference.GRPCInferenceService/%b"
_NEVER = float("inf")


def open_inference_methods(engine: Engine, extensions: Extensions) -> dict[bytes, Method]:
    """Every method of the service, by its path."""
    dialect = OpenInferenceGrpc(extensions.memory)
    status = _status_methods(engine)
    management = management_methods(extensions)
    named: dict[str, Method] = {name: unary(name, answer) for name, answer in {**status, **management}.items()}
    named["ModelInfer"] = Unary(ModelInfer(engine, dialect), raw_start)

    async def stream(call: StreamingCall) -> None:
        await InferStream(engine, dialect, call).run()

    named["ModelStreamInfer"] = Streaming(stream)
    return {_PATH % name.encode(): method for name, method in named.items()}


class ModelInfer:
    """The handler of ModelInfer: this is the hot path."""

    def __init__(self, engine: Engine, dialect: OpenInferenceGrpc) -> None:
        self._engine, self._find, self._submit = engine, engine.find, engine.submit
        self._decode, self._name = dialect.decode, dialect.name

    def __call__(self, call: UnaryCall, data: bytes | memoryview) -> None:
        """Decode and submit; the call is answered now or later. Views are of large messages."""
        received = perf_counter_ns()
        try:
            served, request, encode = self._decode(data, self._find)
        except ModelportError as error:
            self._refuse(call, model_of(data), error)
            return
        except Exception as error:
            self._refuse(call, "", _defect(error))
            return
        request.received = received
        request.decoded = perf_counter_ns()
        if call.deadline != _NEVER:
            request.deadline = Deadline(call.deadline)
        if served.execution not in ON_THE_LOOP:
            call.on_cancel = request.cancel  # what waits for a thread, and nobody for it, is not computed
        self._submit(served, request, partial(self._answer, call, served, request, encode))

    def _answer(
        self,
        call: UnaryCall,
        served: ServedVersion,
        request: InferenceRequest,
        encode: Encode,
        outcome: InferenceResponse | ModelportError,
    ) -> None:
        if isinstance(outcome, ModelportError):
            self._refuse(call, served.model, outcome)
            return
        if call.ended:
            self._refuse(call, served.model, CancelledError("the caller went away"))
            return
        try:
            reply = encode(outcome)
        except ModelportError as error:
            self._refuse(call, served.model, error)
            return
        except Exception as error:
            self._refuse(call, served.model, _defect(error))
            return
        call.reply(reply)
        served.meter(self._name).count(request, served.rows_of(request), perf_counter_ns())

    def _refuse(self, call: UnaryCall, model: str, error: ModelportError) -> None:
        self._engine.metrics.error(model if self._engine.has(model) else "", self._name, error.kind)
        call.fail(STATUS[error.kind], error_text(error), trailing=kind_trailer(error))


def _defect(error: Exception) -> InternalError:
    _log.exception("a request was answered with an internal error")
    return InternalError(f"internal error: {type(error).__name__}")


def _status_methods(engine: Engine) -> dict[str, Answer]:
    def live(request: Any) -> Any:
        return message("ServerLiveResponse")(live=True)

    def ready(request: Any) -> Any:
        return message("ServerReadyResponse")(ready=engine.ready)

    def model_ready(request: Any) -> Any:
        try:
            _find(engine, request)
        except (NotFoundError, UnavailableError):
            return message("ModelReadyResponse")(ready=False)
        return message("ModelReadyResponse")(ready=True)

    def server(request: Any) -> Any:
        return message("ServerMetadataResponse")(**server_metadata("modelport", __version__))

    def model(request: Any) -> Any:
        served = _find(engine, request)
        versions = [item.version for item in engine.model(request.name).versions]
        described = model_metadata(request.name, versions, served.info.platform, served.signature)
        for tensor in (*described["inputs"], *described["outputs"]):
            tensor.pop("parameters", None)  # the message has no place for what a tensor means
        return message("ModelMetadataResponse")(**described)

    return {
        "ServerLive": live,
        "ServerReady": ready,
        "ModelReady": model_ready,
        "ServerMetadata": server,
        "ModelMetadata": model,
    }


def _find(engine: Engine, request: Any) -> ServedVersion:
    return engine.find(request.name, parse_version(request.version) if request.version else None)
