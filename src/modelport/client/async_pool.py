"""The asyncio client's connections: as `pool.py`, for the tasks of one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from collections import deque
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING

from modelport.client.address import Address
from modelport.client.async_connection import Connection
from modelport.client.broken import AllInUseError, NotConnectedError
from modelport.client.exchange import Request, Response
from modelport.client.failures import reason
from modelport.client.http1 import Writer
from modelport.client.opening import (
    IDLE_SECONDS,
    LONGEST_PROXY_ANSWER,
    MOST,
    check_tunnel,
    connect_request,
    first_hop,
    tls_of,
)
from modelport.core.errors import InvalidInputError

if TYPE_CHECKING:
    import ssl


class AsyncPool:
    """Sends requests to one server from one event loop."""

    def __init__(
        self,
        address: Address,
        headers: Mapping[str, str] | None,
        timeout: float | None,
        tls: ssl.SSLContext | None,
        most: int = MOST,
    ) -> None:
        self._address, self._timeout, self._most = address, timeout, most
        self._writer = Writer(address, headers)
        self._tls = tls_of(address, tls)
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._start(None)

    async def __call__(self, request: Request) -> Response:
        """Send the request once. Raises NoAnswerError where no whole response came, ModelportError for a bad one."""
        parts = self._writer.parts(request)
        connection = await self._take()
        try:
            response = await connection.exchange(parts)
        except BaseException:
            self._drop(connection)
            raise
        self._give(connection)
        return response

    async def close(self) -> None:
        """Close the idle connections; those in use close when their response is there."""
        self._closed = True
        if asyncio.get_running_loop() is not self._loop:
            return
        closing = [connection.ended for connection in self._idle]
        while self._idle:
            self._drop(self._idle.pop())
        await asyncio.gather(*closing)
        await asyncio.sleep(0)  # others that were dropped just now

    def _start(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._loop = loop
        self._idle: list[Connection] = []
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._open = 0

    async def _take(self) -> Connection:
        if self._closed:
            raise InvalidInputError("this client is closed")
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # connections of a loop that has ended are of no use
            self._start(loop)
        while True:
            connection = self._idle_one()
            if connection is not None:
                return connection
            if self._open < self._most:
                return await self._connect()
            await self._wait(loop)

    def _idle_one(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and monotonic() - connection.idle_since < IDLE_SECONDS and not _readable(connection):
                return connection
            self._drop(connection)
        return None

    async def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait until a connection was given back or closed."""
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._timeout):
                await waiter
        except TimeoutError:
            raise AllInUseError from None
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._wake()  # the turn goes to the next one
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)

    async def _connect(self) -> Connection:
        self._open += 1
        try:
            async with asyncio.timeout(self._timeout):
                return await self._opened(asyncio.get_running_loop())
        except (OSError, UnicodeError) as error:
            self._count_closed()
            raise NotConnectedError(reason(error)) from None
        except BaseException:
            self._count_closed()
            raise

    async def _opened(self, loop: asyncio.AbstractEventLoop) -> Connection:
        host, port = first_hop(self._address)

        def make() -> Connection:
            return Connection(loop, self._timeout)

        if self._tls is None:
            return (await loop.create_connection(make, host, port))[1]
        name = self._address.host
        if self._address.proxy is None:
            return (await loop.create_connection(make, host, port, ssl=self._tls, server_hostname=name))[1]
        sock = await _tunnel(loop, self._address)
        return (await loop.create_connection(make, sock=sock, ssl=self._tls, server_hostname=name))[1]

    def _give(self, connection: Connection) -> None:
        if self._closed or not connection.usable:
            self._drop(connection)
            return
        connection.idle_since = monotonic()
        self._idle.append(connection)
        self._wake()

    def _drop(self, connection: Connection) -> None:
        connection.close()
        self._count_closed()

    def _count_closed(self) -> None:
        self._open -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


def _readable(connection: Connection) -> bool:
    """Whether something came that the event loop, busy elsewhere, has not seen yet: the end."""
    poll = select.poll()
    poll.register(connection.descriptor, select.POLLIN)
    return bool(poll.poll(0))


async def _tunnel(loop: asyncio.AbstractEventLoop, address: Address) -> socket.socket:
    found = await loop.getaddrinfo(*first_hop(address), type=socket.SOCK_STREAM)
    family, kind, number, _, place = found[0]
    sock = socket.socket(family, kind, number)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, place)
        await loop.sock_sendall(sock, connect_request(address))
        answer = b""
        while not answer.endswith(b"\r\n\r\n") and len(answer) < LONGEST_PROXY_ANSWER:
            piece = await loop.sock_recv(sock, 1)  # not a byte of what comes behind it
            if not piece:
                break
            answer += piece
        check_tunnel(answer)
    except BaseException:
        sock.close()
        raise
    return sock
