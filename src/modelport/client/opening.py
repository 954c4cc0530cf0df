"""What opening a connection takes that both clients share: TLS, and the way through a proxy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelport.client.address import Address
from modelport.client.broken import NotConnectedError

if TYPE_CHECKING:
    import ssl

#: Connections that one client has at most.
MOST = 100
#: Idle connections are given up before servers close them, which most do after 5 seconds or more: a request that meets
#: such a close half-way is lost, and can't be sent again without knowing whether it was acted on.
IDLE_SECONDS = 4.0
#: What a proxy may say before its answer to CONNECT must be complete.
LONGEST_PROXY_ANSWER = 65536
_TUNNELLED = re.compile(rb"HTTP/1\.[01] 2\d\d[ \r]")


def tls_of(address: Address, given: ssl.SSLContext | None) -> ssl.SSLContext | None:
    """The TLS settings for an https address: the caller's, or the machine's certificate authorities."""
    if not address.tls:
        return None
    import ssl  # noqa: PLC0415 - 10 ms that http does not need

    return given or ssl.create_default_context()


def first_hop(address: Address) -> tuple[str, int]:
    """The host and port to connect to."""
    place = address.proxy or address
    return place.host, place.port


def connect_request(address: Address) -> bytes:
    """The request that asks the proxy for a tunnel (RFC 9110 "CONNECT")."""
    assert address.proxy is not None
    host = f"[{address.host}]" if ":" in address.host else address.host
    target = f"{host}:{address.port}"
    authorization = address.proxy.authorization
    line = f"Proxy-Authorization: {authorization}\r\n" if authorization else ""
    return f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{line}\r\n".encode("latin-1")


def check_tunnel(answer: bytes) -> None:
    """Raise NotConnectedError unless the proxy opened the tunnel."""
    if _TUNNELLED.match(answer) is None:
        first = answer.partition(b"\r\n")[0][:80].decode("latin-1")
        raise NotConnectedError(f"the proxy refused: {first!r}")
