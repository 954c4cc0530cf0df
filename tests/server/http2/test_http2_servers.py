"""Real clients over real sockets: grpcio, curl, nghttp; on asyncio and uvloop."""

import asyncio
import socket
import struct
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from http2_rig import Recorder, cut_frames

from modelport.server.http2 import AsgiHandler, Http2Protocol, Streaming, Unary
from modelport.server.http2.frames import GOAWAY, PREFACE, SETTINGS, pack_frame
from services import require

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
WAIT = 30


class Events:
    """Things that happened on the server, to wait for."""

    def __init__(self):
        self.cancelled = threading.Event()
        self.calls = []


async def chat(call):
    async for payload in call:
        await call.send_async(payload)


async def total(call):
    size = 0
    async for payload in call:
        size += len(payload)
    call.send(str(size).encode())


async def count(call):
    number = int(await call.__anext__())
    for value in range(number):
        await call.send_async(str(value).encode())


@pytest.fixture
def events():
    return Events()


@pytest.fixture
def methods(events):
    def later(call, payload):
        asyncio.get_running_loop().call_soon(call.reply, payload)

    def never(call, payload):
        events.calls.append(call)
        call.on_cancel = events.cancelled.set

    def fail(call, payload):
        call.fail(9, "Übermut", b"details", [("key", "value"), ("key-bin", b"\xff")])

    def metadata(call, payload):
        pairs = [(name, value) for name, value in call.metadata if name.startswith("x-")]
        call.reply(payload, initial=pairs, trailing=pairs)

    async def wait(call):
        try:
            await call.send_async(b"begun")
            async for _ in call:
                pass
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            events.cancelled.set()
            raise

    def packed(call, payload):
        call.compression = "gzip"
        call.reply(payload)

    return {
        b"/t/Echo": Unary(lambda call, payload: call.reply(payload)),
        b"/t/Later": Unary(later),
        b"/t/Never": Unary(never),
        b"/t/Fail": Unary(fail),
        b"/t/Metadata": Unary(metadata),
        b"/t/Packed": Unary(packed),
        b"/t/Chat": Streaming(chat),
        b"/t/Sum": Streaming(total),
        b"/t/Count": Streaming(count),
        b"/t/Wait": Streaming(wait),
    }


@pytest.fixture
def channel(serve, methods):
    """A channel to a server of all methods."""
    with grpc.insecure_channel(serve(methods).address, UNLIMITED) as channel:
        yield channel


def test_unary(channel):
    echo, later = channel.unary_unary("/t/Echo"), channel.unary_unary("/t/Later")
    for payload in (b"", b"hello", bytes(100_000)):
        assert echo(payload, timeout=WAIT) == payload
        assert later(payload, timeout=WAIT) == payload
        assert echo(payload) == payload


@pytest.mark.parametrize("size", [16, 64])
def test_large_messages(channel, size):
    payload = bytes(range(256)) * (size << 12)
    assert channel.unary_unary("/t/Echo")(payload, timeout=2 * WAIT) == payload


def test_streams(channel):
    payloads = [b"", b"a", bytes(70_000), b"z" * 3_000_000]
    assert list(channel.stream_stream("/t/Chat")(iter(payloads), timeout=WAIT)) == payloads
    assert channel.stream_unary("/t/Sum")(iter(payloads), timeout=WAIT) == b"3070001"
    assert list(channel.unary_stream("/t/Count")(b"2000", timeout=WAIT)) == [b"%d" % number for number in range(2000)]


def test_busy_clients_are_no_flood(serve, methods):
    """Window updates, pings and settings of grpcio stay in proportion to its messages."""
    server = serve(methods, max_window_updates=100, max_pings=20, max_control_frames=20, flood_window=1000)
    with grpc.insecure_channel(server.address) as channel:
        echo = channel.unary_unary("/t/Echo")
        for _ in range(500):
            assert echo(b"x", timeout=WAIT) == b"x"
        payloads = [b"x" * 100] * 5000
        assert sum(1 for _ in channel.stream_stream("/t/Chat")(iter(payloads), timeout=WAIT)) == 5000
        assert channel.stream_unary("/t/Sum")(iter(payloads), timeout=WAIT) == b"500000"
        assert sum(1 for _ in channel.unary_stream("/t/Count")(b"5000", timeout=WAIT)) == 5000
        large = [bytes(1 << 20)] * 40
        assert list(channel.stream_stream("/t/Chat")(iter(large), timeout=WAIT)) == large
        assert len(server.protocols) == 1


def test_status_and_details(channel):
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/t/Fail")(b"", timeout=WAIT)
    error = caught.value
    assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "Übermut")
    trailing = dict(error.trailing_metadata())
    assert trailing == {"grpc-status-details-bin": b"details", "key": "value", "key-bin": b"\xff"}


