"""ASGI applications on a connection without sockets."""

import asyncio

import pytest
from http2_rig import GET, POST, reset_codes

from modelport.server.http2 import AsgiHandler
from modelport.server.http2.frames import DATA, END_STREAM, RST_STREAM, WINDOW_UPDATE, ErrorCode, pack_frame

OK = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"Content-Type", b"text/plain"), (b"connection", b"close")],
}


@pytest.fixture
def run(make_rig):
    """run(app, **limits): a rig whose plain requests go to an ASGI application."""

    def start(app, **limits):
        return make_rig(handler=AsgiHandler(app, root_path="/root", state={"shared": 1}), **limits)

    return start


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def body(data, more=False):
    return {"type": "http.response.body", "body": data, "more_body": more}


async def test_scope(run):
    scopes = []

    async def app(scope, receive, send):
        scopes.append(scope)
        await send(OK)
        await send(body(b"done"))

    rig = run(app)
    path = (b":path", b"/a%20b/%C3%A4?q=%20")
    rig.feed(rig.headers(1, [*GET[:3], path, (b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2")], end=True))
    await settle()
    response = rig.response(rig.frames(), 1)
    assert response.headers == {b":status": b"200", b"content-type": b"text/plain"}
    assert (response.body, response.ended) == (b"done", True)
    (scope,) = scopes
    assert scope["state"] == {"shared": 1}
    del scope["state"], scope["asgi"]
    assert scope == {
        "type": "http",
        "http_version": "2",
        "method": "GET",
        "scheme": "http",
        "path": "/root/a b/ä",
        "raw_path": b"/root/a%20b/%C3%A4",
        "query_string": b"q=%20",
        "root_path": "/root",
        "headers": [(b"host", b"here"), (b"x", b"y"), (b"cookie", b"a=1; b=2")],
        "client": None,
        "server": None,
    }


async def test_body_and_disconnect(run):
    events = []

    async def app(scope, receive, send):
        events.append(await receive())
        events.append(await receive())
        await send(OK)
        await send(body(b""))
        events.append(await receive())

    rig = run(app)
    rig.feed(rig.headers(1, POST), pack_frame(DATA, 0, 1, b"ab"), pack_frame(DATA, 0, 1, b"c"))
    await settle()
    rig.feed(pack_frame(DATA, END_STREAM, 1, b"d"))
    await settle()
    assert events == [
        {"type": "http.request", "body": b"abc", "more_body": True},
        {"type": "http.request", "body": b"d", "more_body": False},
        {"type": "http.disconnect"},
    ]


async def test_a_client_that_goes_away(run):
    log = []

    async def app(scope, receive, send):
        await receive()
        log.append((await receive())["type"])
        await send(OK)
        await send(body(b"nobody hears this"))
        log.append("done")

    rig = run(app)
    rig.feed(rig.headers(1, GET, end=True))
    await settle()
    rig.feed(pack_frame(RST_STREAM, 0, 1, bytes((0, 0, 0, 8))))
    await settle()
    assert log == ["http.disconnect", "done"]


async def test_unread_bodies_hold_the_client_back(run):
    release = asyncio.Event()

    async def app(scope, receive, send):
        await release.wait()
        await receive()
        await send(OK)
        await send(body(b""))

    rig = run(app, stream_window=10_000)
    rig.feed(rig.headers(1, POST), pack_frame(DATA, 0, 1, bytes(9_000)))
    await settle()
    assert not [frame for frame in rig.frames() if frame.kind == WINDOW_UPDATE and frame.stream_id]
    release.set()
    await settle()
    assert [frame for frame in rig.frames() if frame.kind == WINDOW_UPDATE and frame.stream_id == 1]


async def test_send_waits_for_the_client(run):
    sent = []

    async def app(scope, receive, send):
        await send(OK)
        for number in range(4):
            await send(body(bytes(50_000), more=True))
            sent.append(number)
        await send(body(b""))

    rig = run(app, max_send_queue=60_000)
    rig.feed(rig.headers(1, GET, end=True))
    await settle()
    assert sent == [0]
    for _ in range(6):
        rig.output()
        rig.feed(*(pack_frame(WINDOW_UPDATE, 0, stream_id, (40_000).to_bytes(4)) for stream_id in (0, 1)))
        await settle()
    assert sent == [0, 1, 2, 3]


@pytest.mark.parametrize("started", [False, True])
async def test_an_application_that_fails(run, caplog, started):
    async def app(scope, receive, send):
        if started:
            await send(OK)
            await send(body(b"part", more=True))
        raise ValueError("oops")

    rig = run(app)
    rig.feed(rig.headers(1, GET, end=True))
    await settle()
    frames = rig.frames()
    if started:
        assert reset_codes(frames) == {1: ErrorCode.INTERNAL_ERROR}
    else:
        assert rig.response(frames, 1).headers[b":status"] == b"500"
    assert "oops" in caplog.text


async def test_an_application_that_breaks_the_rules(run, caplog):
    async def app(scope, receive, send):
        await send(body(b"without a start"))

    rig = run(app)
    rig.feed(rig.headers(1, GET, end=True))
    await settle()
    assert rig.response(rig.frames(), 1).headers[b":status"] == b"500"
    assert "unexpected ASGI message" in caplog.text


async def test_head_has_no_body(run):
    async def app(scope, receive, send):
        await send({**OK, "headers": [(b"content-length", b"8")]})
        await send(body(b"some", more=True))
        await send(body(b"more"))

    rig = run(app)
    rig.feed(rig.headers(1, [(b":method", b"HEAD"), *GET[1:]], end=True))
    await settle()
    response = rig.response(rig.frames(), 1)
    assert (response.headers[b"content-length"], response.body, response.ended) == (b"8", b"", True)


async def test_header_injection_is_refused(run, caplog):
    async def app(scope, receive, send):
        await send({**OK, "headers": [(b"x", b"a\r\nset-cookie: b")]})
        await send(body(b""))

    rig = run(app)
    rig.feed(rig.headers(1, GET, end=True))
    await settle()
    assert rig.response(rig.frames(), 1).headers[b":status"] == b"500"
