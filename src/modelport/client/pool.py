"""The blocking client's connections: made when needed, kept open, used by one thread at a time."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections import deque
from collections.abc import Mapping
from threading import Condition
from time import monotonic
from typing import TYPE_CHECKING

from modelport.client.address import Address
from modelport.client.broken import AllInUseError, BrokenError, NotConnectedError, NotSentError, TooSlowError
from modelport.client.exchange import Request, Response
from modelport.client.failures import reason
from modelport.client.http1 import Reader, Writer
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
from modelport.wire.http import Buffer

if TYPE_CHECKING:
    import ssl


class Pool:
    """Sends requests to one server. Safe to use from several threads, and in a process that was forked."""

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
        self._start()

    def __call__(self, request: Request) -> Response:
        """Send the request once. Raises NoAnswerError where no whole response came, ModelportError for a bad one."""
        parts = self._writer.parts(request)
        connection = self._take()
        try:
            response = connection.exchange(parts)
        except BaseException:
            self._drop(connection)
            raise
        self._give(connection)
        return response

    def close(self) -> None:
        """Close the idle connections; those in use close when their response is there."""
        self._closed = True
        with contextlib.suppress(IndexError):
            while True:
                self._drop(self._idle.pop())

    def _start(self) -> None:
        self._process = os.getpid()
        self._idle: deque[_Connection] = deque()
        self._changed = Condition()
        self._open = self._waiting = 0

    def _take(self) -> _Connection:
        if self._closed:
            raise InvalidInputError("this client is closed")
        if self._process != os.getpid():  # a forked process must not talk on its parent's connections
            self._start()
        connection = self._idle_one()
        if connection is None and not self._may_open():
            connection = self._wait()
        return connection or self._connect()

    def _idle_one(self) -> _Connection | None:
        """The connection that was used last, if the server has not closed it."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.fresh():
                return connection
            self._drop(connection)

    def _may_open(self) -> bool:
        with self._changed:
            if self._open >= self._most:
                return False
            self._open += 1
            return True

    def _wait(self) -> _Connection | None:
        """A connection that another thread gave back; None where one may be opened instead."""
        until = None if self._timeout is None else monotonic() + self._timeout
        with self._changed:
            self._waiting += 1
            try:
                while True:
                    connection = self._idle_one()
                    if connection is not None:
                        return connection
                    if self._open < self._most:
                        self._open += 1
                        return None
                    left = None if until is None else until - monotonic()
                    if left is not None and left <= 0:
                        raise AllInUseError
                    self._changed.wait(left)
            finally:
                self._waiting -= 1

    def _connect(self) -> _Connection:
        try:
            return _Connection(_connected(self._address, self._timeout, self._tls))
        except BaseException:
            self._count_closed()
            raise

    def _give(self, connection: _Connection) -> None:
        if self._closed or not connection.reader.keeps:
            self._drop(connection)
            return
        connection.idle_since = monotonic()
        self._idle.append(connection)
        if self._waiting:  # it was counted before it looked for an idle one, so it sees this one or is told
            with self._changed:
                self._changed.notify()

    def _drop(self, connection: _Connection) -> None:
        connection.close()
        self._count_closed()

    def _count_closed(self) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify()


class _Connection:
    """One connection: a request, its response, the next request."""

    def __init__(self, sock: socket.socket) -> None:
        self.reader = Reader()
        self.idle_since = 0.0
        self._socket, self._used = sock, False
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def fresh(self) -> bool:
        """Whether it can be used again: nothing comes from a server between two requests but the end."""
        return monotonic() - self.idle_since < IDLE_SECONDS and not self._poll.poll(0)

    def exchange(self, parts: list[Buffer]) -> Response:
        """Send and receive. Raises NoAnswerError; the connection is of no use after it."""
        self.reader.reset()
        try:
            self._send(parts)
        except TimeoutError:
            raise TooSlowError from None
        except OSError as error:
            return self._early(error)
        self._used = True
        self._receive()
        return self.reader.response()

    def close(self) -> None:
        """Close it, whatever state it is in."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def _send(self, parts: list[Buffer]) -> None:
        for part in parts:
            sent = self._socket.send(part)
            if sent < len(part):  # `sendall` would take the timeout for all of it together
                view = memoryview(part)
                while sent < len(view):
                    sent += self._socket.send(view[sent:])

    def _early(self, error: OSError) -> Response:
        """A server may refuse before it has read everything, and close: its answer counts, if there is one."""
        try:
            self._receive()
        except BrokenError:
            if self._used and not self.reader.started:
                raise NotSentError(str(error)) from None
            raise BrokenError(str(error)) from None
        self.reader.keeps = False
        return self.reader.response()

    def _receive(self) -> None:
        reader, receive = self.reader, self._socket.recv_into
        try:
            while True:
                count = receive(reader.buffer())
                if not count:
                    reader.ended()
                    return
                if reader.received(count):
                    return
        except TimeoutError:
            raise TooSlowError from None
        except OSError as error:
            raise BrokenError(str(error) or type(error).__name__) from None


def _connected(address: Address, timeout: float | None, tls: ssl.SSLContext | None) -> socket.socket:
    try:
        sock = socket.create_connection(first_hop(address), timeout)
    except (OSError, UnicodeError) as error:
        raise NotConnectedError(reason(error)) from None
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is None:
            return sock
        if address.proxy is not None:
            _tunnel(sock, address)
        return tls.wrap_socket(sock, server_hostname=address.host)
    except OSError as error:
        sock.close()
        raise NotConnectedError(reason(error)) from None
    except BaseException:
        sock.close()
        raise


def _tunnel(sock: socket.socket, address: Address) -> None:
    sock.sendall(connect_request(address))
    answer = b""
    while not answer.endswith(b"\r\n\r\n") and len(answer) < LONGEST_PROXY_ANSWER:
        piece = sock.recv(1)  # not a byte of what comes behind it
        if not piece:
            break
        answer += piece
    check_tunnel(answer)
