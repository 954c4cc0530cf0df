"""The rules of RFC 9113 that end a connection or a stream, one by one, and what must be accepted."""

import dataclasses
import struct

import pytest
from http2_rig import GET, POST, Recorder, Rig, goaway, grpc_fields, message, reset_codes

from modelport.server.http2 import GrpcServer, Limits, Router, Unary
from modelport.server.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HAS_PRIORITY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ErrorCode,
    pack_frame,
)
from modelport.server.http2.header_blocks import BlockDecoder

PROTOCOL, SIZE, FLOW = ErrorCode.PROTOCOL_ERROR, ErrorCode.FRAME_SIZE_ERROR, ErrorCode.FLOW_CONTROL_ERROR
CLOSED, CALM = ErrorCode.STREAM_CLOSED, ErrorCode.ENHANCE_YOUR_CALM
SIMPLE = b"\x82\x86\x84\x41\x04here"  # GET http / here


def setting(key, value):
    return pack_frame(SETTINGS, 0, 0, struct.pack(">HI", key, value))


def update(stream_id, increment):
    return pack_frame(WINDOW_UPDATE, 0, stream_id, struct.pack(">I", increment))


CONNECTION_ERRORS = {
    "DATA on stream 0": (pack_frame(DATA, 0, 0, b"x"), PROTOCOL),
    "DATA on an idle stream": (pack_frame(DATA, 0, 5, b"x"), PROTOCOL),
    "DATA on a stream of the server's": (pack_frame(DATA, 0, 2, b"x"), PROTOCOL),
    "HEADERS on stream 0": (pack_frame(HEADERS, END_HEADERS, 0, SIMPLE), PROTOCOL),
    "HEADERS on an even stream": (pack_frame(HEADERS, END_HEADERS, 2, SIMPLE), PROTOCOL),
    "HEADERS too short for priority": (pack_frame(HEADERS, END_HEADERS | HAS_PRIORITY, 1, b"abc"), SIZE),
    "padding longer than the frame": (pack_frame(HEADERS, END_HEADERS | PADDED, 1, b"\x05abc"), PROTOCOL),
    "padding of nothing": (pack_frame(HEADERS, END_HEADERS | PADDED, 1, b""), PROTOCOL),
    "CONTINUATION without HEADERS": (pack_frame(CONTINUATION, END_HEADERS, 1, b""), PROTOCOL),
    "a frame instead of CONTINUATION": (pack_frame(HEADERS, 0, 1, SIMPLE) + pack_frame(PING, 0, 0, bytes(8)), PROTOCOL),
    "CONTINUATION of another stream": (
        pack_frame(HEADERS, 0, 1, SIMPLE) + pack_frame(CONTINUATION, END_HEADERS, 3, b""),
        PROTOCOL,
    ),
    "PRIORITY on stream 0": (pack_frame(PRIORITY, 0, 0, bytes(5)), PROTOCOL),
    "PRIORITY of a wrong size": (pack_frame(PRIORITY, 0, 1, bytes(4)), SIZE),
    "RST_STREAM on stream 0": (pack_frame(RST_STREAM, 0, 0, bytes(4)), PROTOCOL),
    "RST_STREAM on an idle stream": (pack_frame(RST_STREAM, 0, 1, bytes(4)), PROTOCOL),
    "RST_STREAM of a wrong size": (pack_frame(RST_STREAM, 0, 1, bytes(5)), SIZE),
    "SETTINGS on a stream": (pack_frame(SETTINGS, 0, 1), PROTOCOL),
    "SETTINGS of a wrong size": (pack_frame(SETTINGS, 0, 0, bytes(5)), SIZE),
    "SETTINGS ACK with values": (pack_frame(SETTINGS, ACK, 0, bytes(6)), SIZE),
    "ENABLE_PUSH of 2": (setting(2, 2), PROTOCOL),
    "INITIAL_WINDOW_SIZE too large": (setting(4, 2**31), FLOW),
    "MAX_FRAME_SIZE too small": (setting(5, 16_383), PROTOCOL),
    "MAX_FRAME_SIZE too large": (setting(5, 2**24), PROTOCOL),
    "PUSH_PROMISE": (pack_frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4)), PROTOCOL),
    "PING on a stream": (pack_frame(PING, 0, 1, bytes(8)), PROTOCOL),
    "PING of a wrong size": (pack_frame(PING, 0, 0, bytes(7)), SIZE),
    "GOAWAY on a stream": (pack_frame(GOAWAY, 0, 1, bytes(8)), PROTOCOL),
    "GOAWAY of a wrong size": (pack_frame(GOAWAY, 0, 0, bytes(7)), SIZE),
    "WINDOW_UPDATE of 0": (update(0, 0), PROTOCOL),
    "WINDOW_UPDATE overflow": (update(0, 2**31 - 1), FLOW),
    "WINDOW_UPDATE of a wrong size": (pack_frame(WINDOW_UPDATE, 0, 0, bytes(3)), SIZE),
    "WINDOW_UPDATE on an idle stream": (update(7, 1), PROTOCOL),
    "a frame that is too long": (pack_frame(PING, 0, 0, bytes(65_537)), SIZE),
    "a header index out of range": (pack_frame(HEADERS, END_HEADERS, 1, b"\xff\x00"), ErrorCode.COMPRESSION_ERROR),
    "a truncated header block": (pack_frame(HEADERS, END_HEADERS, 1, b"\x40\x0aabc"), ErrorCode.COMPRESSION_ERROR),
    "a header block that is too large": (pack_frame(HEADERS, END_HEADERS, 1, bytes(32_769)), CALM),
    "a header list of many CONTINUATION frames": (
        pack_frame(HEADERS, 0, 1, SIMPLE) + pack_frame(CONTINUATION, 0, 1, b"") * 17,
        CALM,
    ),
    "a header block that is too large in pieces": (
        pack_frame(HEADERS, 0, 1, bytes(20_000)) + pack_frame(CONTINUATION, 0, 1, bytes(20_000)),
        CALM,
    ),
}


