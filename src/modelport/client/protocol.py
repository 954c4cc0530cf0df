"""Inference and prediction as exchanges, without sockets: what is asked in which order, and what the answers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

from modelport.client.casting import fitted
from modelport.client.dialects import Dialects
from modelport.client.exchange import Call, Exchange, Request
from modelport.client.failures import NoServerError
from modelport.client.inference import inference_body, inference_result
from modelport.client.plain import plain_answer, plain_body
from modelport.client.result import InferenceResult
from modelport.client.status import GrpcStatus, HttpStatus, Status, Version, model_path, version_text
from modelport.core.datatypes import Array
from modelport.core.errors import (
    ForbiddenError,
    InternalError,
    InvalidInputError,
    Kind,
    ModelportError,
    NotFoundError,
    UnsupportedError,
)
from modelport.core.signature import Signature

#: What a server says that has no metadata, or none for this caller.
_UNSAID = (NotFoundError, UnsupportedError, InvalidInputError, ForbiddenError)
#: Errors that another dialect might not have had.
_FAULTS = frozenset(
    {Kind.UNAVAILABLE, Kind.UNSUPPORTED, Kind.INTERNAL, Kind.DEADLINE_EXCEEDED, Kind.TOO_LARGE, Kind.OVERLOADED}
)
#: Errors that an outdated signature may be the reason of.
_DOUBTS = frozenset({Kind.INVALID_INPUT, Kind.NOT_FOUND})
_UNKNOWN: Any = object()


class Protocol:
    """The calls of one client, and what it has learnt about its server. Safe to use from several threads."""

    def __init__(self, dialects: Dialects) -> None:
        self.status: Status = GrpcStatus() if dialects.pinned == "grpc" else HttpStatus()
        self._dialects = dialects
        self._signatures: dict[tuple[str, str], Signature | None] = {}

    def signature(self, name: str, version: Version) -> Exchange[Signature]:
        """The signature as the server gives it now; later calls of `infer` cast to it."""
        signature = yield from self.status.signature(name, version)
        self._signatures[name, version_text(version)] = signature
        return signature

    def infer(
        self,
        name: str,
        inputs: Any,
        version: Version,
        *,
        outputs: Sequence[str] | None,
        request_id: str,
        parameters: Mapping[str, Any] | None,
    ) -> Exchange[InferenceResult]:
        """Cast to the signature, ask, and read the answer. A signature that no longer fits is asked for again."""
        if not self._dialects.known:
            yield from self._learn()
        key = name, version_text(version)
        arrays = yield from self._arrays(key, inputs)
        wishes = outputs, request_id, parameters
        if self._dialects.pinned != "auto":
            dialect = self._dialects.usual()
            return (yield from self._ask(key, dialect, arrays, wishes))[0]
        size = sum(array.nbytes for array in arrays.values())
        dialect, choice = self._dialects.pick(*key, size)
        start = perf_counter()
        try:
            result, resent = yield from self._ask(key, dialect, arrays, wishes)
        except NoServerError:
            choice.failed(dialect)
            if dialect != "grpc":
                raise
            # nothing has been sent, so this is no second time
            return (yield from self._ask(key, self._dialects.usual(), arrays, wishes))[0]
        except ModelportError as error:
            if error.kind in _FAULTS:
                choice.failed(dialect)
            raise
        if not resent:
            choice.took(dialect, perf_counter() - start)
        return result

    def predict(self, name: str, data: Any, version: Version) -> Exchange[list[dict[str, Any]] | dict[str, Any]]:
        """Plain prediction."""
        body, content_type = plain_body(data)
        path = model_path(name, version).removeprefix("/v2") + "/predict"
        response = yield Request("POST", path, (body,), {"Content-Type": content_type})
        return plain_answer(response)

    def _ask(
        self, key: tuple[str, str], dialect: str, arrays: dict[str, Array], wishes: tuple[Any, Any, Any]
    ) -> Exchange[tuple[InferenceResult, bool]]:
        """The result, and whether the request was sent more than once."""
        try:
            if dialect == "grpc":
                # imported late: who speaks HTTP alone needs no messages of protobuf
                from modelport.client.grpc_inference import infer_message, infer_reply  # noqa: PLC0415

                retry = self._dialects.pinned == "grpc"
                reply = yield Call("ModelInfer", infer_message(*key, arrays, *wishes), retry)
                return infer_reply(reply.message), reply.resent
            body, headers = inference_body(arrays, *wishes, binary=dialect == "binary")
            response = yield Request("POST", model_path(*key) + "/infer", body, headers)
            return inference_result(response), response.resent
        except ModelportError as error:
            if error.kind in _DOUBTS:
                self._forget(key[0])  # the signature may be of an older version
            raise

    def _arrays(self, key: tuple[str, str], inputs: Any) -> Exchange[dict[str, Array]]:
        """The inputs as the model takes them."""
        named = isinstance(inputs, Mapping)
        known = signature = self._signatures.get(key, _UNKNOWN)
        if signature is _UNKNOWN:
            signature = yield from self._signature(key, needed=not named)
        try:
            return fitted(inputs, signature)
        except InvalidInputError:
            if known is _UNKNOWN:
                raise
            self._forget(key[0])
            return fitted(inputs, (yield from self._signature(key, needed=not named)))

    def _learn(self) -> Exchange[None]:
        try:
            metadata = yield from self.status.server_metadata()
        except InternalError:
            return  # it may be well again by the next call
        except _UNSAID:
            metadata = {}  # a gateway may pass on nothing but inference; JSON always works
        self._dialects.learn(metadata)

    def _signature(self, key: tuple[str, str], *, needed: bool) -> Exchange[Signature | None]:
        """The server's signature; None where it does not say and none is `needed`."""
        try:
            return (yield from self.signature(*key))
        except (*_UNSAID, InternalError):
            if needed:
                raise
            # the answer to the inference itself says what is wrong
            self._signatures[key] = None
            return None

    def _forget(self, name: str) -> None:
        for key in list(self._signatures):
            if key[0] == name:
                self._signatures.pop(key, None)
