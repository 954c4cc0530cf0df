"""The asyncio client: `Client` with `await`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from modelport.client.async_pool import AsyncPool
from modelport.client.broken import NoAnswerError
from modelport.client.exchange import Call, Exchange, Reply, Request, Response, T
from modelport.client.grpc_channel import AsyncGrpcChannel
from modelport.client.result import InferenceResult
from modelport.client.retry import Attempts
from modelport.client.settings import ClientBase
from modelport.client.status import Version
from modelport.core.errors import ModelportError
from modelport.core.signature import Signature

if TYPE_CHECKING:
    import ssl


#: Sends a request and gives its response; raises what `client/broken.py` has where there is none.
AsyncTransport = Callable[[Request], Awaitable[Response]]


class AsyncClient(ClientBase):
    """Calls one server from one event loop, any number of calls at a time. The arguments are those of `Client`."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float | None = 30,
        headers: Mapping[str, str] | None = None,
        retries: int = 2,
        dialect: str = "auto",
        tls: ssl.SSLContext | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        super().__init__(url, timeout, headers, retries, dialect, tls, has_network=transport is None)
        self._http = AsyncPool(*self._setting)
        self._transport: AsyncTransport = transport or self._http
        self._grpc: AsyncGrpcChannel | None = None

    async def live(self) -> bool:
        """See `Client.live`."""
        return await self._run(self._protocol.status.live())

    async def ready(self) -> bool:
        """See `Client.ready`."""
        return await self._run(self._protocol.status.ready())

    async def model_ready(self, name: str, version: Version = None) -> bool:
        """See `Client.model_ready`."""
        return await self._run(self._protocol.status.model_ready(name, version))

    async def server_metadata(self) -> dict[str, Any]:
        """See `Client.server_metadata`."""
        return await self._run(self._protocol.status.server_metadata())

    async def signature(self, name: str, version: Version = None) -> Signature:
        """See `Client.signature`."""
        return await self._run(self._protocol.signature(name, version))

    async def models(self) -> list[dict[str, Any]]:
        """See `Client.models`."""
        return await self._run(self._protocol.status.models())

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
        await self._http.close()
        if self._grpc is not None:
            await self._grpc.close()

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

    async def _send(self, request: Request | Call) -> Response | Reply:
        attempts = Attempts(request, self._retries, self.url, self._timeout)
        while True:
            pause: float | None
            try:
                response = await self._send_once(request)
            except NoAnswerError as error:
                pause = attempts.after_failure(error)
            else:
                pause = attempts.after_response(response)
                if pause is None:
                    return response
            await asyncio.sleep(pause)

    async def _send_once(self, request: Request | Call) -> Response | Reply:
        if isinstance(request, Request):
            return await self._transport(request)
        if self._grpc is None or self._grpc.loop is not asyncio.get_running_loop():
            self._grpc = AsyncGrpcChannel(*self._setting)
        return await self._grpc(request)
