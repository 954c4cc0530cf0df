"""Every call of the client as an exchange, without sockets: what is asked in which order, and what the answers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from modelport.client.casting import fitted
from modelport.client.exchange import Exchange, Request, accepted, document
from modelport.client.inference import inference_body, inference_result
from modelport.client.metadata import signature_from_metadata
from modelport.client.plain import plain_answer, plain_body
from modelport.client.result import InferenceResult
from modelport.core.errors import (
    ForbiddenError,
    InternalError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    UnsupportedError,
)
from modelport.core.signature import Signature

Version = int | str | None
#: What servers say in their metadata's `extensions` where they take binary tensors.
_BINARY_EXTENSIONS = frozenset({"binary_tensor_data", "binary_data"})
#: What a server says that has no metadata, or none for this caller.
_UNSAID = (NotFoundError, UnsupportedError, InvalidInputError, ForbiddenError)


class Protocol:
    """The calls of one client, and what it has learnt about its server. Safe to use from several threads.

    `binary` None: binary tensors where the server's metadata announces them, JSON otherwise.
    """

    def __init__(self, *, binary: bool | None) -> None:
        self._binary = binary
        self._signatures: dict[tuple[str, str], Signature | None] = {}

    def probe(self, path: str) -> Exchange[bool]:
        """Whether a health endpoint says yes. A server that can't be reached says no."""
        try:
            response = yield Request("GET", path, retry=False)
        except UnavailableError:
            return False
        if response.status in (401, 403):
            accepted(response)
        return response.ok

    def server_metadata(self) -> Exchange[dict[str, Any]]:
        """The server's name, version and extensions."""
        metadata = document((yield Request("GET", "/v2")))
        if not isinstance(metadata, dict):
            raise InternalError("the server's metadata is not a JSON object")
        return metadata

    def signature(self, name: str, version: Version) -> Exchange[Signature]:
        """The signature as the server gives it now; later calls of `infer` cast to it."""
        signature = signature_from_metadata(document((yield Request("GET", model_path(name, version)))))
        self._signatures[name, str(version)] = signature
        return signature

    def models(self) -> Exchange[list[dict[str, Any]]]:
        """The models of a Modelport server, or the repository index of another."""
        response = yield Request("GET", "/api/v1/models")
        if response.status in (404, 405):
            response = yield Request("POST", "/v2/repository/index", b"{}", {"Content-Type": "application/json"})
        listed = document(response)
        if isinstance(listed, dict):
            listed = listed.get("models")
        if not isinstance(listed, list):
            raise InternalError("the server's list of models is not a JSON list")
        return listed

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
        binary = yield from self._takes_binary()
        known = (name, str(version)) in self._signatures
        named = isinstance(inputs, Mapping)
        signature = yield from self._signature(name, version, needed=not named)
        try:
            arrays = fitted(inputs, signature)
        except InvalidInputError:
            if not known:
                raise
            self._forget(name)
            arrays = fitted(inputs, (yield from self._signature(name, version, needed=not named)))
        body, headers = inference_body(arrays, outputs, request_id, parameters, binary=binary)
        response = yield Request("POST", model_path(name, version) + "/infer", body, headers)
        if response.status in (400, 404, 422):
            self._forget(name)  # it may be of an older version
        return inference_result(response)

    def predict(self, name: str, data: Any, version: Version) -> Exchange[list[dict[str, Any]] | dict[str, Any]]:
        """Plain prediction."""
        body, content_type = plain_body(data)
        path = model_path(name, version).removeprefix("/v2") + "/predict"
        response = yield Request("POST", path, body, {"Content-Type": content_type})
        return plain_answer(response)

    def _takes_binary(self) -> Exchange[bool]:
        if self._binary is None:
            try:
                metadata = yield from self.server_metadata()
            except InternalError:
                return False  # for once: it may be well again by the next call
            except _UNSAID:
                metadata = {}  # a gateway may pass on nothing but inference; JSON always works
            self._binary = not _BINARY_EXTENSIONS.isdisjoint(metadata.get("extensions") or ())
        return self._binary

    def _signature(self, name: str, version: Version, *, needed: bool) -> Exchange[Signature | None]:
        """The signature that is known, or else the server's; None where it does not say and none is `needed`."""
        key = (name, str(version))
        if key in self._signatures:
            return self._signatures.get(key)
        try:
            signature = yield from self.signature(name, version)
        except (*_UNSAID, InternalError):
            if needed:
                raise
            # the answer to the inference itself says what is wrong
            self._signatures[key] = None
            return None
        return signature

    def _forget(self, name: str) -> None:
        for key in list(self._signatures):
            if key[0] == name:
                self._signatures.pop(key, None)


def model_path(name: str, version: Version) -> str:
    """The path of a model or one of its versions in the Open Inference Protocol."""
    path = f"/v2/models/{quote(name, safe='')}"
    return path if version is None or version == "" else f"{path}/versions/{quote(str(version), safe='')}"
