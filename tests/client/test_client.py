"""Both clients against a real HTTP server."""

import asyncio
import inspect
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

from modelport.client import AsyncClient, Client, Response
from modelport.core.datatypes import DTYPES
from modelport.core.errors import (
    DeadlineExceededError,
    InternalError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    UnavailableError,
)
from modelport.core.meaning import Labels


@pytest.fixture
def client(make, echo_url):
    with make(echo_url) as made:
        yield made


def array_of(datatype, shape=(2, 3)):
    if datatype == "BYTES":
        array = np.empty(shape, np.object_)
        array[...] = b"\xff\x00"
        return array
    return np.arange(np.prod(shape)).reshape(shape).astype(DTYPES[datatype])


@pytest.mark.parametrize("shape", [(2, 3), (0, 3), (), (1, 1, 1, 1)])
@pytest.mark.parametrize("datatype", sorted(DTYPES))
def test_every_datatype_makes_the_round_trip(client, behaviour, datatype, shape):
    array = array_of(datatype, shape)
    result = client.infer("echo", {"X": array}, id="r-7")
    assert result["X"].dtype == array.dtype
    np.testing.assert_array_equal(result["X"], array)
    assert (result.model, result.version, result.id, list(result)) == ("echo", "1", "r-7", ["X"])
    assert "inference-header-content-length" in behaviour.seen[-1][2]


@pytest.mark.parametrize("datatype", sorted(DTYPES))
def test_json_where_the_server_does_not_announce_binary(client, behaviour, datatype):
    behaviour.extensions = []
    array = array_of(datatype) if datatype != "BYTES" else np.array([["a", "ü"]], np.object_)
    result = client.infer("echo", {"X": array})["X"]
    wanted = np.array([[b"a", "ü".encode()]], np.object_) if datatype == "BYTES" else array
    np.testing.assert_array_equal(result, wanted)
    assert result.dtype == array.dtype
    assert behaviour.seen[-1][2]["content-type"] == "application/json"


def test_a_json_answer_to_a_binary_request(client, behaviour):
    behaviour.answer_binary = False
    values = np.array([1.5, np.nan, -np.inf], np.float32)
    np.testing.assert_array_equal(client.infer("echo", {"X": values})["X"], values)


def test_non_finite_floats_as_json(make, echo_url):
    with make(echo_url, dialect="json") as client:
        values = np.array([1.5, np.nan, -np.inf], np.float32)
        np.testing.assert_array_equal(client.infer("echo", {"X": values})["X"], values)


def test_the_signature_is_asked_for_once_and_cast_to(client, behaviour):
    behaviour.inputs = [{"name": "X", "datatype": "FP32", "shape": [-1, 2]}]
    for _ in range(2):
        assert client.infer("echo", np.array([[1, 2]]))["X"].dtype == np.float32
    assert behaviour.paths() == ["GET /v2", "GET /v2/models/echo", *["POST /v2/models/echo/infer"] * 2]


def test_a_signature_that_changed_is_asked_for_again(client, behaviour):
    behaviour.inputs = [{"name": "X", "datatype": "INT64", "shape": [-1]}]
    client.infer("echo", [1])
    behaviour.inputs = [{"name": "X", "datatype": "FP64", "shape": [-1]}]
    assert client.infer("echo", [1.5])["X"].tolist() == [1.5]
    behaviour.inputs = [{"name": "X", "datatype": "INT64", "shape": [-1]}]
    with pytest.raises(InvalidInputError, match="'X' takes INT64"):
        client.infer("echo", ["a"])


def test_a_refusal_makes_the_client_ask_for_the_signature_again(client, behaviour):
    client.infer("echo", {"X": [1]})
    behaviour.queue = [(400, {}, b'{"error": "wrong datatype"}')]
    with pytest.raises(InvalidInputError, match=r"^wrong datatype$"):
        client.infer("echo", {"X": [1]})
    client.infer("echo", {"X": [1]})
    assert behaviour.paths().count("GET /v2/models/echo") == 2


def test_a_server_without_any_metadata_still_infers(client, behaviour):
    behaviour.queue = [(404, {}, b"<html>"), (404, {}, b"<html>")]
    np.testing.assert_array_equal(client.infer("echo", {"X": np.array([1])})["X"], [1])
    with pytest.raises(InvalidInputError, match="name: array"):
        client.infer("echo", np.array([1]))


def test_signature_with_and_without_meaning(client, behaviour):
    behaviour.inputs = [
        {
            "name": "A",
            "datatype": "INT64",
            "shape": ["-1", "2"],
            "parameters": {"meaning": {"kind": "labels", "labels": ["x"]}},
        },
        {"name": "B", "datatype": "BYTES", "shape": [], "parameters": {"meaning": '{"kind": "text"}'}},
        {"name": "C", "datatype": "FP32", "parameters": {"meaning": {"kind": "smell"}}},
    ]
    first, second, third = client.signature("echo").inputs
    assert first.shape == (-1, 2)
    assert first.meaning == Labels(("x",))
    assert second.meaning is not None
    assert (third.shape, third.meaning) == (None, None)


def test_versions_and_names_are_in_the_path(client, behaviour):
    client.infer("echo", {"X": [1]}, version=2)
    client.predict("echo two", "text", version="3")
    assert behaviour.paths()[-2:] == [
        "POST /v2/models/echo/versions/2/infer",
        "POST /models/echo%20two/versions/3/predict",
    ]


def test_health_and_models(client, behaviour):
    assert client.live() is client.ready() is client.model_ready("echo") is True
    assert client.model_ready("other") is False
    assert client.server_metadata()["name"] == "echo"
    behaviour.queue = [(200, {}, b'[{"name": "a"}]'), (200, {}, b'{"models": []}')]
    assert client.models() == [{"name": "a"}]
    assert client.models() == []
    behaviour.queue = [(404, {}, b""), (200, {}, b'[{"name": "t"}]')]
    assert client.models() == [{"name": "t"}]
    assert behaviour.paths()[-1] == "POST /v2/repository/index"


