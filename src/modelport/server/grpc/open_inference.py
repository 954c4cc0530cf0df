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
from modelport.engine.rollouts.ticket import Ticket
from modelport.engine.served import ON_THE_LOOP, ServedVersion
from modelport.server.extensions import Extensions
from modelport.server.grpc.choosing import Choosing, found_by, ticket_of
from modelport.server.grpc.noting import metadata_of, note, request_id_of, trailers_of
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
        self._engine, self._submit, self._submit_alone = engine, engine.submit, engine.submit_alone
        self._decode, self._name = dialect.decode, dialect.name
        self._last: ServedVersion | None = None

    def __call__(self, call: UnaryCall, data: bytes | memoryview) -> None:
        """Decode and submit; the call is answered now or later. Views are of large messages."""
        received = perf_counter_ns()
        engine = self._engine
        choosing = Choosing(engine, call, data) if engine.splits or engine.requests.active else None
        try:
            self._last = None
            served, request, encode = self._decode(data, choosing or self._found)
        except ModelportError as error:
            self._refuse_unread(call, model_of(data), choosing, error)
            return
        except Exception as error:
            self._refuse_unread(call, "", choosing, _defect(error))
            return
        request.received = received
        request.decoded = perf_counter_ns()
        ticket = ticket_of(choosing)
        if choosing is not None:
            request.request_id = request_id_of(served, ticket)
        if ticket is not None:
            ticket.request = request
        if call.deadline != _NEVER:
            request.deadline = Deadline(call.deadline)
        if served.execution not in ON_THE_LOOP:
            call.on_cancel = request.cancel  # what waits for a thread, and nobody for it, is not computed
        submit = self._submit_alone if call.alone else self._submit
        submit(served, request, partial(self._answer, call, served, request, encode, ticket))

    def _found(self, name: str, version: int | None = None) -> ServedVersion:
        """As `Engine.find`; an error in what comes after the version's name may say which version it was for."""
        served = self._last = self._engine.find(name, version)
        return served

    def _answer(
        self,
        call: UnaryCall,
        served: ServedVersion,
        request: InferenceRequest,
        encode: Encode,
        ticket: Ticket | None,
        outcome: InferenceResponse | ModelportError,
    ) -> None:
        if isinstance(outcome, ModelportError):
            self._fail(call, served, request, outcome, ticket)
            return
        if call.ended:
            self._fail(call, served, request, CancelledError("the caller went away"), ticket)
            return
        try:
            reply = encode(outcome)
        except ModelportError as error:
            self._fail(call, served, request, error, ticket)
            return
        except Exception as error:
            self._fail(call, served, request, _defect(error), ticket)
            return
        if request.request_id:
            call.reply(reply, trailing=metadata_of(served, request.request_id))
        else:
            call.reply(reply, ready=trailers_of(served))
        served.meter(self._name).count(request, served.rows_of(request), perf_counter_ns())
        if served.log is not None:
            note(served, request.request_id, self._name, call, request, outcome)
        if ticket is not None:
            ticket.answered(request, outcome)

    def _fail(
        self,
        call: UnaryCall,
        served: ServedVersion,
        request: InferenceRequest,
        error: ModelportError,
        ticket: Ticket | None,
    ) -> None:
        self._refuse(call, served.model, served, error, ticket, request.request_id)
        note(served, request.request_id, self._name, call, request, error)

    def _refuse_unread(self, call: UnaryCall, model: str, choosing: Choosing | None, error: ModelportError) -> None:
        served, ticket = found_by(choosing) or self._last, ticket_of(choosing)
        request_id = request_id_of(served, ticket)
        self._refuse(call, model, served, error, ticket, request_id)
        note(served, request_id, self._name, call, None, error)

    def _refuse(
        self,
        call: UnaryCall,
        model: str,
        served: ServedVersion | None,
        error: ModelportError,
        ticket: Ticket | None,
        request_id: str,
    ) -> None:
        self._engine.metrics.error(model if self._engine.has(model) else "", self._name, error.kind)
        said = (*kind_trailer(error), *metadata_of(served, request_id))
        call.fail(STATUS[error.kind], error_text(error), trailing=said)
        if ticket is not None:
            ticket.failed(error)


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