def test_unknown_method(channel):
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/t/Nothing")(b"", timeout=WAIT)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_metadata(channel):
    pairs = [("x-a", "1"), ("x-a", "2"), ("x-b-bin", bytes(range(256)))]
    _, call = channel.unary_unary("/t/Metadata").with_call(b"", metadata=pairs, timeout=WAIT)
    assert [tuple(pair) for pair in call.initial_metadata()] == pairs
    assert [tuple(pair) for pair in call.trailing_metadata()] == pairs


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compression(channel, compression):
    payload = b"compressible " * 10_000
    for method in ("/t/Echo", "/t/Packed"):
        assert channel.unary_unary(method)(payload, compression=compression, timeout=WAIT) == payload
    chat = channel.stream_stream("/t/Chat")
    assert list(chat(iter([payload, b""]), compression=compression, timeout=WAIT)) == [payload, b""]


def test_cancellation(channel, events):
    future = channel.unary_unary("/t/Never").future(b"")
    while not events.calls:
        time.sleep(0.01)
    future.cancel()
    assert events.cancelled.wait(WAIT)


def test_cancellation_in_mid_stream(channel, events):
    call = channel.stream_stream("/t/Wait")(iter([b"a", b"b"]))
    assert next(call) == b"begun"
    call.cancel()
    assert events.cancelled.wait(WAIT)


def test_deadlines(channel, events):
    for method in ("/t/Never", "/t/Wait"):
        events.cancelled.clear()
        with pytest.raises(grpc.RpcError) as caught:
            list(channel.unary_stream(method)(b"", timeout=0.1))
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert events.cancelled.wait(WAIT)


def test_limits_of_size(serve, methods):
    with grpc.insecure_channel(serve(methods, max_message_size=1000).address) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/t/Echo")(bytes(1001), timeout=WAIT)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "1001 bytes" in caught.value.details()
        assert channel.unary_unary("/t/Echo")(bytes(1000), timeout=WAIT) == bytes(1000)


def test_many_channels(serve, methods):
    server = serve(methods)

    def use(number):
        # A pool of its own makes each channel a connection.
        with grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            echo = channel.unary_unary("/t/Echo")
            futures = [echo.future(b"%d/%d" % (number, n), timeout=WAIT) for n in range(20)]
            return [future.result() for future in futures]

    with ThreadPoolExecutor(16) as pool:
        for number, answers in enumerate(pool.map(use, range(64))):
            assert answers == [b"%d/%d" % (number, n) for n in range(20)]


async def test_aio_client(serve, methods):
    async with grpc.aio.insecure_channel(serve(methods).address) as channel:
        echo = channel.unary_unary("/t/Echo")
        answers = await asyncio.gather(*(echo(b"%d" % n, timeout=WAIT) for n in range(500)))
        assert answers == [b"%d" % n for n in range(500)]
        call = channel.stream_stream("/t/Chat")(timeout=WAIT)
        for n in range(50):
            await call.write(b"%d" % n)
            assert await call.read() == b"%d" % n
        await call.done_writing()
        assert await call.read() == grpc.aio.EOF


def test_a_slow_reader(serve, methods):
    server = serve(methods, max_send_queue=50_000)
    with grpc.insecure_channel(server.address, [*UNLIMITED, ("grpc.http2.lookahead_bytes", 65_535)]) as channel:
        call = channel.stream_stream("/t/Chat")(iter([bytes(1_000_000)] * 20), timeout=WAIT)
        sizes = []
        for payload in call:
            time.sleep(0.005)
            sizes.append(len(payload))
        assert sizes == [1_000_000] * 20


def test_client_keepalive(serve, methods):
    server = serve(methods)
    options = [
        ("grpc.keepalive_time_ms", 50),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_time_between_pings_ms", 50),
    ]
    with grpc.insecure_channel(server.address, options) as channel:
        echo = channel.unary_unary("/t/Echo")
        assert echo(b"a", timeout=WAIT) == b"a"
        time.sleep(0.3)
        assert echo(b"b", timeout=WAIT) == b"b"
        assert len(server.protocols) == 1


def test_server_keepalive(serve, methods):
    server = serve(methods, keepalive_interval=0.1, keepalive_timeout=10)
    with grpc.insecure_channel(server.address) as channel:
        assert channel.unary_unary("/t/Echo")(b"a", timeout=WAIT) == b"a"
        time.sleep(0.5)
        assert server.call(lambda: len(server.protocols)) == 1


def test_graceful_shutdown(serve, methods, events):
    server = serve(methods)
    with grpc.insecure_channel(server.address) as channel:
        future = channel.unary_unary("/t/Never").future(b"", timeout=WAIT)
        while not events.calls:
            time.sleep(0.01)
        server.call(server.protocols[0].shutdown)
        time.sleep(0.1)
        assert server.closed == 0
        server.call(lambda: events.calls[0].reply(b"done"))
        assert future.result() == b"done"
        wait_until(lambda: server.closed == 1)


