"""TensorFlow Serving's gRPC services: tensorflow.serving.PredictionService and tensorflow.serving.ModelService."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from time import perf_counter_ns
from typing import Any, Protocol

from modelport.core.deadline import Deadline
from modelport.core.errors import InternalError, InvalidInputError, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.signature import Signature
from modelport.engine.engine import Engine
from modelport.engine.rollouts.ticket import Ticket
from modelport.engine.served import ON_THE_LOOP, ServedVersion
from modelport.server.grpc.choosing import Choosing, ticket_of
from modelport.server.grpc.noting import metadata_of, note, request_id_of, trailers_of
from modelport.server.http2 import Unary, UnaryCall
from modelport.server.http2.grpc import Method
from modelport.server.http2.grpc_metadata import Metadata
from modelport.server.http2.stream import NEVER
from modelport.server.named_signatures import with_signature, with_signatures
from modelport.server.repository import Repository
from modelport.server.tensorflow_serving import model_status, reload
from modelport.wire.http import Buffer
from modelport.wire.protobuf import parsed
from modelport.wire.quoting import error_text, quoted
from modelport.wire.tensorflow_serving_config import configs_from
from modelport.wire.tensorflow_serving_inference import Classify, MultiInference, Regress
from modelport.wire.tensorflow_serving_messages import ModelSpec, code_of, message, servable_error, spec_from
from modelport.wire.tensorflow_serving_metadata import FIELD, metadata_response, reload_response
from modelport.wire.tensorflow_serving_predict import PredictReader

_log = logging.getLogger("modelport.server")
#: The dialect's name in metrics.
NAME = "tensorflow_serving_grpc"


def tensorflow_serving_methods(engine: Engine, repository: Repository) -> dict[bytes, Method]:
    """The methods of both services by their paths."""
    inference, about = _Inference(engine), _About(engine, repository)
    reader = PredictReader()
    prediction: dict[str, Callable[[UnaryCall, bytes], object]] = {
        "Predict": inference.handler(reader.read, by_name=True),
        "Classify": inference.handler(Classify),
        "Regress": inference.handler(Regress),
        "MultiInference": inference.handler(MultiInference),
        "GetModelMetadata": about.handler(about.metadata),
    }
    models: dict[str, Callable[[UnaryCall, bytes], object]] = {
        "GetModelStatus": about.handler(about.status),
        "HandleReloadConfigRequest": about.reload,
    }
    services = {"PredictionService": prediction, "ModelService": models}
    return {
        f"/tensorflow.serving.{service}/{name}".encode(): Unary(handler)
        for service, methods in services.items()
        for name, handler in methods.items()
    }


class _Wanted(Protocol):
    """A request that has been read, and how to answer it."""

    @property
    def spec(self) -> ModelSpec:
        """The model that it is for."""

    def request(self, data: bytes, signature: Signature) -> InferenceRequest:
        """Its arrays."""

    def encode(self, response: InferenceResponse, signature: Signature) -> bytes | list[Buffer]:
        """The answer's message."""


