"""Listening sockets that are about to be closed."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from modelport.server.sockets import admit_no_more, listen


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_who_waits_is_accepted_and_who_comes_is_refused(host):
    (listening,) = listen(host, 0)
    address = listening.getsockname()[:2]
    with socket.create_connection(address) as waiting:
        admit_no_more([listening])
        waiting.sendall(b"a request")
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.recv(100) == b"a request"
            accepted.sendall(b"its answer")
            assert waiting.recv(100) == b"its answer"
            threading.Timer(0.2, listening.close).start()
            began = time.monotonic()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address, timeout=20)
            assert time.monotonic() - began > 0.1


def test_who_comes_to_a_closing_listener_reaches_another_one():
    closing, other = listen("127.0.0.1", 0, 2)
    admit_no_more([closing])
    threading.Timer(0.2, closing.close).start()
    with other:
        for _ in range(8):  # about half of them hash to the closing one
            with socket.create_connection(other.getsockname(), timeout=20) as connection:
                connection.sendall(b"x")
                other.setblocking(True)
                accepted, _ = other.accept()
                with accepted:
                    assert accepted.recv(1) == b"x"
