"""`grpc.health.v1.Health`: what grpc_health_probe, Envoy and Kubernetes ask.

A service's name is one of the server's gRPC services, a model's name, or empty for the server as a whole.
Source: grpc/doc "GRPC Health Checking Protocol".
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from modelport.engine.engine import Engine
from modelport.server.http2 import GrpcError, StatusCode, Streaming, StreamingCall, Unary, UnaryCall
from modelport.server.http2.grpc import Method
from modelport.wire.protobuf import load_schema, parsed

SERVICE = "grpc.health.v1.Health"
#: How often a watched service is looked at, in seconds.
_EVERY = 0.2


def health_methods(engine: Engine, services: Collection[str]) -> dict[bytes, Method]:
    """The methods, over an engine and the names of the services that the server has."""
    schema = load_schema("health.proto")
    health = Health(engine, services, schema.message("grpc.health.v1.HealthCheckResponse"))
    request, listing = (schema.message(f"grpc.health.v1.Health{name}") for name in ("CheckRequest", "ListResponse"))

    def check(call: UnaryCall, message: bytes) -> None:
        name = parsed(request, message).service
        status = health.status(name)
        if status is None:
            raise GrpcError(StatusCode.NOT_FOUND, f"unknown service {name!r}")
        call.reply(health.response(status))

    def list_all(call: UnaryCall, message: bytes) -> None:
        statuses = listing()
        for name in health.names():
            statuses.statuses[name].status = health.status(name)
        call.reply(statuses.SerializeToString())

    async def watch(call: StreamingCall) -> None:
        async for message in call:
            await health.watch(call, parsed(request, message).service)
            return

    return {
        b"/grpc.health.v1.Health/Check": Unary(check),
        b"/grpc.health.v1.Health/List": Unary(list_all),
        b"/grpc.health.v1.Health/Watch": Streaming(watch),
    }


class Health:
    """Tells the status of services and models."""

    def __init__(self, engine: Engine, services: Collection[str], response: Any) -> None:
        self._engine, self._services, self._response = engine, services, response

    def names(self) -> list[str]:
        """Everything that has a status."""
        return ["", *sorted(self._services), *(model.name for model in self._engine.models())]

    def status(self, name: str) -> int | None:
        """The ServingStatus of a name; None where there is no such service or model."""
        if not name or name in self._services:
            ready = self._engine.ready
        elif self._engine.has(name):
            ready = self._engine.model(name).state == "ready" and not self._engine.draining
        else:
            return None
        return int(self._response.SERVING if ready else self._response.NOT_SERVING)

    def response(self, status: int) -> bytes:
        """A HealthCheckResponse."""
        return bytes(self._response(status=status).SerializeToString())

    async def watch(self, call: StreamingCall, name: str) -> None:
        """Send the status at once and whenever it changes, until the call is cancelled."""
        last = None
        while True:
            status = self.status(name)
            status = self._response.SERVICE_UNKNOWN if status is None else status
            if status != last:
                await call.send_async(self.response(status))
                last = status
            await asyncio.sleep(_EVERY)
