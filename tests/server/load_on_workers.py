"""Clients that ask one request after the other on connections that they keep, while workers come and go."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable

import grpc
import numpy as np
from hpack import Decoder, Encoder
from tritonclient.grpc import service_pb2

from modelport.server.http2.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    SETTINGS,
    WINDOW_UPDATE,
    pack_frame,
)

ROWS = [[1.5, -2.0], [0.25, 8.0]]
BODY = json.dumps({"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": ROWS}]}).encode()
FLAT = [1.5, -2.0, 0.25, 8.0]


class Load:
    """Threads that ask without a pause; `answers` counts right answers, `failures` holds everything else."""

    def __init__(self, port: int, model: str) -> None:
        self.port, self.model = port, model
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, *kinds: str, each: int = 2) -> Load:
        for kind in kinds:
            for _ in range(each):
                self._threads.append(threading.Thread(target=self._use, args=(kind, getattr(self, f"_{kind}"))))
                self._threads[-1].start()
        return self

    def wait(self, more: int = 30, seconds: float = 30) -> None:
        """Until each kind got so many more answers."""
        before, until = self.answers.copy(), time.monotonic() + seconds
        while not self.failures and any(self.answers[kind] < before[kind] + more for kind in self.kinds):
            assert time.monotonic() < until, f"no answers any more: {self.answers}"
            time.sleep(0.02)

    @property
    def kinds(self) -> set[str]:
        return {thread.name for thread in self._threads}

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), f"a client of {thread.name} hangs"

    def _use(self, kind: str, asks: Callable[[], object]) -> None:
        threading.current_thread().name = kind
        try:
            with contextlib.closing(asks()) as answers:
                for outputs in answers:
                    assert outputs == FLAT, f"wrong answer {outputs}"
                    self.answers[kind] += 1
                    if self._stop.is_set():
                        return
        except Exception as error:  # told by the test
            self.failures.append(f"{kind}: {type(error).__name__}: {error}")

    def _http1(self):
        for text in self._over_http1("POST", f"/v2/models/{self.model}/infer", BODY):
            yield json.loads(text)["outputs"][0]["data"]

    def _asgi(self):
        """What is answered by the app, not by the lane."""
        for text in self._over_http1("GET", f"/v2/models/{self.model}"):
            yield FLAT if json.loads(text)["name"] == self.model else text

    def _over_http1(self, *request):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            while True:
                connection.request(*request)
                answer = connection.getresponse()
                text = answer.read()
                assert answer.status == 200, text
                yield text

    def _grpc(self):
        message = service_pb2.ModelInferRequest(model_name=self.model)
        message.inputs.add(name="x", datatype="FP32", shape=[2, 2]).contents.fp32_contents.extend(FLAT)
        data = message.SerializeToString()
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{self.port}", options) as channel:
            infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            while True:
                answer = service_pb2.ModelInferResponse.FromString(infer(data, timeout=20))
                yield np.frombuffer(answer.raw_output_contents[0], np.float32).tolist()

    def _http2(self):
        while True:
            with contextlib.closing(_Http2(self.port)) as client:
                while not client.going:
                    text = client.ask(f"/v2/models/{self.model}/infer", BODY)
                    yield json.loads(text)["outputs"][0]["data"]


class _Http2:
    """A client of one connection that knows what GOAWAY means: `going` says to take another for what comes next."""

    def __init__(self, port: int) -> None:
        self.going = False
        self._socket = socket.create_connection(("127.0.0.1", port), 20)
        self._input = self._socket.makefile("rb")
        self._encoder, self._decoder, self._stream = Encoder(), Decoder(), -1
        self._socket.sendall(PREFACE + pack_frame(SETTINGS, 0, 0))

    def ask(self, path: str, body: bytes) -> bytes:
        self._stream += 2
        fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test")]
        head = pack_frame(HEADERS, END_HEADERS, self._stream, self._encoder.encode(fields))
        self._socket.sendall(head + pack_frame(DATA, END_STREAM, self._stream, body))
        answer, flags = b"", 0
        while not flags & END_STREAM:
            kind, flags, stream, payload = self._frame()
            if stream == 0:
                flags = 0
            elif kind == HEADERS:
                assert dict(self._decoder.decode(payload))[":status"] == "200"
            else:
                assert kind == DATA, f"a frame of type {kind}: {payload!r}"
                answer += payload
                self._send(pack_frame(WINDOW_UPDATE, 0, 0, len(payload).to_bytes(4)))
        return answer

    def close(self) -> None:
        self._input.close()
        self._socket.close()

    def _frame(self) -> tuple[int, int, int, bytes]:
        head = self._input.read(9)
        assert len(head) == 9, "closed before the answer"
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:])
        payload = self._input.read(int.from_bytes(head[:3]))
        if kind == GOAWAY:
            self.going = True
            assert int.from_bytes(payload[:4]) >= self._stream, "a request that was sent is refused"
        elif kind in (SETTINGS, PING) and not flags & ACK:
            self._send(pack_frame(kind, ACK, 0, payload if kind == PING else b""))
        return kind, flags, stream, payload

    def _send(self, frame: bytes) -> None:
        try:
            self._socket.sendall(frame)
        except OSError:
            self.going = True
