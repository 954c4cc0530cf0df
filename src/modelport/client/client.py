"""The blocking client."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from modelport.client.broken import NoAnswerError
from modelport.client.exchange import Call, Exchange, Reply, Request, Response, T
from modelport.client.grpc_channel import GrpcChannel
from modelport.client.pool import Pool
from modelport.client.result import InferenceResult
from modelport.client.retry import Attempts
from modelport.client.settings import ClientBase
from modelport.client.status import Version
from modelport.core.errors import ModelportError
from modelport.core.signature import Signature

if TYPE_CHECKING:
    import ssl


#: Sends a request and gives its response; raises what `client/broken.py` has where there is none.
Transport = Callable[[Request], Response]


class Client(ClientBase):
    """Calls one server; keeps its connections open until it is closed. Safe to use from several threads.

    `timeout` is in seconds, for connecting and for each wait for the server (None: no limit). `retries` bounds how
    often a request is sent again, which happens only where the server has not acted on it: no connection, or a 503
    with Retry-After. `dialect` is how `infer` talks: json or binary over HTTP, grpc (which takes `modelport[grpc]`, and
    goes for all but `predict`), or auto, the fastest of those that the server speaks. `tls` is for https; `transport`
    takes the place of the network: a function from a `Request` to its `Response`.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float | None = 30,
        headers: Mapping[str, str] | None = None,
        retries: int = 2,
        dialect: str = "auto",
        tls: ssl.SSLContext | None = None,
        transport: Transport | None = None,
    ) -> None:
        super().__init__(url, timeout, headers, retries, dialect, tls, has_network=transport is None)
        self._http = Pool(*self._setting)
        self._transport: Transport = transport or self._http
        self._making = Lock()
        self._grpc: GrpcChannel | None = None

    def live(self) -> bool:
        """Whether the server runs. False where none can be reached."""
        return self._run(self._protocol.status.live())

    def ready(self) -> bool:
        """Whether the server can answer inference requests. False where none can be reached."""
        return self._run(self._protocol.status.ready())

    def model_ready(self, name: str, version: Version = None) -> bool:
        """Whether that model (or version) can answer; False for one that does not exist."""
        return self._run(self._protocol.status.model_ready(name, version))

    def server_metadata(self) -> dict[str, Any]:
        """The server's `name`, `version` and `extensions`."""
        return self._run(self._protocol.status.server_metadata())

    def signature(self, name: str, version: Version = None) -> Signature:
        """The inputs and outputs of a model, asked for anew at each call."""
        return self._run(self._protocol.signature(name, version))

    def models(self) -> list[dict[str, Any]]:
        """What is served, one dict per model, as the server lists it."""
        return self._run(self._protocol.status.models())

    def infer(
        self,
        name: str,
        inputs: Mapping[str, Any] | Any,
        *,
        version: Version = None,
        outputs: Sequence[str] | None = None,
        id: str = "",  # noqa: A002 - the protocol's word
        parameters: Mapping[str, Any] | None = None,
    ) -> InferenceResult:
        """Named arrays in, named arrays out, by Open Inference Protocol v2.

        `inputs` is a dict of arrays (or of what numpy makes arrays of), or one array for a model with one input. Arrays
        are cast to the signature's datatypes where no value is lost (`client/casting.py` has the table). Raises
        ModelportError: InvalidInputError for what does not fit, NotFoundError for an unknown model, UnavailableError
        where no server answers, DeadlineExceededError after `timeout`.
        """
        return self._run(
            self._protocol.infer(name, inputs, version, outputs=outputs, request_id=id, parameters=parameters)
        )

    def predict(self, name: str, data: Any, version: Version = None) -> list[dict[str, Any]] | dict[str, Any]:
        """Plain prediction: a record, rows, a DataFrame, a picture or a text in; a list with one dict per row out.

        For a model whose outputs have no rows the result is a dict of the outputs. `client/plain.py` says what `data`
        may be. Needs a Modelport server.
        """
        return self._run(self._protocol.predict(name, data, version))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        if self._grpc is not None:
            self._grpc.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, exchange: Exchange[T]) -> T:
        try:
            request = next(exchange)
            while True:
                try:
                    response = self._send(request)
                except ModelportError as error:
                    request = exchange.throw(error)
                else:
                    request = exchange.send(response)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _send(self, request: Request | Call) -> Response | Reply:
        attempts = Attempts(request, self._retries, self.url, self._timeout)
        while True:
            pause: float | None
            try:
                response = self._send_once(request)
            except NoAnswerError as error:
                pause = attempts.after_failure(error)
            else:
                pause = attempts.after_response(response)
                if pause is None:
                    return response
            time.sleep(pause)

    def _send_once(self, request: Request | Call) -> Response | Reply:
        if isinstance(request, Request):
            return self._transport(request)
        if self._grpc is None:
            with self._making:
                if self._grpc is None:
                    self._grpc = GrpcChannel(*self._setting)
        return self._grpc(request)
