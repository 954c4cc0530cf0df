"""The bad clients of the soak: broken requests and connections. What comes back to them does not matter."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

HEAD = b"POST /v2/models/identity/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
#: A header block for ModelInfer: literals without the table.
_FIELDS = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/inference.GRPCInferenceService/ModelInfer"),
    (b":authority", b"x"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
)
BLOCK = b"".join(b"\0%c%b%c%b" % (len(name), name, len(value), value) for name, value in _FIELDS)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload) << 8 | kind) + struct.pack(">BI", flags, stream) + payload


class Trouble:
    """One way to be a bad client for each method that begins with `make_`."""

    def __init__(self, port: int) -> None:
        self._port = port

    def all(self) -> dict[str, Callable[[], Awaitable[None]]]:
        names = [name for name in dir(self) if name.startswith("make_")]
        return {name.removeprefix("make_"): getattr(self, name) for name in names}

    async def make_aborted_body(self) -> None:
        """Half of a large body, then a reset."""
        async with self._connection(reset=True) as (_, writer):
            writer.write(HEAD % (4_000_000, b"") + os.urandom(random.randint(1, 2_000_000)))
            await writer.drain()

    async def make_half_head(self) -> None:
        """The beginning of a head, silence, and the end of the connection."""
        async with self._connection() as (_, writer):
            writer.write((HEAD % (100, b""))[: random.randint(1, 60)])
            await asyncio.sleep(random.random() * 3)

    async def make_half_body(self) -> None:
        """A head, a part of the body, silence."""
        async with self._connection() as (_, writer):
            writer.write(HEAD % (100_000, b"") + b"{" * random.randint(1, 90_000))
            await asyncio.sleep(random.random() * 3)

    async def make_malformed_http(self) -> None:
        """Bytes that are no request."""
        async with self._connection() as (reader, writer):
            writer.write(
                random.choice((os.urandom(3000), b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 50 + b"X", b"\x16\x03\x01"))
            )
            await self._read(reader)

    async def make_malformed_bodies(self) -> None:
        """Requests whose bodies are wrong in many ways, on one connection."""
        async with self._connection() as (reader, writer):
            for _ in range(20):
                body = random.choice(
                    (b"", b"{", b"[]", os.urandom(500), json.dumps({"inputs": [{"name": "x"}]}).encode())
                )
                length = random.choice(
                    (b"", b"Inference-Header-Content-Length: 3\r\n", b"Inference-Header-Content-Length: x\r\n")
                )
                writer.write(HEAD % (len(body), length) + body)
            await self._read(reader)

    async def make_unread_answers(self) -> None:
        """Large answers that nobody reads, then a reset."""
        tensor = {"name": "x", "shape": [1, 500_000], "datatype": "FP32", "parameters": {"binary_data_size": 2_000_000}}
        head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        request = HEAD % (len(head) + 2_000_000, b"Inference-Header-Content-Length: %d\r\n" % len(head))
        async with self._connection(reset=True) as (_, writer):
            for _ in range(3):
                writer.write(request + head + bytes(2_000_000))
            await asyncio.sleep(random.random())

    async def make_http2_noise(self) -> None:
        """A good beginning of HTTP/2, then anything."""
        async with self._connection() as (reader, writer):
            writer.write(PREFACE + SETTINGS + os.urandom(random.randint(9, 5000)))
            await self._read(reader)

    async def make_http2_wrong_frames(self) -> None:
        """Frames that are well-formed and out of place."""
        async with self._connection() as (reader, writer):
            writer.write(PREFACE + SETTINGS)
            for _ in range(30):
                size = random.choice((0, 1, 4, 8, 100))
                writer.write(
                    frame(random.randint(0, 11), random.getrandbits(8), random.randint(0, 9), os.urandom(size))
                )
            await self._read(reader)

    async def make_rapid_resets(self) -> None:
        """Calls that are taken back at once."""
        async with self._connection() as (reader, writer):
            writer.write(PREFACE + SETTINGS)
            for number in range(1, 400, 2):
                writer.write(frame(1, 4, number, BLOCK) + frame(3, 0, number, b"\0\0\0\x08"))
            await self._read(reader)

    async def make_broken_messages(self) -> None:
        """gRPC calls with messages that are none, too long, or cut."""
        async with self._connection() as (reader, writer):
            writer.write(PREFACE + SETTINGS)
            for number in range(1, 40, 2):
                data = random.choice(
                    (b"", b"\0\0\0\0\5abc", b"\0\xff\xff\xff\xff" + b"a" * 100, os.urandom(1000), b"\1\0\0\0\1a")
                )
                writer.write(frame(1, 4, number, BLOCK) + frame(0, 1, number, data))
            await self._read(reader)

    async def make_unfinished_calls(self) -> None:
        """Large messages that never end, then a reset."""
        async with self._connection(reset=True) as (_, writer):
            writer.write(PREFACE + SETTINGS)
            for number in range(1, 8, 2):
                writer.write(frame(1, 4, number, BLOCK) + frame(0, 0, number, b"\0\1\0\0\0" + bytes(9000)))
                writer.write(frame(0, 0, number, bytes(16_000)) * random.randint(1, 10))
            await asyncio.sleep(random.random() * 2)

    @contextlib.asynccontextmanager
    async def _connection(
        self, reset: bool = False
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        try:
            with contextlib.suppress(OSError, TimeoutError):
                yield reader, writer
        finally:
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(random.random()):
                while await reader.read(65536):
                    pass
