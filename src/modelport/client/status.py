"""What a server says about itself and its models, asked over HTTP or over gRPC."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import quote

from modelport.client.exchange import Call, Exchange, Request, accepted, document
from modelport.client.metadata import signature_from_metadata
from modelport.core.errors import InternalError, InvalidInputError, NotFoundError, UnavailableError
from modelport.core.signature import Signature

Version = int | str | None


class Status(Protocol):
    """The questions, each an exchange."""

    def live(self) -> Exchange[bool]:
        """Whether the server runs. A server that can't be reached says no."""

    def ready(self) -> Exchange[bool]:
        """Whether it can answer inference requests."""

    def model_ready(self, name: str, version: Version) -> Exchange[bool]:
        """Whether that model can answer."""

    def server_metadata(self) -> Exchange[dict[str, Any]]:
        """The server's name, version and extensions."""

    def signature(self, name: str, version: Version) -> Exchange[Signature]:
        """The signature as the server gives it now."""

    def models(self) -> Exchange[list[dict[str, Any]]]:
        """The models of a Modelport server, or the repository index of another."""


class HttpStatus:
    """Over HTTP."""

    def live(self) -> Exchange[bool]:
        """See `Status.live`."""
        return (yield from _probe("/v2/health/live"))

    def ready(self) -> Exchange[bool]:
        """See `Status.ready`."""
        return (yield from _probe("/v2/health/ready"))

    def model_ready(self, name: str, version: Version) -> Exchange[bool]:
        """See `Status.model_ready`."""
        return (yield from _probe(model_path(name, version) + "/ready"))

    def server_metadata(self) -> Exchange[dict[str, Any]]:
        """See `Status.server_metadata`."""
        metadata = document((yield Request("GET", "/v2")))
        if not isinstance(metadata, dict):
            raise InternalError("the server's metadata is not a JSON object")
        return metadata

    def signature(self, name: str, version: Version) -> Exchange[Signature]:
        """See `Status.signature`."""
        return signature_from_metadata(document((yield Request("GET", model_path(name, version)))))

    def models(self) -> Exchange[list[dict[str, Any]]]:
        """See `Status.models`."""
        response = yield Request("GET", "/api/v1/models")
        if response.status in (404, 405):
            response = yield Request("POST", "/v2/repository/index", (b"{}",), {"Content-Type": "application/json"})
        listed = document(response)
        if isinstance(listed, dict):
            listed = listed.get("models")
        if not isinstance(listed, list):
            raise InternalError("the server's list of models is not a JSON list")
        return listed


class GrpcStatus:
    """Over gRPC, for servers that may have no HTTP at that port. A tensor's meaning is not among what that can say."""

    def live(self) -> Exchange[bool]:
        """See `Status.live`."""
        return (yield from self._probe("ServerLive", "live"))

    def ready(self) -> Exchange[bool]:
        """See `Status.ready`."""
        return (yield from self._probe("ServerReady", "ready"))

    def model_ready(self, name: str, version: Version) -> Exchange[bool]:
        """See `Status.model_ready`."""
        return (yield from self._probe("ModelReady", "ready", name=name, version=version_text(version)))

    def server_metadata(self) -> Exchange[dict[str, Any]]:
        """See `Status.server_metadata`."""
        said = yield from self._ask("ServerMetadata")
        return {"name": said.name, "version": said.version, "extensions": list(said.extensions)}

    def signature(self, name: str, version: Version) -> Exchange[Signature]:
        """See `Status.signature`."""
        said = yield from self._ask("ModelMetadata", name=name, version=version_text(version))
        tensors = {
            kind: [
                {"name": item.name, "datatype": item.datatype, "shape": list(item.shape)}
                for item in getattr(said, kind)
            ]
            for kind in ("inputs", "outputs")
        }
        return signature_from_metadata(tensors)

    def models(self) -> Exchange[list[dict[str, Any]]]:
        """The repository's index."""
        said = yield from self._ask("RepositoryIndex")
        keys = ("name", "version", "state", "reason")
        return [{key: getattr(item, key) for key in keys} for item in said.models]

    def _probe(self, method: str, field: str, **values: str) -> Exchange[bool]:
        try:
            said = yield from self._ask(method, retry=False, **values)
        except (UnavailableError, NotFoundError):
            return False
        return bool(getattr(said, field))

    def _ask(self, method: str, *, retry: bool = True, **values: str) -> Exchange[Any]:
        # imported late: who speaks HTTP alone needs no messages of protobuf
        from modelport.wire.open_inference_grpc_messages import message, parsed  # noqa: PLC0415

        reply = yield Call(method, message(f"{method}Request")(**values).SerializeToString(), retry)
        try:
            return parsed(message(f"{method}Response"), reply.message)
        except InvalidInputError as error:
            raise InternalError(f"the server's answer is not of the Open Inference Protocol: {error}") from None


def model_path(name: str, version: Version) -> str:
    """The path of a model or one of its versions in the Open Inference Protocol."""
    path = f"/v2/models/{quote(name, safe='')}"
    text = version_text(version)
    return f"{path}/versions/{quote(text, safe='')}" if text else path


def version_text(version: Version) -> str:
    """A version as messages have it: empty where the server shall choose."""
    return "" if version is None else str(version)


def _probe(path: str) -> Exchange[bool]:
    try:
        response = yield Request("GET", path, retry=False)
    except UnavailableError:
        return False
    if response.status in (401, 403):
        accepted(response)
    return bool(response.ok)