@pytest.mark.parametrize(("data", "code"), CONNECTION_ERRORS.values(), ids=CONNECTION_ERRORS)
@pytest.mark.parametrize("bytewise", [False, True], ids=["at once", "bytewise"])
def test_ends_the_connection(make_rig, data, code, bytewise):
    rig = make_rig()
    rig.output()
    if bytewise and len(data) < 1000:
        rig.feed(*(data[at : at + 1] for at in range(len(data))))
    else:
        rig.feed(data)
    assert goaway(rig.frames())[0] == code
    assert rig.connection.closed
    rig.feed(pack_frame(PING, 0, 0, bytes(8)))
    assert rig.frames() == []


@pytest.mark.parametrize(
    "start",
    [
        b"GET / HTTP/1.1\r\n",
        PREFACE[:-1] + b"x",
        PREFACE + pack_frame(PING, 0, 0, bytes(8)),
        PREFACE + pack_frame(SETTINGS, ACK, 0),
    ],
)
def test_needs_preface_and_settings(make_rig, start):
    rig = make_rig(greet=False)
    rig.feed(start)
    assert goaway(rig.frames())[0] == PROTOCOL


def test_says_its_settings_first_and_acknowledges(make_rig):
    rig = make_rig(greet=False, max_concurrent_streams=7, connection_window=100_000)
    for byte in PREFACE + setting(3, 100):
        rig.feed(bytes((byte,)))
    first, window, acknowledgement = rig.frames()
    assert (first.kind, first.flags) == (SETTINGS, 0)
    assert (3, 7) in struct.iter_unpack(">HI", first.payload)
    assert (window.kind, window.payload) == (WINDOW_UPDATE, struct.pack(">I", 100_000 - 65_535))
    assert (acknowledgement.kind, acknowledgement.flags) == (SETTINGS, ACK)