def test_clients_go_elsewhere_when_a_connection_drains(serve, methods):
    server = serve(methods)
    stop = threading.Event()
    with grpc.insecure_channel(server.address) as channel, ThreadPoolExecutor(4) as pool:
        echo = channel.unary_unary("/t/Echo")

        def use():
            number = 0
            while not stop.is_set():
                assert echo(b"x", timeout=WAIT) == b"x"
                number += 1
            return number

        users = [pool.submit(use) for _ in range(4)]
        try:
            for closed in range(1, 6):
                wait_until(lambda: server.protocols)
                server.call(server.protocols[-1].shutdown)
                wait_until(lambda closed=closed: server.closed >= closed)
        finally:
            stop.set()
        assert all(user.result() > 0 for user in users)


def wait_until(condition):
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_goaway_of_an_error_arrives(serve):
    server = serve()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(PREFACE + pack_frame(SETTINGS, 0, 0) + pack_frame(0, 0, 0, b"x") + bytes(100_000))
        data = b""
        while part := client.recv(65_536):
            data += part
    last = cut_frames(data)[-1]
    assert (last.kind, last.code) == (GOAWAY, 1)
    wait_until(lambda: server.closed == 1)


def test_closes_after_the_handshake_timeout(serve):
    server = serve(handshake_timeout=0.1, close_timeout=0.1)
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        data = b""
        while part := client.recv(65_536):
            data += part
    assert cut_frames(data)[-1].kind == GOAWAY


def test_a_client_that_reads_nothing_is_dropped(serve):
    big = Recorder(lambda stream: stream.respond(200, [], [bytes(50_000_000)]))
    server = serve(handler=big, stall_timeout=0.4, close_timeout=0.1)
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        windows = pack_frame(8, 0, 0, struct.pack(">I", 1 << 30))
        settings = pack_frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 30))
        client.sendall(PREFACE + settings + windows + pack_frame(1, 5, 1, b"\x82\x86\x84\x41\x04here"))
        wait_until(lambda: server.closed == 1)
    assert big.cancelled == [1]


async def test_takes_over_a_transport(methods):
    """As an HTTP/1.1 protocol on the same port does once it sees the preface."""
    from http2_rig import application

    class First(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            assert data.startswith(b"PRI")
            protocol = Http2Protocol(application(methods))
            self.transport.set_protocol(protocol)
            protocol.connection_made(self.transport)
            protocol.data_received(data)

    server = await asyncio.get_running_loop().create_server(First, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, grpc.aio.insecure_channel(address) as channel:
        assert await channel.unary_unary("/t/Echo")(b"x", timeout=WAIT) == b"x"
    await asyncio.sleep(0.05)


# Plain HTTP.


def fastapi_app():
    fastapi = pytest.importorskip("fastapi")
    from fastapi.responses import StreamingResponse

    app = fastapi.FastAPI()

    @app.get("/hello")
    async def hello(name: str):
        return {"hello": name}

    @app.post("/size")
    async def size(request: fastapi.Request):
        return {"size": len(await request.body()), "version": request.scope["http_version"]}

    @app.get("/stream")
    async def stream():
        async def parts():
            for _ in range(100):
                yield bytes(50_000)

        return StreamingResponse(parts())

    @app.get("/fail")
    async def fail():
        raise ValueError("oops")

    return app


def run_curl(server, path, *arguments):
    curl = require("curl", "curl")
    url = f"http://{server.address}{path}"
    command = [curl, "-sS", "--max-time", "20", "--http2-prior-knowledge", *arguments, url]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_curl_and_asgi(serve, tmp_path):
    server = serve(handler=AsgiHandler(fastapi_app(), state={"a": 1}))
    assert run_curl(server, "/hello?name=x%20y") == b'{"hello":"x y"}'
    body = tmp_path / "body"
    body.write_bytes(bytes(5_000_000))
    answer = run_curl(server, "/size", "--data-binary", f"@{body}")
    assert answer == b'{"size":5000000,"version":"2"}'
    assert len(run_curl(server, "/stream")) == 5_000_000
    assert run_curl(server, "/hello?name=x", "-I").startswith(b"HTTP/2 405")
    assert run_curl(server, "/nothing", "-o", "/dev/null", "-w", "%{http_code}") == b"404"


def test_asgi_errors(serve, caplog):
    server = serve(handler=AsgiHandler(fastapi_app()))
    assert run_curl(server, "/fail", "-o", "/dev/null", "-w", "%{http_code}") == b"500"


def test_nghttp(serve):
    nghttp = require("nghttp", "nghttp2-client")
    server = serve(handler=AsgiHandler(fastapi_app()))
    url = f"http://{server.address}/stream"
    result = subprocess.run([nghttp, "-nsm20", "-w16", url], capture_output=True, check=True, timeout=60)
    assert result.stdout.count(b" 200 ") == 20
