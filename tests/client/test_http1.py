"""Requests and responses of HTTP/1.1 as bytes, however the bytes are cut."""

import gzip
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.client.address import parse_address
from modelport.client.broken import BrokenError
from modelport.client.exchange import Request
from modelport.client.http1 import Reader, Writer
from modelport.core.errors import InternalError, InvalidInputError


def feed(reader, data, size=None):
    """Give the reader the bytes in pieces of that size; how many it took until the response was complete."""
    at = 0
    while at < len(data):
        room = reader.buffer()
        assert len(room) > 0
        piece = data[at : at + min(len(room), size or len(room))]
        room[: len(piece)] = piece
        at += len(piece)
        if reader.received(len(piece)):
            return at
    return None


def read(data, size=None, end=False):
    reader = Reader()
    done = feed(reader, data, size)
    if end:
        assert done is None
        reader.ended()
    else:
        assert done is not None
    response = reader.response()
    return response.status, bytes(response.body), reader.keeps


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nA: b\r\n\r\n"
PLAIN = b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + PLAIN


@pytest.mark.parametrize("size", [None, 1, 2, 3, 7])
@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (PLAIN, (404, b"hello", True)),
        (INTERIM, (404, b"hello", True)),
        (CHUNKED, (200, b"abcdefg", True)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"", True)),
        (b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", (200, b"", True)),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx", (200, b"x", False)),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: Keep-Alive\r\n\r\nx", (200, b"x", True)),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nConnection: x, Close\r\n\r\nx", (200, b"x", False)),
    ],
)
def test_responses_in_pieces(data, wanted, size):
    assert read(data, size) == wanted


@pytest.mark.parametrize("size", [None, 1])
def test_a_body_that_ends_with_the_connection(size):
    assert read(b"HTTP/1.1 200 OK\r\nServer: old\r\n\r\nabc", size, end=True) == (200, b"abc", False)


def test_bytes_behind_a_response_end_the_connection():
    assert read(PLAIN + b"HTTP/1.1") == (404, b"hello", False)
    assert read(CHUNKED + b"rubbish") == (200, b"abcdefg", False)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999999999\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000,
    ],
)
def test_what_is_not_http(data):
    with pytest.raises(BrokenError):
        feed(Reader(), data)


@pytest.mark.parametrize("cut", range(1, len(PLAIN)))
def test_an_end_in_the_middle(cut):
    reader = Reader()
    feed(reader, PLAIN[:cut])
    with pytest.raises(BrokenError, match="closed"):
        reader.ended()


def test_an_end_in_the_middle_of_chunks():
    reader = Reader()
    feed(reader, CHUNKED[:-4])
    with pytest.raises(BrokenError, match="closed"):
        reader.ended()


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=3000), st.integers(1, 5000), st.integers(0, 300))
def test_large_bodies_stay_where_they_are_received(start, size, head):
    body = start + bytes(np.arange(200_000, dtype=np.uint32).view(np.uint8))
    names = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\ninference-header-content-length: {head}\r\n\r\n"
    reader = Reader()
    assert feed(reader, names.encode() + body, size)
    received = reader.response().body
    assert isinstance(received, memoryview)
    assert received == body
    array = np.frombuffer(received[head:], np.uint8)
    assert array.flags.writeable
    assert array.ctypes.data % 64 == 0


def test_one_reader_reads_many():
    reader = Reader()
    for data in (PLAIN, CHUNKED, PLAIN.replace(b"5", b"90000", 1) + bytes(89_995), PLAIN):
        reader.reset()
        assert not reader.started
        assert feed(reader, data)
        assert reader.keeps


@pytest.mark.parametrize(
    ("coding", "body"),
    [("gzip", gzip.compress(b"text")), ("deflate", zlib.compress(b"text")), ("identity", b"text"), ("", b"text")],
)
def test_content_codings(coding, body):
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {len(body)}\r\n\r\n"
    assert read(head.encode() + body)[1] == b"text"


