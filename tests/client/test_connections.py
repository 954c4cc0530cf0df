"""Both clients' connections, against servers that close, hang, cut or refuse early, and with many callers at once."""

import asyncio
import os
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from modelport.client import AsyncClient, Client
from modelport.client.address import parse_address
from modelport.client.async_pool import AsyncPool
from modelport.client.broken import AllInUseError, NotConnectedError, TooSlowError
from modelport.client.exchange import Request
from modelport.client.opening import check_tunnel
from modelport.client.pool import Pool
from modelport.core.errors import DeadlineExceededError, InvalidInputError, TooLargeError, UnavailableError
from services import require

METADATA = b'{"name":"s","extensions":["binary_tensor_data"]}'
GET = Request("GET", "/v2")


def answer(body=METADATA, *headers, status=b"200 OK"):
    lines = [b"HTTP/1.1 " + status, *headers, b"content-length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def read_request(connection):
    """One request's head and body; empty where the client closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return data


class Scripted:
    """A server whose every connection is handled by the next function, the last one for all that follow."""

    def __init__(self, handlers, wrap=lambda connection: connection, family=socket.AF_INET):
        self.handlers, self.connections, self.open = list(handlers), 0, []
        self._wrap = wrap
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self._listener = socket.create_server((host, 0), family=family)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://[::1]:{self.port}" if host == "::1" else f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        threads = []
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                break
            handler = self.handlers.pop(0) if len(self.handlers) > 1 else self.handlers[0]
            self.connections += 1
            self.open.append(connection)
            threads.append(threading.Thread(target=self._handle, args=(handler, connection)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _handle(self, handler, connection):
        try:
            with self._wrap(connection) as wrapped:
                handler(wrapped)
        except OSError:
            pass

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()


@contextmanager
def scripted(*handlers, **options):
    server = Scripted(handlers, **options)
    try:
        yield server
    finally:
        server.close()


def polite(connection):
    while read_request(connection):
        connection.sendall(answer())


def once(connection):
    """Answers one request, then closes without a word."""
    read_request(connection)
    connection.sendall(answer())


def test_a_connection_is_used_again(make):
    with scripted(polite) as server, make(server.url) as client:
        for _ in range(20):
            assert client.server_metadata()["name"] == "s"
        assert server.connections == 1


def test_an_idle_connection_that_the_server_closed_is_replaced(make):
    with scripted(once) as server, make(server.url, retries=0) as client:
        for number in range(1, 5):
            client.server_metadata()
            time.sleep(0.05)
            assert server.connections == number


def test_connection_close_is_obeyed(make):
    def closing(connection):
        read_request(connection)
        connection.sendall(answer(METADATA, b"Connection: close"))
        connection.recv(1)

    with scripted(closing) as server, make(server.url, retries=0) as client:
        for number in range(1, 4):
            client.server_metadata()
            assert server.connections == number


def test_a_connection_that_was_idle_for_long_is_not_used(make, monkeypatch):
    for module in ("pool", "async_pool"):
        monkeypatch.setattr(f"modelport.client.{module}.IDLE_SECONDS", 0.01)
    with scripted(polite) as server, make(server.url) as client:
        client.server_metadata()
        time.sleep(0.02)
        client.server_metadata()
        assert server.connections == 2


def test_unasked_bytes_end_a_connection(make):
    def talkative(connection):
        read_request(connection)
        connection.sendall(answer())
        time.sleep(0.02)
        connection.sendall(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        connection.recv(1)

    with scripted(talkative, polite) as server, make(server.url, retries=0) as client:
        client.server_metadata()
        time.sleep(0.1)
        assert client.server_metadata()["name"] == "s"
        assert server.connections == 2


def test_a_request_on_a_used_connection_that_gets_no_answer_is_not_sent_again(make):
    def forgetful(connection):
        read_request(connection)
        connection.sendall(answer())
        read_request(connection)

    with scripted(forgetful, polite) as server, make(server.url) as client:
        client.server_metadata()
        with pytest.raises(UnavailableError, match="broke before the answer was complete"):
            client.server_metadata()
        assert server.connections == 1
        client.server_metadata()


def test_a_large_request_that_a_closing_server_did_not_read_is_sent_again(make):
    """It has not come whole, so it can't have been acted on."""

    def leaves(connection):
        read_request(connection)
        connection.sendall(answer())
        read_request(connection)
        connection.sendall(answer(b'{"inputs":[]}'))
        while b"\r\n\r\n" not in connection.recv(4096):
            pass
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset

    def echo(connection):
        while request := read_request(connection):
            assert b"/infer" in request
            connection.sendall(answer(b'{"model_name":"m","outputs":[]}'))

    array = np.zeros(8_000_000, np.float32)
    with scripted(leaves, echo) as server, make(server.url) as client:
        assert client.infer("m", {"X": array}).outputs == {}
        assert server.connections == 2


def test_a_refusal_before_everything_was_sent(make):
    def refuses(connection):
        connection.recv(1000)
        connection.sendall(answer(b'{"error":"4 MB are the most"}', b"connection: close", status=b"413 Too Large"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 20):
            pass

    says = pytest.raises(TooLargeError, match="4 MB are the most")
    with scripted(refuses) as server, make(server.url) as client, says:
        client.predict("m", [np.zeros(4_000_000)])


@pytest.mark.parametrize("cut", [10, 40, 70])
def test_an_answer_that_is_cut(make, cut):
    def cuts(connection):
        read_request(connection)
        connection.sendall(answer()[:cut])

    with scripted(cuts, polite) as server, make(server.url) as client:
        with pytest.raises(UnavailableError, match="broke before the answer was complete"):
            client.server_metadata()
        assert server.connections == 1
        client.server_metadata()


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", answer()[:-3]])
def test_an_answer_that_never_ends(make, start):
    def hangs(connection):
        read_request(connection)
        connection.sendall(start)
        connection.recv(1)

    with scripted(hangs, polite) as server, make(server.url, timeout=0.1) as client:
        began = time.monotonic()
        with pytest.raises(DeadlineExceededError, match=r"0\.1 s"):
            client.server_metadata()
        assert time.monotonic() - began < 2
        client.server_metadata()


def test_an_answer_in_small_pieces_has_time(make):
    def slow(connection):
        while read_request(connection):
            for byte in answer():
                connection.sendall(bytes([byte]))
                time.sleep(0.003)

    with scripted(slow) as server, make(server.url, timeout=0.15) as client:
        assert client.server_metadata()["name"] == "s"
        assert client.server_metadata()["name"] == "s"


def test_a_closed_client_says_so(make):
    with scripted(polite) as server:
        client = make(server.url)
        with client:
            client.server_metadata()
            client.close()
            with pytest.raises(InvalidInputError, match="closed"):
                client.server_metadata()


def test_ipv6(make):
    try:
        server = Scripted([polite], family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    try:
        with make(server.url) as client:
            assert client.server_metadata()["name"] == "s"
    finally:
        server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    files = [folder / "certificate.pem", folder / "key.pem"]
    command = [require("openssl", "openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, *names, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def test_https(make, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def wrap(connection):
        return context.wrap_socket(connection, server_side=True)

    big = answer(b'{"name":"' + b"x" * 3_000_000 + b'"}')

    def serve(connection):
        while read_request(connection):
            connection.sendall(big)

    with scripted(serve, wrap=wrap) as server:
        url = server.url.replace("http:", "https:")
        with make(url, retries=0) as client, pytest.raises(UnavailableError, match="certificate verify failed"):
            client.server_metadata()
        with make(url, tls=ssl.create_default_context(cafile=certificate[0])) as client:
            for _ in range(3):
                assert len(client.server_metadata()["name"]) == 3_000_000
        assert server.connections == 2


def tunnel(target, said):
    def handle(connection):
        said.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", target)) as onward:
            back = threading.Thread(target=pump, args=(onward, connection))
            back.start()
            pump(connection, onward)
            back.join()

    return handle


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_https_through_a_proxy(make, certificate, monkeypatch):
    monkeypatch.setattr("modelport.client.address._is_here", lambda host: False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    said = []
    secure = scripted(polite, wrap=lambda connection: context.wrap_socket(connection, server_side=True))
    with secure as server, scripted(tunnel(server.port, said)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:secret@"))
        trusted = ssl.create_default_context(cafile=certificate[0])
        with make(server.url.replace("http:", "https:"), tls=trusted) as client:
            assert client.server_metadata()["name"] == "s"
            assert client.server_metadata()["name"] == "s"
    assert len(said) == 1
    assert said[0].startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization: Basic bWU6c2VjcmV0\r\n" in said[0]


def test_a_proxy_that_refuses():
    with pytest.raises(NotConnectedError, match="407 Proxy"):
        check_tunnel(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")


def test_many_threads(echo_url):
    with Client(echo_url) as client, ThreadPoolExecutor(16) as threads:

        def call(number):
            array = np.full((1, 4), number, np.float32)
            return client.infer("echo", {"X": array}, id=str(number))

        results = list(threads.map(call, range(400)))
    assert [result.id for result in results] == [str(number) for number in range(400)]
    assert [result["X"][0, 0] for result in results] == list(range(400))


async def test_many_tasks_share_a_few_connections(behaviour, echo_url):
    pool = AsyncPool(parse_address(echo_url), None, 10, None, most=3)
    responses = await asyncio.gather(*(pool(GET) for _ in range(50)))
    assert {response.status for response in responses} == {200}
    assert pool._open <= 3
    await pool.close()
    assert pool._open == 0


def test_many_threads_share_a_few_connections(echo_url):
    pool = Pool(parse_address(echo_url), None, 10, None, most=3)
    with ThreadPoolExecutor(20) as threads:
        assert {response.status for response in threads.map(pool, [GET] * 100)} == {200}
    assert pool._open <= 3
    pool.close()
    assert pool._open == 0


def hanging(connection):
    read_request(connection)
    connection.recv(1)


def test_no_connection_gets_free_in_time():
    with scripted(hanging) as server, ThreadPoolExecutor(2) as threads:
        pool = Pool(parse_address(server.url), None, 0.2, None, most=1)
        errors = [call.exception() for call in [threads.submit(pool, GET), threads.submit(pool, GET)]]
        assert any(isinstance(error, TooSlowError) for error in errors)
        assert pool._open == 0
        pool._open = 1
        with pytest.raises(AllInUseError):
            pool(GET)


async def test_no_connection_gets_free_in_time_for_a_task():
    with scripted(hanging) as server:
        pool = AsyncPool(parse_address(server.url), None, 0.1, None, most=1)
        results = await asyncio.gather(pool(GET), pool(GET), return_exceptions=True)
        assert any(isinstance(result, AllInUseError) for result in results)
        await pool.close()


async def test_a_cancelled_call_takes_its_connection_with_it():
    with scripted(hanging, polite) as server:
        pool = AsyncPool(parse_address(server.url), None, 5, None, most=1)
        task = asyncio.create_task(pool(GET))
        waiting = asyncio.create_task(pool(GET))
        while not server.connections:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await waiting).status == 200
        await pool.close()


def test_one_async_client_in_two_event_loops(echo_url):
    client = AsyncClient(echo_url)

    async def call():
        result = await client.infer("echo", {"X": [1]})
        for connection in client._http._idle:
            connection.close()
        return result["X"].tolist()

    for _ in range(2):
        assert asyncio.run(call()) == [1]
    asyncio.run(client.close())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_opens_its_own_connections():
    with scripted(polite) as server, Client(server.url) as client:
        client.server_metadata()
        child = os.fork()
        if not child:
            try:
                client.server_metadata()
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert server.connections == 2
        client.server_metadata()
        assert server.connections == 2
