"""Tiny HTTP servers whose latency is known, for what measures latency. Each connection has a thread of its own."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable

METADATA = {
    "name": "known",
    "versions": ["1"],
    "inputs": [{"name": "X", "datatype": "FP32", "shape": [-1, 3]}],
    "outputs": [{"name": "Y", "datatype": "FP32", "shape": [-1, 1]}],
}
ANSWER = {"model_name": "known", "outputs": [{"name": "Y", "datatype": "FP32", "shape": [1, 1], "data": [0.5]}]}


class KnownServer:
    """Answers inference after `before(n)` for the n-th request, counted from 1: it may sleep, or give another answer.

    `before` returns None for the usual answer, a status and a document, or the bytes of a whole response; after one
    that says so the connection is closed.
    """

    def __init__(self, before: Callable[[int], tuple[int, object] | bytes | None]) -> None:
        self._before = before
        self._count = 0
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def asked(self) -> int:
        """Inference requests so far."""
        return self._count

    def close(self) -> None:
        """End all connections and threads."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):  # the client has closed it
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            try:
                while line := reader.readline():
                    length = 0
                    while (header := reader.readline().strip()) != b"":
                        name, _, value = header.partition(b":")
                        length = int(value) if name.lower() == b"content-length" else length
                    reader.read(length)
                    answer = self._answer(line.split()[1].decode())
                    connection.sendall(answer)
                    if b"connection: close" in answer:
                        return
            except OSError:
                pass  # the client has gone

    def _answer(self, path: str) -> bytes:
        if path.endswith("/infer"):
            with self._lock:
                self._count += 1
                number = self._count
            answer = self._before(number) or (200, ANSWER)
            return answer if isinstance(answer, bytes) else _written(*answer)
        if path == "/api/v1/models":
            return _written(200, {"models": [{"name": "known"}]})
        return _written(200, METADATA)


def _written(status: int, document: object) -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


def sleeping(seconds: float) -> Callable[[int], None]:
    """Every answer takes that long."""
    return lambda number: time.sleep(seconds)
