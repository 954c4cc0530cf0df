"""The lane as a protocol: order, keep-alive, refusals. Bytes in, bytes out, against a real server."""

from __future__ import annotations

import json
import re
import time

import pytest

from running import read_all

GET = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
GOOD = b'{"id":"%b","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}'


def post(body, path=b"/v2/models/identity_FP32/infer", headers=b"", version=b"1.1"):
    return b"POST %b HTTP/%b\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n%b" % (path, version, headers, len(body), body)


def responses(raw):
    """(status, body) of each response in a stream."""
    found = []
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head, re.I)[1])
        found.append((int(head.split()[1]), rest[:length]))
        raw = rest[length:]
    return found


def only(raw):
    [(status, body)] = responses(raw)
    return status, json.loads(body)


def assert_still_serves(server):
    status, body = only(server.raw(post(GOOD % b"after", headers=b"Connection: close\r\n")))
    assert (status, body["outputs"][0]["data"]) == (200, [1.0, 2.0])


def test_pipelined_requests_are_answered_in_order_across_lane_and_asgi(server):
    stream = post(GOOD % b"1") + GET + post(GOOD % b"2") + post(b"{}") + GET + GET + post(GOOD % b"3") + LAST
    answers = responses(server.raw(stream))
    assert [status for status, _ in answers] == [200, 200, 200, 400, 200, 200, 200, 200]
    kinds = [json.loads(body).get("id") or ("live" if b"live" in body else "error") for _, body in answers]
    assert kinds == ["1", "live", "2", "error", "live", "live", "3", "live"]


def test_hundreds_of_pipelined_requests(server):
    stream = b"".join(post(GOOD % b"%d" % number) for number in range(500)) + LAST
    answers = responses(server.raw(stream))
    assert [json.loads(body).get("id") for _, body in answers[:-1]] == [str(number) for number in range(500)]


def test_a_request_byte_by_byte(server):
    request = post(GOOD % b"slow", headers=b"Connection: close\r\n")
    status, body = only(server.raw(*[request[at : at + 1] for at in range(len(request))]))
    assert (status, body["id"]) == (200, "slow")


def test_chunked_body(server):
    body = GOOD % b"chunked"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:10], body[10:]))
    head = b"POST /v2/models/identity_FP32/infer HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    status, answer = only(server.raw(head + chunks + b"0\r\n\r\n"))
    assert (status, answer["id"]) == (200, "chunked")


def test_http_1_0_is_answered_and_closed(server):
    status, _ = only(server.raw(post(GOOD % b"old", version=b"1.0")))
    assert status == 200