MALFORMED = {
    "no method": GET[1:],
    "no scheme": [GET[0], *GET[2:]],
    "no path": GET[:3],
    "an empty path": [*GET[:3], (b":path", b"")],
    "a relative path": [*GET[:3], (b":path", b"x")],
    "a pseudo-header twice": [*GET, GET[3]],
    "a pseudo-header after a field": [*GET[:3], (b"a", b"b"), GET[3]],
    "an unknown pseudo-header": [*GET, (b":protocol", b"websocket")],
    "a response's pseudo-header": [*GET, (b":status", b"200")],
    "an uppercase name": [*GET, (b"Accept", b"x")],
    "a name with a space": [*GET, (b"a b", b"x")],
    "an empty name": [*GET, (b"", b"x")],
    "a line feed in a value": [*GET, (b"a", b"x\ny")],
    "a NUL in a value": [*GET, (b"a", b"x\0y")],
    "a space before a value": [*GET, (b"a", b" x")],
    "connection": [*GET, (b"connection", b"close")],
    "transfer-encoding": [*GET, (b"transfer-encoding", b"chunked")],
    "upgrade": [*GET, (b"upgrade", b"h2c")],
    "keep-alive": [*GET, (b"keep-alive", b"1")],
    "proxy-connection": [*GET, (b"proxy-connection", b"x")],
    "te other than trailers": [*GET, (b"te", b"gzip")],
    "host that differs from the authority": [*GET, (b"host", b"there")],
    "a content-length that is no number": [*GET, (b"content-length", b"-1")],
    "two content-lengths": [*GET, (b"content-length", b"1"), (b"content-length", b"2")],
    "CONNECT with a path": [(b":method", b"CONNECT"), *GET[1:]],
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED)
def test_resets_malformed_requests(make_rig, fields):
    recorder = Recorder()
    rig = make_rig(handler=recorder)
    rig.feed(rig.headers(1, fields, end=True), rig.headers(3, GET, end=True))
    assert reset_codes(rig.frames()) == {1: PROTOCOL}
    assert [stream.id for stream in recorder.requests] == [3]


def test_accepts_what_the_rfc_allows(make_rig):
    recorder = Recorder()
    rig = make_rig(handler=recorder)
    block = rig.encode([*GET, (b"te", b"trailers"), (b"host", b"here"), (b"a", b"")])
    rig.feed(
        pack_frame(PRIORITY, 0, 9, bytes(5)),
        pack_frame(0x42, 0xFF, 0, b"unknown"),
        pack_frame(HEADERS, PADDED | HAS_PRIORITY, 1, b"\x03" + bytes(5) + block[:4] + b"pad"),
        pack_frame(CONTINUATION, 0, 1, block[4:5]),
        pack_frame(CONTINUATION, END_HEADERS, 1, block[5:]),
        pack_frame(DATA, PADDED, 1, b"\x02abcde"),
        pack_frame(DATA, 0, 1 | 2**31, b"f"),
        pack_frame(DATA, 0, 1, b""),
        rig.headers(1, [(b"sum", b"6")], end=True),
        pack_frame(PRIORITY, 0, 1, bytes(5)),
        pack_frame(GOAWAY, 0, 0, bytes(12)),
    )
    assert recorder.bodies == {1: b"abcf"}
    assert recorder.ended == [1]
    assert not rig.connection.closed


def test_answers_ping(make_rig):
    rig = make_rig()
    rig.output()
    rig.feed(pack_frame(PING, 0, 0, b"12345678"))
    (frame,) = rig.frames()
    assert (frame.kind, frame.flags, frame.payload) == (PING, ACK, b"12345678")


@pytest.mark.parametrize("whole", [False, True], ids=["in pieces", "whole"])
@pytest.mark.parametrize(("stated", "sent"), [(b"3", b"ab"), (b"1", b"ab"), (b"0", b"a")])
def test_resets_when_content_length_is_wrong(make_rig, stated, sent, whole):
    rig = make_rig({b"/pkg.Service/Method": Unary(lambda call, message: call.reply(b""))})
    for stream_id in (1, 3, 5):  # from the second on, the header block is known
        fields = grpc_fields(b"/pkg.Service/Method", (b"content-length", stated))
        parts = rig.headers(stream_id, fields), pack_frame(DATA, END_STREAM, stream_id, sent)
        rig.feed(b"".join(parts)) if whole else rig.feed(*parts)
        assert reset_codes(rig.frames())[stream_id] == PROTOCOL


def test_accepts_a_right_content_length(make_rig):
    rig = make_rig({b"/pkg.Service/Method": Unary(lambda call, message: call.reply(message))})
    for stream_id in (1, 3, 5):
        rig.feed(rig.call(stream_id, message(b"hi"), (b"content-length", b"7")))
        assert rig.response(rig.frames(), stream_id).body == message(b"hi")


