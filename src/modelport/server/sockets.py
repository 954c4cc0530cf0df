"""Listening sockets: one per worker on the same port, so that the kernel spreads the connections."""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import struct
import sys
from collections.abc import Iterable

from modelport.core.errors import ConflictError, InvalidInputError

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
#: A classic BPF program over a TCP header (linux/filter.h: opcode, two jumps, operand): drops a SYN without ACK, which
#: asks for a connection, and lets everything else pass.
_NO_SYN = (
    (0x30, 0, 0, 13),  # load the byte of flags
    (0x54, 0, 0, 0x12),  # SYN and ACK alone
    (0x15, 0, 1, 0x02),  # SYN only: go on, otherwise skip one
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # keep
)


def listen(host: str, port: int, count: int = 1) -> list[socket.socket]:
    """`count` listening sockets on one port (0: a free one). Raises ConflictError where the port is taken."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise InvalidInputError(f"{host!r} is not an address that can be listened on: {error}") from None
    first = _bound(family, str(address[0]), port, shared=count > 1)
    taken = first.getsockname()[1]
    return [first, *(_bound(family, str(address[0]), taken, shared=True) for _ in range(count - 1))]


def admit_no_more(sockets: Iterable[socket.socket]) -> None:
    """Before listening sockets are closed: whoever asks for a connection from now on gets no answer, and asks again.

    Closing resets the connections that nobody has accepted yet, whose clients may have sent a request already. After
    this there are only those that wait now: accept them, then close. A client that comes meanwhile asks again within a
    second, and is refused then or reaches another listener. It holds for all processes that share the sockets.
    """
    for sock in sockets:
        if sys.platform == "linux":
            code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _NO_SYN))
            program = struct.pack("HP", len(_NO_SYN), ctypes.addressof(code))
            sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
        else:
            sock.listen(0)


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