def test_continue_is_sent_before_the_body_is(server):
    body = GOOD % b"expected"
    with server.connect() as sock:
        sock.sendall(
            b"POST /v2/models/identity_FP32/infer HTTP/1.1\r\nConnection: close\r\n"
            b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        assert sock.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert only(read_all(sock))[0] == 200


def test_an_upgrade_that_is_not_served_is_ignored(server):
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    get = GET.replace(b"\r\n\r\n", b"\r\n" + upgrade + b"\r\n")
    answers = responses(server.raw(post(GOOD % b"up", headers=upgrade) + get + post(GOOD % b"next") + LAST))
    assert [status for status, _ in answers] == [200, 200, 200, 200]
    assert [json.loads(body).get("id") for _, body in answers] == ["up", None, "next", None]


@pytest.mark.parametrize(
    ("request_bytes", "status", "text"),
    [
        (b"POST /v2/models/identity_FP32/infer HTTP/1.1\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n", 431, "65536 bytes"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200_000 + b"\r\n", 431, "65536 bytes"),
        (b"GET /" + b"a" * 500_000 + b" HTTP/1.1\r\n\r\n", 431, "65536 bytes"),
        (b"POST /v2/models/identity_FP32/infer HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413, "268435456"),
        (b"POST /elsewhere HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413, "268435456"),
        (b"POST /v2/models/identity_FP32/infer HTTP/1.1\r\nContent-Length: abc\r\n\r\n", 400, "Content-Length"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400, "Content-Length"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 tls here", 400, "not an HTTP/1.1 request"),
        (b"hello there\r\n\r\n", 400, "not an HTTP/1.1 request"),
        (b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "chunk size"),
    ],
    ids=["header", "headers", "target", "body", "body-elsewhere", "length", "smuggling", "tls", "words", "chunk"],
)
def test_what_is_not_a_request_is_refused_with_the_reason(server, request_bytes, status, text):
    answers = responses(server.raw(request_bytes))
    assert answers[-1][0] == status
    assert text in json.loads(answers[-1][1])["error"]
    assert_still_serves(server)


def test_slow_clients_are_refused(run_server, model_folder):
    env = {"MODELPORT_HEADER_SECONDS": "1", "MODELPORT_BODY_SECONDS": "1", "MODELPORT_KEEP_ALIVE_SECONDS": "2"}
    server = run_server(model_folder / "identity_FP32.onnx", env=env).wait_ready()
    with server.connect() as head, server.connect() as body, server.connect() as asgi, server.connect() as idle:
        head.sendall(b"POST /v2/models/identity_FP32/infer HTTP/1.1\r\nHos")
        body.sendall(b"POST /v2/models/identity_FP32/infer HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        asgi.sendall(b"POST /models/x/versions/1/predict/no HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        status, answer = only(read_all(head))
        assert (status, answer["error"]) == (408, "the request's head did not end within 1 s")
        status, answer = only(read_all(body))
        assert status == 408
        assert re.match(
            r"the body came too slowly: 1 bytes in \d s; send at least 1024 bytes per second", answer["error"]
        )
        assert responses(read_all(asgi))[0][0] in (404, 408)
        assert read_all(idle) == b""  # an idle connection is closed without a word
    assert_still_serves(server)


def test_a_body_over_the_limit_is_refused_while_it_comes(run_server, model_folder):
    server = run_server(model_folder / "identity_FP32.onnx", env={"MODELPORT_BODY_BYTES": "1000"}).wait_ready()
    head = b"POST /v2/models/identity_FP32/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = [b"190\r\n" + b" " * 400 + b"\r\n"] * 50
    status, answer = only(server.raw(head, *chunks))
    assert (status, "limit is 1000 bytes" in answer["error"]) == (413, True)
    bomb = __import__("gzip").compress(b" " * 100_000)
    status, answer = only(server.raw(post(bomb, headers=b"Content-Encoding: gzip\r\nConnection: close\r\n")))
    assert (status, "1000 bytes" in answer["error"]) == (413, True)
    assert_still_serves(server)


def test_a_client_that_goes_away_costs_nothing(server):
    for stop in (20, 100, 150):
        with server.connect() as sock:
            sock.sendall(post(GOOD % b"gone")[:stop])
    with server.connect() as sock:
        sock.sendall(post(GOOD % b"unread") * 200)
    time.sleep(0.1)
    assert_still_serves(server)


@pytest.mark.parametrize("cut", [20, 60, 90])
def test_requests_that_come_together_may_be_cut_within_a_head(server, cut):
    """What is read at once may be larger than a head may be, and end within the head of its last request."""
    one = post(GOOD % (b"x" * 5000), headers=b"x-cut: %d\r\n" % cut)  # a head that was not seen before
    with server.connect() as sock:
        sock.sendall(one * 40 + one[:cut])
        time.sleep(0.3)
        sock.sendall(one[cut:] + LAST)
        assert [status for status, _ in responses(read_all(sock))] == [200] * 42


def test_a_client_that_does_not_read_is_not_read_from(server):
    """Its answers pile up in the sockets, not in the server's memory: it stops taking requests."""
    with server.connect() as sock:
        sock.settimeout(1)
        with pytest.raises(TimeoutError):
            sock.sendall(post(GOOD % (b"x" * 5000)) * 40_000)  # 200 MB
    assert_still_serves(server)
