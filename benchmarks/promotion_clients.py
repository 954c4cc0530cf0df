"""Clients that know what each version answers, and see to it that an answer is of the version that it says."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import grpc.aio
import msgspec
import numpy as np

from modelport.wire.protobuf import load_schema

_OIP = load_schema("model_config.proto", "open_inference.proto")
#: Requests on one connection before a client takes a new one, which another worker may accept.
_KEPT = 100


@dataclass
class Seen:
    """What all clients saw. Version n of the model answers n × what it is asked."""

    expected: int
    answers: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    #: While a change is under way: what answered before, and may still.
    before: int = 0
    first: float = 0.0
    last_old: float = 0.0
    _settled: float = 0.0

    def begin(self, before: int, after: int) -> float:
        """From now on either may answer; gives the moment."""
        self.before, self.expected, self.first = before, after, 0.0
        self.last_old = time.monotonic()
        return self.last_old

    def settle(self, after: int) -> None:
        """Everybody has the new version: what is asked from now on is answered by no other."""
        self.before, self.expected, self._settled = 0, after, time.monotonic()

    def judge(self, kind: str, version: int, asked: list[int], got: list[float], sent: float) -> None:
        """Note an answer to what was sent at that moment."""
        now = time.monotonic()
        if got != [float(version * item) for item in asked]:
            self.wrong.append(f"{kind}: version {version} answered {got} to {asked}")
        elif version == self.expected:
            self.first = self.first or now
            self.answers[kind] += 1
        elif version == self.before or sent < self._settled:
            self.last_old = now
            self.answers[kind] += 1
        else:
            self.wrong.append(f"{kind}: version {version} answered where {self.expected} should")


class Clients:
    """HTTP/1.1 clients that keep their connections for a while, and gRPC clients with a channel each."""

    def __init__(self, port: int, model: str, seen: Seen) -> None:
        self._port, self._model, self._seen = port, model, seen
        #: The version that each client's last answers came from, and how many of them in a row.
        self._rows: dict[int, tuple[int, int]] = {}

    async def run(self, http: int, calls: int) -> None:
        """So many clients of each kind, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(http):
                group.create_task(self._http(number))
            for number in range(http, http + calls):
                group.create_task(self._grpc(number))

    def all_have(self, version: int) -> bool:
        """Whether each client's last answers came from that version: of enough connections to meet every worker."""
        return bool(self._rows) and all(row[0] == version and row[1] > 2 * _KEPT for row in self._rows.values())

    def _note(self, client: int, version: int) -> None:
        before, count = self._rows.get(client, (version, 0))
        self._rows[client] = (version, count + 1 if before == version else 1)

    async def _http(self, client: int) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                try:
                    for _ in range(_KEPT):
                        await self._ask(client, reader, writer)
                finally:
                    writer.close()
            except (OSError, asyncio.IncompleteReadError) as error:
                self._seen.failed.append(f"HTTP: {type(error).__name__}: {error}")

    async def _ask(self, client: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked, sent = _positions(), time.monotonic()
        tensor = {"name": "i", "shape": [len(asked)], "datatype": "INT64", "data": asked}
        body = msgspec.json.encode({"inputs": [tensor]})
        alias = random.choice((b"", b"/versions/production"))
        writer.write(
            b"POST /v2/models/%b%b/infer HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n%b"
            % (self._model.encode(), alias, len(body), body)
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        answer = await reader.readexactly(int(_header(head, b"content-length")))
        if head[9:12] != b"200":
            self._seen.failed.append(f"HTTP {head[9:12].decode()}: {answer[:300].decode()}")
            return
        version = int(_header(head, b"x-model-version"))
        self._seen.judge("HTTP/1.1", version, asked, msgspec.json.decode(answer)["outputs"][0]["data"], sent)
        self._note(client, version)

    async def _grpc(self, client: int) -> None:
        request = _OIP.message("inference.ModelInferRequest")
        response = _OIP.message("inference.ModelInferResponse")
        while True:
            options = [("grpc.use_local_subchannel_pool", 1)]
            async with grpc.aio.insecure_channel(f"127.0.0.1:{self._port}", options) as channel:
                infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
                for _ in range(_KEPT):
                    asked, sent = _positions(), time.monotonic()
                    message = request(model_name=self._model)
                    message.inputs.add(name="i", datatype="INT64", shape=[len(asked)])
                    message.raw_input_contents.append(np.array(asked, np.int64).tobytes())
                    try:
                        answer = response.FromString(await infer(message.SerializeToString(), timeout=20))
                    except grpc.aio.AioRpcError as error:
                        self._seen.failed.append(f"gRPC {error.code().name}: {error.details()}")
                        continue
                    got = np.frombuffer(answer.raw_output_contents[0], np.float32).tolist()
                    self._seen.judge("gRPC", int(answer.model_version), asked, got, sent)
                    self._note(client, int(answer.model_version))


def _header(head: bytes, name: bytes) -> bytes:
    return head.split(b"\r\n" + name + b": ")[1].split(b"\r")[0]


def _positions() -> list[int]:
    return [random.randrange(100_000) for _ in range(random.randint(1, 8))]