@pytest.mark.parametrize("coding", ["br", "gzip"])
def test_a_body_that_does_not_decompress(coding):
    data = f"HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: 3\r\n\r\nabc".encode()
    with pytest.raises(InternalError, match="does not decompress"):
        read(data)


def written(url, request, headers=None):
    return b"".join(Writer(parse_address(url), headers).parts(request))


def test_requests():
    head, _, body = written(
        "http://host:80/a b/", Request("POST", "/v2", (b"x", b"yz"), {"Content-Type": "t"})
    ).partition(b"\r\n\r\n")
    assert body == b"xyz"
    lines = head.split(b"\r\n")
    assert lines[:2] == [b"POST /a%20b/v2 HTTP/1.1", b"host: host"]
    assert lines[-2:] == [b"Content-Type: t", b"content-length: 3"]
    assert b"content-length" not in written("host:8000", Request("GET", "/v2"))
    assert b"\r\nhost: [::1]:8000\r\n" in written("http://[::1]:8000", Request("GET", "/v2"))
    assert b"\r\nhost: xn--bcher-kva.example\r\n" in written("http://bücher.example", Request("GET", "/v2"))
    assert b"\r\nauthorization: Basic dTpwIA==\r\n" in written("http://u:p%20@host", Request("GET", "/v2"))


def test_headers_of_the_caller():
    headers = {"User-Agent": "mine", "HOST": "other", "Content-Length": "7", "Authorization": "Bearer t"}
    data = written("http://u:p@host", Request("GET", "/"), headers)
    assert data.lower().count(b"user-agent") == data.lower().count(b"host") == data.lower().count(b"authorization") == 1
    assert b"user-agent: mine\r\n" in data
    assert b"host: other\r\n" in data
    assert b"authorization: Bearer t\r\n" in data
    assert b"ontent-" not in data


@pytest.mark.parametrize("headers", [{"a b": "c"}, {"a": "b\r\nc: d"}, {"": "x"}, {"a": "ü"}, {"a\n": "b"}])
def test_headers_that_are_none(headers):
    with pytest.raises(InvalidInputError):
        written("http://host", Request("GET", "/"), headers)


@pytest.mark.parametrize(
    "url", ["http://a b", "http://host?x=1", "http://host:99999", "http://ho\x00st", "http://host#x"]
)
def test_urls_that_are_no_servers(url):
    with pytest.raises(InvalidInputError, match="URL"):
        parse_address(url)


def test_large_parts_are_not_joined():
    tensor = memoryview(bytearray(100_000))
    parts = Writer(parse_address("http://host"), None).parts(Request("POST", "/", (b"head", tensor, b"a", b"", b"b")))
    assert [len(part) for part in parts[1:]] == [100_000, 2]
    assert parts[1] is tensor
    assert parts[0].endswith(b"\r\n\r\nhead")


def test_proxies_of_the_environment(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://me:secret@proxy:3128")
    monkeypatch.setenv("HTTPS_PROXY", "proxy2:8080")
    monkeypatch.setenv("NO_PROXY", "inner.example")
    data = written("http://host:81/x", Request("GET", "/v2"))
    assert data.startswith(b"GET http://host:81/x/v2 HTTP/1.1\r\nhost: host:81\r\n")
    assert b"\r\nproxy-authorization: Basic bWU6c2VjcmV0\r\n" in data
    through_tunnel = parse_address("https://host")
    assert (through_tunnel.proxy.host, through_tunnel.proxy.port) == ("proxy2", 8080)
    assert written("https://host", Request("GET", "/v2")).startswith(b"GET /v2 HTTP/1.1\r\nhost: host\r\n")
    for direct in ("http://127.0.0.1:8000", "localhost:8000", "http://[::1]:1", "http://inner.example"):
        assert parse_address(direct).proxy is None
    monkeypatch.setenv("HTTP_PROXY", "socks5://proxy:1")
    with pytest.raises(InvalidInputError, match="socks5"):
        parse_address("http://host")