class _Inference:
    """Runs requests on the engine; everything happens on the event loop's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def handler(self, read: Callable[[bytes], _Wanted], by_name: bool = False) -> Callable[[UnaryCall, bytes], None]:
        """The method whose requests `read` reads; `by_name` where they may name a signature of the model's own."""
        engine = self._engine

        def handle(call: UnaryCall, data: bytes) -> None:
            received, name, served = perf_counter_ns(), "", None
            choosing = Choosing(engine, call, data) if engine.splits or engine.requests.active else None
            try:
                wanted = read(data)
                name = wanted.spec.name
                served = _find(choosing or engine.find, wanted.spec)
                if by_name and wanted.spec.signature:
                    served = with_signature(served, wanted.spec.signature)
                request = wanted.request(data, served.signature)
            except ModelportError as error:
                self._refuse(call, error, name, ticket_of(choosing), served)
                return
            ticket = ticket_of(choosing)
            request.request_id = request_id_of(served, ticket)
            if ticket is not None:
                ticket.request = request
            if call.deadline != NEVER:
                request.deadline = Deadline(call.deadline)
            request.received = received
            request.decoded = perf_counter_ns()
            if served.execution not in ON_THE_LOOP:
                call.on_cancel = request.cancel
            submit = engine.submit_alone if call.alone else engine.submit
            submit(served, request, partial(self._answer, call, served, request, wanted, ticket))

        return handle

    def _answer(
        self,
        call: UnaryCall,
        served: ServedVersion,
        request: InferenceRequest,
        wanted: _Wanted,
        ticket: Ticket | None,
        outcome: InferenceResponse | ModelportError,
    ) -> None:
        if isinstance(outcome, ModelportError):
            self._refuse(call, outcome, served.model, ticket, served, request)
            return
        try:
            reply = wanted.encode(outcome, served.signature)
        except ModelportError as error:
            self._refuse(call, error, served.model, ticket, served, request)
            return
        except Exception as error:
            _log.exception("a request was answered with an internal error")
            defect = InternalError(f"internal error: {type(error).__name__}")
            self._refuse(call, defect, served.model, ticket, served, request)
            return
        if request.request_id:
            call.reply(reply, trailing=metadata_of(served, request.request_id))
        else:
            call.reply(reply, ready=trailers_of(served))
        served.meter(NAME).count(request, served.rows_of(request), perf_counter_ns())
        note(served, request.request_id, NAME, call, request, outcome)
        if ticket is not None:
            ticket.answered(request, outcome if served is ticket.served else None)

    def _refuse(
        self,
        call: UnaryCall,
        error: ModelportError,
        name: str,
        ticket: Ticket | None,
        served: ServedVersion | None,
        request: InferenceRequest | None = None,
    ) -> None:
        request_id = request_id_of(served, ticket) if request is None else request.request_id
        _fail(self._engine, call, error, name, metadata_of(served, request_id))
        note(served, request_id, NAME, call, request, error)
        if ticket is not None:
            ticket.failed(error)


class _About:
    """Answers about models."""

    def __init__(self, engine: Engine, repository: Repository) -> None:
        self._engine = engine
        self._repository = repository
        self._tasks: set[asyncio.Task[None]] = set()

    def handler(self, answer: Callable[[bytes], Any]) -> Callable[[UnaryCall, bytes], None]:
        """The method that `answer` gives the response message for."""

        def handle(call: UnaryCall, data: bytes) -> None:
            try:
                call.reply(answer(data).SerializeToString())
            except ModelportError as error:
                _fail(self._engine, call, error, "")

        return handle

    def metadata(self, data: bytes) -> Any:
        """GetModelMetadata."""
        request = parsed(message("GetModelMetadataRequest"), data)
        spec = spec_from(request)
        if not request.metadata_field:
            raise InvalidInputError("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != FIELD:
                raise InvalidInputError(f"Metadata field {quoted(name)} is not supported; the only one is {FIELD!r}")
        spec.check()
        served = with_signatures(_find(self._engine.find, spec))
        return metadata_response(served.model, served.version, served.signature)

    def status(self, data: bytes) -> Any:
        """GetModelStatus."""
        return model_status(self._engine, self._repository, spec_from(parsed(message("GetModelStatusRequest"), data)))

    def reload(self, call: UnaryCall, data: bytes) -> None:
        """HandleReloadConfigRequest."""
        task = asyncio.get_running_loop().create_task(self._reloaded(call, data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reloaded(self, call: UnaryCall, data: bytes) -> None:
        try:
            configs = configs_from(parsed(message("ReloadConfigRequest"), data).config)
            await reload(self._engine, self._repository, configs)
        except ModelportError as error:
            _fail(self._engine, call, error, "")
        except Exception as error:
            call.fail_with(error)
        else:
            call.reply(reload_response(None).SerializeToString())


def _find(find: Callable[[str, int | str | None], ServedVersion], spec: ModelSpec) -> ServedVersion:
    try:
        return find(spec.name, spec.asked)
    except ModelportError as error:
        raise servable_error(error, spec) from None


def _fail(engine: Engine, call: UnaryCall, error: ModelportError, name: str, trailing: Metadata = ()) -> None:
    engine.metrics.error(name if engine.has(name) else "", NAME, error.kind)
    call.fail(code_of(error), error_text(error), trailing=trailing)
