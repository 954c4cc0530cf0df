"""Listening sockets: one per worker on the same port, so that the kernel spreads the connections."""

from __future__ import annotations

import ipaddress
import socket

from modelport.core.errors import ConflictError, InvalidInputError


def listen(host: str, port: int, count: int = 1) -> list[socket.socket]:
    """`count` listening sockets on one port (0: a free one). Raises ConflictError where the port is taken."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise InvalidInputError(f"{host!r} is not an address that can be listened on: {error}") from None
    first = _bound(family, str(address[0]), port, shared=count > 1)
    taken = first.getsockname()[1]
    return [first, *(_bound(family, str(address[0]), taken, shared=True) for _ in range(count - 1))]


def is_local(host: str) -> bool:
    """Whether only this machine can reach that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bound(family: int, host: str, port: int, shared: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        sock.bind((host, port))
        sock.listen(2048)
    except (OSError, OverflowError) as error:
        sock.close()
        reason = getattr(error, "strerror", None) or error
        raise ConflictError(f"can't listen on {host} port {port}: {reason}; choose another with --port") from None
    sock.setblocking(False)
    return sock