def test_resets_streams_that_break_rules(make_rig):
    recorder = Recorder()
    rig = make_rig(handler=recorder)
    for stream_id in (1, 3, 5, 7, 9):
        rig.feed(rig.headers(stream_id, POST))
    rig.feed(
        rig.headers(1, [(b"a", b"b")]),  # trailers without END_STREAM
        rig.headers(3, [(b":path", b"/")], end=True),
        update(5, 0),
        update(7, 2**31 - 1),
        pack_frame(DATA, END_STREAM, 9, b""),
        pack_frame(DATA, 0, 9, b"late"),
    )
    assert reset_codes(rig.frames()) == {1: PROTOCOL, 3: PROTOCOL, 5: PROTOCOL, 7: FLOW, 9: CLOSED}
    assert recorder.cancelled == [1, 3, 5, 7, 9]
    # What was under way on the streams when they were reset is ignored, but keeps the header state.
    rig.feed(pack_frame(DATA, 0, 1, b"x"), rig.headers(3, [(b"new", b"entry")], end=True), update(5, 1))
    rig.feed(rig.headers(11, [*GET, (b"new", b"entry")], end=True))
    assert rig.frames() == []
    assert recorder.requests[-1].request.header(b"new") == b"entry"


def test_data_for_a_closed_stream_is_an_error(make_rig):
    recorder = Recorder(lambda stream: stream.respond(200, []))
    rig = make_rig(handler=recorder)
    rig.feed(rig.headers(1, GET, end=True), pack_frame(DATA, 0, 1, b"x"))
    assert reset_codes(rig.frames()) == {1: CLOSED}


def test_headers_for_a_closed_stream_are_an_error(make_rig):
    rig = make_rig(handler=Recorder(lambda stream: stream.respond(200, [])))
    rig.feed(rig.headers(3, GET, end=True), rig.headers(1, GET, end=True))
    assert goaway(rig.frames())[0] == CLOSED


def test_refuses_streams_above_the_maximum(make_rig):
    rig = make_rig(max_concurrent_streams=2)
    rig.output()
    rig.feed(*(rig.headers(stream_id, GET, end=True) for stream_id in (1, 3, 5)))
    assert reset_codes(rig.frames()) == {5: ErrorCode.REFUSED_STREAM}


@pytest.mark.parametrize("apart", [False, True])
def test_refuses_calls_above_the_maximum(make_rig, apart):
    """The same for requests that come whole, or all of whose headers come first."""
    rig = make_rig({b"/pkg.Service/Method": Unary(lambda call, message: None)}, max_concurrent_streams=2)
    rig.feed(rig.headers(1, grpc_fields(), end=True))
    rig.output()
    heads = [rig.headers(stream_id, grpc_fields()) for stream_id in (3, 5, 7)]
    bodies = [pack_frame(DATA, END_STREAM, stream_id, message(b"")) for stream_id in (3, 5, 7)]
    frames = [*heads, *bodies] if apart else [part for pair in zip(heads, bodies, strict=True) for part in pair]
    rig.feed(b"".join(frames))
    assert reset_codes(rig.frames()) == {7: ErrorCode.REFUSED_STREAM}


def test_turns_away_header_lists_that_are_too_large(make_rig):
    recorder = Recorder()
    rig = make_rig(handler=recorder, max_header_list_size=1000)
    rig.feed(rig.headers(1, [*GET, (b"long", b"x" * 900)], end=True), rig.headers(3, [*GET, (b"long", b"x" * 900)]))
    response = rig.response(rig.frames(), 1)
    assert response.headers[b":status"] == b"431"
    assert response.ended
    rig.feed(rig.headers(5, GET, end=True))
    assert [stream.id for stream in recorder.requests] == [5]


def test_does_not_do_connect(make_rig):
    rig = make_rig()
    rig.feed(rig.headers(1, [(b":method", b"CONNECT"), (b":authority", b"there:443")]))
    response = rig.response(rig.frames(), 1)
    assert (response.headers[b":status"], response.reset) == (b"501", 0)


def test_a_handler_that_raises_fails_its_stream_only(make_rig, caplog):
    def fail(stream):
        raise RuntimeError("oops")

    rig = make_rig(handler=Recorder(fail))
    rig.feed(rig.headers(1, GET, end=True))
    assert reset_codes(rig.frames()) == {1: ErrorCode.INTERNAL_ERROR}
    assert "oops" in caplog.text
    assert not rig.connection.closed


