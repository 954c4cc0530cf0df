"""The asyncio client: `Client` with `await`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from modelport.client.exchange import Exchange, Request, Response, T
from modelport.client.protocol import Protocol, Version, model_path
from modelport.client.result import InferenceResult
from modelport.client.retry import Attempts
from modelport.client.transport import checked_url, incoming, outgoing, settings, undecodable
from modelport.core.errors import ModelportError
from modelport.core.signature import Signature


class AsyncClient:
    """Calls one server from one event loop, any number of calls at a time. The arguments are those of `Client`."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float | None = 30,
        headers: Mapping[str, str] | None = None,
        retries: int = 2,
        binary: bool | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = checked_url(url)
        self._timeout, self._retries = timeout, retries
        self._http = httpx.AsyncClient(**settings(timeout, headers), transport=transport)
        self._protocol = Protocol(binary=binary)

    async def live(self) -> bool:
        """See `Client.live`."""
        return await self._run(self._protocol.probe("/v2/health/live"))

    async def ready(self) -> bool:
        """See `Client.ready`."""
        return await self._run(self._protocol.probe("/v2/health/ready"))

    async def model_ready(self, name: str, version: Version = None) -> bool:
        """See `Client.model_ready`."""
        return await self._run(self._protocol.probe(model_path(name, version) + "/ready"))

    async def server_metadata(self) -> dict[str, Any]:
        """See `Client.server_metadata`."""
        return await self._run(self._protocol.server_metadata())

    async def signature(self, name: str, version: Version = None) -> Signature:
        """See `Client.signature`."""
        return await self._run(self._protocol.signature(name, version))

    async def models(self) -> list[dict[str, Any]]:
        """See `Client.models`."""
        return await self._run(self._protocol.models())

    async def infer(
        self,
        name: str,
        inputs: Mapping[str, Any] | Any,
        *,
        version: Version = None,
        outputs: Sequence[str] | None = None,
        id: str = "",  # noqa: A002 - the protocol's word
        parameters: Mapping[str, Any] | None = None,
    ) -> InferenceResult:
        """See `Client.infer`."""
        return await self._run(
            self._protocol.infer(name, inputs, version, outputs=outputs, request_id=id, parameters=parameters)
        )

    async def predict(self, name: str, data: Any, version: Version = None) -> list[dict[str, Any]] | dict[str, Any]:
        """See `Client.predict`."""
        return await self._run(self._protocol.predict(name, data, version))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, exchange: Exchange[T]) -> T:
        try:
            request = next(exchange)
            while True:
                try:
                    response = await self._send(request)
                except ModelportError as error:
                    request = exchange.throw(error)
                else:
                    request = exchange.send(response)
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def _send(self, request: Request) -> Response:
        attempts = Attempts(request, self._retries, self.url, self._timeout)
        while True:
            pause: float | None
            try:
                response = incoming(await self._http.request(**outgoing(request, self.url)))
            except httpx.DecodingError as error:
                raise undecodable(error) from None
            except httpx.TransportError as error:
                pause = attempts.after_failure(error)
            else:
                pause = attempts.after_response(response)
                if pause is None:
                    return response
            await asyncio.sleep(pause)
