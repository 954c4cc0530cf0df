"""gRPC channels of the two clients, over grpcio. It is imported when the first channel is made, and never before."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from modelport import __version__
from modelport.client.address import Address, fixed_headers
from modelport.client.broken import BrokenError, NoAnswerError, NotConnectedError, TooSlowError
from modelport.client.exchange import Call, Reply
from modelport.client.failures import grpc_error
from modelport.core.errors import InvalidInputError, MissingExtraError, ModelportError
from modelport.wire.grpc import KIND

if TYPE_CHECKING:
    import ssl

_SERVICE = "/inference.GRPCInferenceService/"
_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.primary_user_agent", f"modelport/{__version__}"),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    # a server that comes back is found soon, not after grpcio's usual two minutes
    ("grpc.max_reconnect_backoff_ms", 5000),
    # each client its own connections, as with HTTP
    ("grpc.use_local_subchannel_pool", 1),
)
#: Headers that gRPC sets itself.
_NOT_METADATA = frozenset({"host", "user-agent", "accept-encoding", "content-type", "te", "connection"})
#: An HTTP/2 connection's first bytes from a client, with empty settings; and what a server's first frame is (RFC 9113).
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_SETTINGS_TYPE, _FRAME_HEAD = 4, 9


def installed() -> bool:
    """Whether grpcio is there, without importing it."""
    return find_spec("grpc") is not None


def speaks_http2(address: Address, seconds: float) -> bool:
    """Whether the port answers HTTP/2 without TLS: a proxy before the server may not."""
    try:
        with socket.create_connection((address.host, address.port), seconds) as sock:
            sock.sendall(_PREFACE)
            head = b""
            while len(head) < _FRAME_HEAD:
                piece = sock.recv(_FRAME_HEAD - len(head))
                if not piece:
                    return False
                head += piece
        return head[3] == _SETTINGS_TYPE
    except OSError:
        return False


def check_possible(address: Address) -> None:
    """Raise ModelportError where calls by gRPC can't be made, or not to that address."""
    if not installed():
        raise MissingExtraError("gRPC takes grpcio: pip install 'modelport[grpc]'")
    if address.prefix:
        raise InvalidInputError(f"{address.url!r} has a path, which gRPC can't have: give the server's address alone")


class _Setting:
    """What both channels are made of."""

    def __init__(
        self,
        address: Address,
        headers: Mapping[str, str] | None,
        timeout: float | None,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._target = f"{_bracketed(address.host)}:{address.port}"
        self._secure, self._tls, self._timeout = address.tls, tls, timeout
        fixed = fixed_headers(address, headers)
        self._metadata = tuple((name, value) for name, value in fixed.items() if name not in _NOT_METADATA)

    def _channel(self, grpc: Any, made_by: Any) -> Any:
        if not self._secure:
            return made_by.insecure_channel(self._target, _OPTIONS)
        return made_by.secure_channel(self._target, grpc.ssl_channel_credentials(self._roots()), _OPTIONS)

    def _roots(self) -> bytes | None:
        """The authorities that the caller's TLS settings trust; None: grpcio's own."""
        if self._tls is None:
            return None
        import ssl  # noqa: PLC0415

        found = self._tls.get_ca_certs(binary_form=True)
        return "".join(map(ssl.DER_cert_to_PEM_cert, found)).encode() or None


class GrpcChannel(_Setting):
    """Blocking calls. Safe to use from several threads."""

    def __init__(self, *setting: Any) -> None:
        super().__init__(*setting)
        grpc = import_module("grpc")
        self._error = grpc.RpcError
        self._open = self._channel(grpc, grpc)
        self._methods: dict[str, Any] = {}

    def __call__(self, call: Call) -> Reply:
        """Send once. Raises NoAnswerError where no answer came, and the ModelportError that a status stands for."""
        method = self._methods.get(call.method)
        if method is None:
            method = self._methods[call.method] = self._open.unary_unary(_SERVICE + call.method)
        try:
            return Reply(method(call.message, self._timeout, self._metadata))
        except self._error as error:
            raise _failure(error) from None

    def close(self) -> None:
        """Close the connections; calls that wait for an answer fail."""
        self._open.close()


class AsyncGrpcChannel(_Setting):
    """Calls from the event loop that runs when it is made."""

    def __init__(self, *setting: Any) -> None:
        super().__init__(*setting)
        grpc = import_module("grpc")
        self._error = grpc.RpcError
        self._open = self._channel(grpc, import_module("grpc.aio"))
        self.loop = asyncio.get_running_loop()
        self._methods: dict[str, Any] = {}

    async def __call__(self, call: Call) -> Reply:
        """See `GrpcChannel.__call__`."""
        method = self._methods.get(call.method)
        if method is None:
            method = self._methods[call.method] = self._open.unary_unary(_SERVICE + call.method)
        try:
            return Reply(await method(call.message, timeout=self._timeout, metadata=self._metadata))
        except self._error as error:
            raise _failure(error) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._open.close()


def _failure(error: Any) -> NoAnswerError | ModelportError:
    code, text = error.code().value[0], error.details() or ""
    kind = next((value for name, value in error.trailing_metadata() or () if name == KIND), "")
    if not kind and code == 14:
        # grpcio's own words; where they change, an unreachable server is no longer tried again, and nothing else
        if text.startswith("failed to connect") or "Failed to connect" in text or "DNS resolution failed" in text:
            return NotConnectedError("connection refused" if "refused" in text else text)
        if "Socket closed" in text or "reset by peer" in text or "Broken pipe" in text:
            return BrokenError(text)
    if not kind and code == 4 and text == "Deadline Exceeded":
        return TooSlowError()
    return grpc_error(code, text, kind)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