@pytest.mark.parametrize("whole", [False, True], ids=["in pieces", "whole"])
def test_an_owner_that_raises_fails_its_stream_only(caplog, whole):
    class Methods:
        def get(self, path):
            if path == b"/bad":
                raise RuntimeError("no methods")
            return Unary(lambda call, payload: call.reply(payload))

    def select(request):
        raise RuntimeError("no handler")

    rig = Rig(Router(GrpcServer(Methods()), select), Limits())
    for stream_id in (1, 3, 5):
        call = rig.call(stream_id, message(b"x"), path=b"/bad")
        rig.feed(call if whole else call[:50], b"" if whole else call[50:])
    Methods.get = lambda self, path: None
    rig.feed(rig.headers(7, GET, end=True))
    assert reset_codes(rig.frames()) == dict.fromkeys((1, 3, 5, 7), ErrorCode.INTERNAL_ERROR)
    assert "no methods" in caplog.text
    assert "no handler" in caplog.text
    assert not rig.connection.closed


def test_informational_responses_come_first(make_rig):
    def answer(stream):
        stream.respond(103, [(b"link", b"x")])
        stream.respond(200, [(b"a", b"b")], [b"body"])

    rig = make_rig(handler=Recorder(answer))
    rig.feed(rig.headers(1, GET, end=True))
    frames = [frame for frame in rig.frames() if frame.stream_id == 1]
    assert [frame.flags for frame in frames] == [END_HEADERS, END_HEADERS, END_STREAM]
    assert [rig.decode(frame.payload)[0][1] for frame in frames[:2]] == [b"103", b"200"]


@pytest.mark.parametrize("wrong", [{"max_frame_size": 1000}, {"connection_window": 1000}, {"stream_window": 0}])
def test_limits_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Limits(**wrong)


def test_every_limit_is_documented():
    assert all(field.metadata["help"].endswith(".") for field in dataclasses.fields(Limits))


def test_known_header_blocks_follow_the_dynamic_table(make_rig):
    """A block that refers to the dynamic table means something else after the table has changed."""
    recorder = Recorder()
    rig = make_rig(handler=recorder)
    one = b"\x82\x86\x84\x40\x01a\x01x"  # adds a: x, which is then index 62
    refer = b"\x82\x86\x84\xbe"
    two = b"\x82\x86\x84\x40\x01b\x01y"  # adds b: y, which moves a: x to 63
    blocks = [one, refer, refer, two, refer, refer, one, refer]
    for number, block in enumerate(blocks):
        rig.feed(pack_frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, block))
    seen = [stream.request.headers[-1] for stream in recorder.requests]
    ax, by = (b"a", b"x"), (b"b", b"y")
    assert seen == [ax, ax, ax, by, by, by, ax, ax]


def test_known_header_blocks_are_not_those_that_add(make_rig):
    recorder = Recorder()
    rig = make_rig(handler=recorder)
    add, refer = b"\x82\x86\x84\x40\x01a\x01x", b"\x82\x86\x84\xbf"  # 63: the entry before the last one
    for number, block in enumerate([add, add, refer]):
        rig.feed(pack_frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, block))
    assert len(recorder.requests) == 3


def test_oversized_header_lists_are_not_kept():
    decoder = BlockDecoder(1000)
    fields = decoder.decode(b"\x82" * 10_000 + b"\x40\x01a\x01x")
    assert fields.oversized
    assert len(fields) < 1000 / 32
    assert decoder.decode(b"\xbe") == [(b"a", b"x")]


def test_what_arrives_of_a_frame_after_its_stream_is_over(make_rig):
    class Early(Recorder):
        def on_data(self, stream, data):
            super().on_data(stream, data)
            stream.respond(200, [])

    recorder = Early()
    rig = make_rig(handler=recorder)
    frame = pack_frame(DATA, END_STREAM, 1, b"0123456789")
    rig.feed(rig.headers(1, POST), frame[:12], frame[12:] + rig.headers(3, GET, end=True))
    assert recorder.bodies == {1: b"012", 3: b""}
    assert recorder.ended == [3]
    assert rig.connection.held == 0


def test_known_header_blocks_follow_table_size_updates(make_rig):
    recorder = Recorder()
    rig = make_rig(handler=recorder)
    add, refer, empty = b"\x82\x86\x84\x40\x01a\x01x", b"\x82\x86\x84\xbe", b"\x20\x82\x86\x84"
    for number, block in enumerate([add, refer, refer, empty]):
        rig.feed(pack_frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, block))
    assert len(recorder.requests) == 4
    rig.feed(pack_frame(HEADERS, END_HEADERS | END_STREAM, 99, refer))
    assert goaway(rig.frames())[0] == ErrorCode.COMPRESSION_ERROR