@pytest.fixture
def closed_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def test_connection_refused(make, closed_port):
    with make(f"http://127.0.0.1:{closed_port}", retries=0) as client:
        assert client.live() is client.ready() is client.model_ready("m") is False
        with pytest.raises(UnavailableError) as caught:
            client.infer("m", {"X": [1]})
    said = str(caught.value)
    assert f"http://127.0.0.1:{closed_port}" in said
    assert "connection refused" in said
    assert "modelport serve" in said


def test_unavailable_with_retry_after_is_sent_again(client, behaviour):
    client.infer("echo", {"X": [1]})
    behaviour.queue = [(503, {"Retry-After": "0"}, b""), (503, {"Retry-After": "0.05"}, b"")]
    assert client.infer("echo", {"X": [1]})["X"].tolist() == [1]
    behaviour.queue = [(503, {"Retry-After": "0"}, b'{"error": "loading"}')] * 3
    with pytest.raises(UnavailableError, match="loading"):
        client.infer("echo", {"X": [1]})
    assert behaviour.queue == []


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (503, {}, UnavailableError),
        (503, {"Retry-After": "3600"}, UnavailableError),
        (503, {"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}, UnavailableError),
        (429, {"Retry-After": "0"}, OverloadedError),
        (500, {"Retry-After": "0"}, InternalError),
    ],
)
def test_nothing_else_is_sent_again(client, behaviour, status, headers, error):
    client.infer("echo", {"X": [1]})
    behaviour.queue = [(status, headers, b"")]
    with pytest.raises(error, match=str(status)):
        client.infer("echo", {"X": [1]})
    assert behaviour.paths()[-1].startswith("POST")


def one_answer(answer):
    """A server that gives those bytes to one connection, then closes it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            if answer is None:
                connection.recv(1)
            else:
                connection.sendall(answer)
        listener.close()

    thread = threading.Thread(target=serve)
    thread.start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", thread


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc", b"nonsense\r\n\r\n"],
    ids=["none", "cut", "nonsense"],
)
def test_a_connection_that_breaks_later_is_not_tried_again(make, answer):
    url, thread = one_answer(answer)
    with make(url) as client, pytest.raises(UnavailableError, match="broke before the answer was complete"):
        client.server_metadata()
    thread.join()


def test_a_server_that_hangs(make):
    url, thread = one_answer(None)
    with make(url, timeout=0.1) as client, pytest.raises(DeadlineExceededError, match=r"within 0\.1 s"):
        client.server_metadata()
    thread.join()


def test_a_body_that_does_not_decompress(client, behaviour):
    behaviour.queue = [(200, {"Content-Encoding": "gzip"}, b"not gzip")]
    with pytest.raises(InternalError, match="decompress"):
        client.server_metadata()


def test_errors_say_what_the_server_said(client, behaviour):
    with pytest.raises(NotFoundError, match=r"^no /v2/models/other/infer$"):
        client.infer("other", {"X": [1]})
    behaviour.queue = [(302, {"Location": "https://elsewhere/v2"}, b"")]
    with pytest.raises(InvalidInputError, match="https://elsewhere/v2"):
        client.server_metadata()


@pytest.mark.parametrize("url", ["ftp://host", "http://", "http://[::1", ""])
def test_a_url_that_is_none(make, url):
    with pytest.raises(InvalidInputError):
        Client(url)


def test_headers_and_urls_with_a_path(make, echo_url, behaviour):
    bare = echo_url.removeprefix("http://")
    with make(f"{bare}/prefix/", headers={"Authorization": "Bearer t"}) as client, pytest.raises(NotFoundError):
        client.server_metadata()
    _, path, headers, _ = behaviour.seen[-1]
    assert path == "/prefix/v2"
    assert headers["authorization"] == "Bearer t"


async def test_many_calls_at_a_time(echo_url):
    async with AsyncClient(echo_url) as client:
        arrays = [np.full((1, 4), n, np.float32) for n in range(20)]
        results = await asyncio.gather(*(client.infer("echo", {"X": array}) for array in arrays))
    for array, result in zip(arrays, results, strict=True):
        np.testing.assert_array_equal(result["X"], array)


def test_both_clients_have_the_same_methods():
    for name, method in inspect.getmembers(Client, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(method) == inspect.signature(getattr(AsyncClient, name)), name


def test_importing_the_client_loads_no_framework():
    code = "import sys, modelport.client; print(sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("onnxruntime", "fastapi", "starlette", "uvicorn", "pandas", "PIL", "grpc", "google", "httpx"):
        assert f"'{heavy}'" not in loaded


def test_a_transport_of_ones_own():
    said = []

    def answer(request):
        said.append((request.method, request.path, request.content))
        if request.path == "/v2":
            return Response(200, {}, b'{"extensions": []}')
        return Response(
            200, {}, b'{"model_name": "m", "outputs": [{"name": "y", "datatype": "INT32", "shape": [1], "data": [7]}]}'
        )

    async def answer_later(request):
        return answer(request)

    with Client("http://nowhere", transport=answer) as client:
        assert client.infer("m", {"x": np.array([1], np.int32)})["y"].tolist() == [7]

    async def call():
        async with AsyncClient("http://nowhere", transport=answer_later) as client:
            return await client.infer("m", {"x": np.array([1], np.int32)})

    assert asyncio.run(call())["y"].tolist() == [7]
    assert said[2][2] == b'{"inputs":[{"name":"x","shape":[1],"datatype":"INT32","data":[1]}]}'
    assert said[:3] == said[3:]
