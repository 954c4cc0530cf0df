"""The gRPC layer on a connection without sockets."""

import asyncio
import base64
import gzip
import math
import tracemalloc
import zlib

import pytest
from http2_rig import GET, POST, Recorder, Rig, grpc_fields, message, reset_codes

from modelport.server.http2 import GrpcError, GrpcServer, Limits, Router, StatusCode, Streaming, Unary
from modelport.server.http2.frames import (
    DATA,
    END_STREAM,
    HEADERS,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ErrorCode,
    pack_frame,
)
from modelport.server.http2.grpc import parse_timeout
from modelport.server.http2.grpc_messages import MessageReader, decompress
from modelport.server.http2.grpc_metadata import decode_metadata, encode_metadata
from modelport.server.http2.grpc_status import escape_text

PATH = b"/pkg.Service/Method"


class Calls:
    """A unary method whose calls are answered by the test."""

    def __init__(self):
        self.calls, self.messages, self.cancelled = [], [], []

    def __call__(self, call, payload):
        self.calls.append(call)
        self.messages.append(payload)
        call.on_cancel = lambda: self.cancelled.append(call.id)


def echo(call, payload):
    call.reply(payload)


def ask(rig, body, *more, path=PATH, stream_id=1):
    rig.feed(rig.call(stream_id, body, *more, path=path))
    return rig.response(rig.frames(), stream_id)


def ask_all_ways(make_rig, methods, body, *more, **limits):
    """The answers to a request that comes in pieces, bytewise, whole, and whole with a known header block."""
    rig = make_rig(methods, **limits)
    rig.feed(pack_frame(WINDOW_UPDATE, 0, 0, (1 << 20).to_bytes(4)))
    head, data = rig.headers(1, grpc_fields(PATH, *more)), pack_frame(DATA, END_STREAM, 1, body)
    rig.feed(head, data)
    answers = [rig.response(rig.frames(), 1)]
    together = rig.call(3, body, *more)
    rig.feed(*(together[at : at + 1] for at in range(len(together))))
    answers.append(rig.response(rig.frames(), 3))
    return [*answers, ask(rig, body, *more, stream_id=5), ask(rig, body, *more, stream_id=7)]


@pytest.mark.parametrize("payload", [b"", b"hello", bytes(20_000)], ids=len)
def test_unary_reply(make_rig, payload):
    for answer in ask_all_ways(make_rig, {PATH: Unary(echo)}, message(payload)):
        assert answer.headers == {b":status": b"200", b"content-type": b"application/grpc"}
        assert answer.body == message(payload)
        assert answer.trailers == {b"grpc-status": b"0"}
        assert answer.ended
        assert answer.reset is None


def test_replies_of_one_pass_leave_together(make_rig):
    rig = make_rig({PATH: Unary(echo)})
    rig.output()
    rig.feed(b"".join(rig.call(stream_id, message(b"x")) for stream_id in (1, 3, 5)))
    assert rig.driver.wakes == 1  # by start()
    assert [frame.kind for frame in rig.frames()] == [HEADERS, DATA, HEADERS] * 3


def update(stream_id, increment):
    return pack_frame(WINDOW_UPDATE, 0, stream_id, increment.to_bytes(4))


@pytest.mark.parametrize("payload", [b"x", bytes(3000)], ids=len)
def test_window_updates_between_headers_and_data_count(make_rig, payload):
    """The order in which grpcio clients send."""
    rig = make_rig({PATH: Unary(echo)})
    rig.feed(pack_frame(SETTINGS, 0, 0, b"\0\4\0\0\0\0"))  # all windows come from the updates
    size = len(message(payload))
    for stream_id in range(1, 19, 2):
        head = rig.headers(stream_id, grpc_fields(PATH))
        data = pack_frame(DATA, END_STREAM, stream_id, message(payload))
        rig.feed(head + update(stream_id, size - 1) + data + update(0, size))
        assert len(rig.response(rig.frames(), stream_id).body) == size - 1
        rig.feed(update(stream_id, 1))
        rig.frames()
    assert rig.connection.streams == {}
    assert rig.connection.send_window == 65_535


def test_window_updates_of_honest_clients_are_no_flood(make_rig):
    rig = make_rig({PATH: Unary(echo)})
    for stream_id in range(1, 40_001, 2):
        rig.feed(
            rig.headers(stream_id, grpc_fields())
            + update(stream_id, 5)
            + pack_frame(DATA, END_STREAM, stream_id, message(b"x"))
            + update(0, 5)
        )
        rig.output()
    assert not rig.connection.closed


@pytest.mark.parametrize(
    ("increment", "code"), [(0, ErrorCode.PROTOCOL_ERROR), (2**31 - 1, ErrorCode.FLOW_CONTROL_ERROR)]
)
def test_bad_window_updates_between_headers_and_data(make_rig, increment, code):
    calls = Calls()
    rig = make_rig({PATH: Unary(calls)})
    for stream_id in (1, 3):
        rig.feed(
            rig.headers(stream_id, grpc_fields())
            + update(stream_id, increment)
            + pack_frame(DATA, END_STREAM, stream_id, message(b"x"))
        )
    assert reset_codes(rig.frames()) == {1: code, 3: code}
    assert calls.cancelled == [1, 3]


def test_requests_whose_frames_are_interleaved(make_rig):
    """The order in which nghttp2 sends; and what waits for its DATA may get something else instead."""
    rig = make_rig({PATH: Unary(echo)})
    for first in (1, 9, 17):
        ids = range(first, first + 8, 2)
        head = b"".join(rig.headers(stream_id, grpc_fields()) for stream_id in ids)
        data = b"".join(pack_frame(DATA, END_STREAM, stream_id, message(b"%d" % stream_id)) for stream_id in ids)
        rig.feed(head + data)
        assert [frame.payload for frame in rig.frames() if frame.kind == DATA] == [
            message(b"%d" % number) for number in ids
        ]
    rig.feed(
        rig.headers(31, grpc_fields())
        + rig.headers(33, grpc_fields())
        + rig.headers(35, grpc_fields())
        + pack_frame(DATA, 0, 35, message(b"c")[:2])
        + pack_frame(RST_STREAM, 0, 31, bytes((0, 0, 0, 8)))
        + pack_frame(DATA, END_STREAM, 33, message(b"b"))
        + pack_frame(DATA, END_STREAM, 35, message(b"c")[2:])
    )
    frames = rig.frames()
    assert [frame.payload for frame in frames if frame.kind == DATA] == [message(b"b"), message(b"c")]
    assert rig.connection.streams == {}


def test_a_later_reply_wakes_the_driver(make_rig):
    calls = Calls()
    rig = make_rig({PATH: Unary(calls)})
    rig.feed(rig.call(1, message(b"x")))
    before = rig.driver.wakes
    calls.calls[0].reply([b"a", memoryview(b"bc"), bytearray(b"d")])
    assert rig.driver.wakes > before
    assert rig.response(rig.frames(), 1).body == message(b"abcd")
    calls.calls[0].reply(b"again")
    calls.calls[0].fail(StatusCode.INTERNAL, "again")
    assert rig.frames() == []


def test_replies_from_arrays(make_rig):
    from array import array

    numbers = memoryview(array("d", [1.0, 2.0]))
    for reply in (numbers, [numbers[:1], numbers[1:]]):
        answer = ask(make_rig({PATH: Unary(lambda call, _, reply=reply: call.reply(reply))}), message(b""))
        assert answer.body == message(bytes(numbers))


def test_fail(make_rig):
    def fail(call, payload):
        call.fail(
            StatusCode.INVALID_ARGUMENT, "100% schlecht: Übermaß\n", b"\x00details", [("why", "so"), ("x-bin", b"\xff")]
        )

    for answer in ask_all_ways(make_rig, {PATH: Unary(fail)}, message(b"")):
        assert answer.headers == {
            b":status": b"200",
            b"content-type": b"application/grpc",
            b"grpc-status": b"3",
            b"grpc-message": b"100%25 schlecht: %C3%9Cberma%C3%9F%0A",
            b"grpc-status-details-bin": base64.b64encode(b"\x00details").rstrip(b"="),
            b"why": b"so",
            b"x-bin": b"/w",
        }
        assert answer.trailers == {}
        assert answer.ended


def test_long_texts_are_cut():
    assert escape_text("ü" * 3000) == b"%C3%BC" * 512 + b"..."


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("secret"), StatusCode.INTERNAL), (GrpcError(5, "no such model"), StatusCode.NOT_FOUND)],
)
def test_a_handler_that_raises_fails_its_call_only(make_rig, caplog, error, status):
    def fail(call, payload):
        if payload == b"bad":
            raise error
        call.reply(payload)

    rig = make_rig({PATH: Unary(fail)})
    for stream_id in (1, 5):
        answer = ask(rig, message(b"bad"), stream_id=stream_id)
        assert answer.status == status
        assert "secret" not in answer.text
        assert ask(rig, message(b"good"), stream_id=stream_id + 2).body == message(b"good")
    assert ("secret" in caplog.text) == (status == StatusCode.INTERNAL)


WRONG_BODIES = {
    "no message": (b"", (), StatusCode.UNIMPLEMENTED, "no message"),
    "two messages": (message(b"a") + message(b"b"), (), StatusCode.UNIMPLEMENTED, "more than one message"),
    "a part of a prefix": (b"\0\0", (), StatusCode.INTERNAL, "ends within a message"),
    "a part of a message": (message(b"abc")[:-1], (), StatusCode.INTERNAL, "ends within a message"),
    "a message and a part": (message(b"abc") + b"\0", (), StatusCode.INTERNAL, "ends within a message"),
    "compressed without encoding": (message(b"abc", 1), (), StatusCode.INTERNAL, "compressed flag"),
    "a bad flag": (message(b"abc", 2), (), StatusCode.INTERNAL, "compressed flag"),
    "a message too large": (
        message(bytes(1001)),
        (),
        StatusCode.RESOURCE_EXHAUSTED,
        "1001 bytes is larger than the maximum of 1000",
    ),
    "a bomb": (
        message(gzip.compress(bytes(100_000)), 1),
        ((b"grpc-encoding", b"gzip"),),
        StatusCode.RESOURCE_EXHAUSTED,
        "more than 1000 bytes after decompression is larger than the maximum of 1000 bytes",
    ),
    "no gzip": (message(b"abc", 1), ((b"grpc-encoding", b"gzip"),), StatusCode.INTERNAL, "not gzip"),
    "half a gzip": (
        message(gzip.compress(b"abc")[:-4], 1),
        ((b"grpc-encoding", b"gzip"),),
        StatusCode.INTERNAL,
        "not one whole",
    ),
    "more than a gzip": (
        message(gzip.compress(b"abc") + b"d", 1),
        ((b"grpc-encoding", b"gzip"),),
        StatusCode.INTERNAL,
        "not one whole",
    ),
    "an unknown encoding": (
        message(b"abc", 1),
        ((b"grpc-encoding", b"br"),),
        StatusCode.UNIMPLEMENTED,
        "supported are identity, deflate, gzip",
    ),
    "a bad timeout": (message(b""), ((b"grpc-timeout", b"1x"),), StatusCode.INTERNAL, "grpc-timeout"),
    "no time": (message(b""), ((b"grpc-timeout", b"0n"),), StatusCode.DEADLINE_EXCEEDED, "Deadline"),
}


@pytest.mark.parametrize(("body", "more", "status", "text"), WRONG_BODIES.values(), ids=WRONG_BODIES)
def test_wrong_requests(make_rig, body, more, status, text):
    for answer in ask_all_ways(make_rig, {PATH: Unary(echo)}, body, *more, max_message_size=1000):
        assert answer.status == status
        assert text in answer.text
        assert answer.ended
        if text.startswith("supported"):
            assert answer.headers[b"grpc-accept-encoding"] == b"identity, deflate, gzip"


@pytest.mark.parametrize(("encoding", "compress"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)])
def test_compressed_messages(make_rig, encoding, compress):
    def reply(call, payload):
        call.compression = encoding.decode()
        call.reply(payload)

    body = message(compress(b"text " * 1000), 1)
    for answer in ask_all_ways(
        make_rig,
        {PATH: Unary(reply)},
        body,
        (b"grpc-encoding", encoding),
        (b"grpc-accept-encoding", b"identity," + encoding),
    ):
        assert answer.headers[b"grpc-encoding"] == encoding
        assert answer.body[0] == 1
        assert zlib.decompress(answer.body[5:], 47) == b"text " * 1000
    for answer in ask_all_ways(make_rig, {PATH: Unary(reply)}, body, (b"grpc-encoding", encoding)):
        assert answer.body == message(b"text " * 1000)  # the client did not say that it accepts compression


def test_compression_of_a_whole_server():
    rig = Rig(Router(GrpcServer({PATH: Unary(echo)}, compression="gzip"), lambda request: Recorder()), Limits())
    for stream_id in (1, 3, 5):
        answer = ask(rig, message(b"a" * 1000), (b"grpc-accept-encoding", b"gzip"), stream_id=stream_id)
        assert gzip.decompress(answer.body[5:]) == b"a" * 1000


def test_metadata(make_rig):
    seen = []

    def handle(call, payload):
        seen.append(call.metadata)
        call.reply(b"", initial=[("first", "1"), ("blob-bin", b"\xff\xfe")], trailing=[("last", "2")])

    more = (b"user-agent", b"me"), (b"twice", b"1"), (b"twice", b"2"), (b"x-bin", b"AAE,AAI="), (b"grpc-future", b"x")
    for answer in ask_all_ways(make_rig, {PATH: Unary(handle)}, message(b""), *more):
        assert answer.headers[b"first"] == b"1"
        assert answer.headers[b"blob-bin"] == b"//4"
        assert answer.trailers == {b"grpc-status": b"0", b"last": b"2"}
    expected = [("user-agent", "me"), ("twice", "1"), ("twice", "2"), ("x-bin", b"\0\1"), ("x-bin", b"\0\2")]
    assert seen == [expected] * 4


def test_bad_metadata(make_rig):
    rig = make_rig({PATH: Unary(lambda call, payload: call.reply(str(call.metadata).encode()))})
    assert ask(rig, message(b""), (b"x-bin", b"%%%")).status == StatusCode.INTERNAL
    for name, value in (("Upper", "x"), ("new\nline", "x"), ("a", "x\r\ny"), ("grpc-status", "0"), ("", "x")):
        with pytest.raises(ValueError, match="metadata"):
            encode_metadata([(name, value)])
    assert decode_metadata([(b"a", b"\xe4")]) == [("a", "ä")]


def test_initial_metadata_before_the_reply(make_rig):
    def handle(call, payload):
        call.send_initial_metadata([("early", "1")])
        with pytest.raises(RuntimeError):
            call.send_initial_metadata()
        call.reply(payload)

    for answer in ask_all_ways(make_rig, {PATH: Unary(handle)}, message(b"x")):
        assert answer.headers[b"early"] == b"1"
        assert answer.body == message(b"x")
        assert answer.trailers == {b"grpc-status": b"0"}


def test_a_failure_after_initial_metadata(make_rig):
    def handle(call, payload):
        call.send_initial_metadata()
        call.fail(StatusCode.NOT_FOUND, "gone")

    for answer in ask_all_ways(make_rig, {PATH: Unary(handle)}, message(b"x")):
        assert answer.trailers == {b"grpc-status": b"5", b"grpc-message": b"gone"}


def test_bombs_do_not_take_memory():
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(GrpcError, match="larger than the maximum"):
        decompress(b"gzip", bomb, 1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_tiny_parts_do_not_take_memory():
    reader = MessageReader(None, 1_000_000)
    tracemalloc.start()
    reader.feed(message(bytes(500_000))[:5])
    for _ in range(100_000):
        reader.feed(b"xy")
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert size < 500_000
    (whole,) = reader.feed(b"xy" * 150_000)
    assert whole == b"xy" * 250_000


def test_unknown_methods(make_rig):
    for answer in ask_all_ways(make_rig, {}, message(b"")):
        assert answer.status == StatusCode.UNIMPLEMENTED
        assert PATH.decode() in answer.text


def test_methods_are_looked_up_anew(make_rig):
    methods = {PATH: Unary(echo)}
    rig = make_rig(methods)
    for stream_id in (1, 3):
        assert ask(rig, message(b"a"), stream_id=stream_id).status == 0
    del methods[PATH]
    assert ask(rig, message(b"a"), stream_id=5).status == StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([*POST[:3], (b":path", PATH), (b"content-type", b"application/json")], b"415"),
        ([*POST[:3], (b":path", PATH), (b"content-type", b"application/grpc-web"), (b"te", b"trailers")], b"415"),
        ([*POST[:3], (b":path", PATH), (b"te", b"trailers")], b"415"),
        ([*GET[:3], (b":path", PATH), (b"content-type", b"application/grpc"), (b"te", b"trailers")], b"405"),
    ],
)
def test_requests_that_are_no_calls(make_rig, fields, status):
    rig = make_rig({PATH: Unary(echo)})
    rig.feed(rig.headers(1, fields), pack_frame(DATA, END_STREAM, 1, message(b"a")))
    answer = rig.response(rig.frames(), 1)
    assert answer.headers[b":status"] == status
    assert answer.reset == ErrorCode.NO_ERROR


def test_missing_te(make_rig):
    rig = make_rig({PATH: Unary(echo)})
    rig.feed(rig.headers(1, [*POST[:3], (b":path", PATH), (b"content-type", b"application/grpc+proto")], end=True))
    assert rig.response(rig.frames(), 1).status == StatusCode.UNKNOWN


def test_other_content_types_go_to_the_plain_handler(make_rig):
    recorder = Recorder(lambda stream: stream.respond(200, [], [b"page"]))
    rig = make_rig({PATH: Unary(echo)}, recorder)
    rig.feed(rig.headers(1, [*POST, (b"content-type", b"application/grpc-web")], end=True))
    assert rig.response(rig.frames(), 1).body == b"page"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"2H", 7200), (b"3M", 180), (b"4S", 4), (b"500m", 0.5), (b"10u", 1e-5), (b"99999999n", 0.099999999)],
)
def test_timeouts(value, seconds):
    assert math.isclose(parse_timeout(value), seconds)


@pytest.mark.parametrize("value", [b"", b"1", b"S", b"-1S", b"123456789S", b"1.5S", b"1s", b"1S\n"])
def test_bad_timeouts(value):
    with pytest.raises(GrpcError):
        parse_timeout(value)


def test_deadlines(make_rig):
    calls = Calls()
    rig = make_rig({PATH: Unary(calls)})
    rig.output()
    now = rig.clock.now
    for stream_id, timeout in ((1, b"20S"), (3, b"10S"), (5, b"30S"), (7, b"10S"), (9, b"1H")):
        rig.feed(rig.headers(stream_id, grpc_fields(PATH, (b"grpc-timeout", timeout))))
        rig.feed(pack_frame(DATA, END_STREAM, stream_id, message(b"")))
    assert [call.deadline - now for call in calls.calls] == [20, 10, 30, 10, 3600]
    assert [deadline - now for deadline in rig.driver.deadlines] == [20, 10]
    calls.calls[3].reply(b"in time")
    rig.output()
    rig.clock.now += 10
    rig.connection.expire()
    answer = rig.response(rig.frames(), 3)
    assert (answer.status, answer.ended) == (StatusCode.DEADLINE_EXCEEDED, True)
    assert calls.cancelled == [3]
    assert rig.driver.deadlines[-1] - now == 20
    calls.calls[1].reply(b"too late")
    assert rig.frames() == []
    rig.clock.now += 21
    rig.connection.expire()
    assert calls.cancelled == [3, 1, 5]


def test_a_deadline_known_from_before(make_rig):
    calls = Calls()
    rig = make_rig({PATH: Unary(calls)})
    for stream_id in (1, 3, 5, 7):
        rig.feed(rig.call(stream_id, message(b""), (b"grpc-timeout", b"5S")))
    assert {call.deadline for call in calls.calls} == {rig.clock.now + 5}
    assert calls.calls[0].time_left == 5
    rig.clock.now += 6
    rig.connection.expire()
    assert calls.cancelled == [1, 3, 5, 7]


def test_a_deadline_while_the_request_arrives(make_rig):
    rig = make_rig({PATH: Unary(echo)})
    rig.feed(
        rig.headers(1, grpc_fields(PATH, (b"grpc-timeout", b"5S"))), pack_frame(DATA, 0, 1, message(bytes(100))[:50])
    )
    rig.clock.now += 6
    rig.connection.expire()
    assert rig.response(rig.frames(), 1).status == StatusCode.DEADLINE_EXCEEDED
    assert rig.connection.assembling == 0


def test_a_deadline_while_the_client_does_not_read(make_rig):
    rig = make_rig({PATH: Unary(echo)})
    rig.feed(pack_frame(SETTINGS, 0, 0, b"\0\4\0\0\0\0"), rig.call(1, message(b"x"), (b"grpc-timeout", b"5S")))
    rig.output()
    rig.clock.now += 6
    rig.connection.expire()
    assert reset_codes(rig.frames()) == {1: ErrorCode.CANCEL}
    assert rig.driver.deadlines == [rig.clock.now - 1]


def test_cancellation(make_rig):
    calls = Calls()
    rig = make_rig({PATH: Unary(calls)})
    for stream_id in (1, 3, 5):
        rig.feed(rig.call(stream_id, message(b"")))
        rig.feed(pack_frame(RST_STREAM, 0, stream_id, bytes((0, 0, 0, 8))))
    rig.output()
    assert calls.cancelled == [1, 3, 5]
    for call in calls.calls:
        call.reply(b"late")
        call.fail(13, "late")
    assert rig.frames() == []
    rig.feed(rig.call(7, message(b"")))
    rig.connection.lose()
    assert calls.cancelled == [1, 3, 5, 7]


def test_big_messages_are_joined_once(make_rig):
    calls = Calls()
    rig = make_rig({PATH: Unary(calls)})
    body = message(bytes(range(256)) * 4096)
    rig.feed(rig.headers(1, grpc_fields()))
    for at in range(0, len(body), 16_000):
        assert rig.connection.assembling == max(at - 5, 0)
        rig.feed(pack_frame(DATA, 0, 1, body[at : at + 16_000]))
    rig.feed(pack_frame(DATA, END_STREAM, 1))
    assert calls.messages == [body[5:]]
    assert rig.connection.assembling == rig.connection.held == 0


def test_unfinished_messages_are_bounded(make_rig):
    rig = make_rig({PATH: Unary(echo)}, max_assembly_size=10_000)
    for stream_id in (1, 3):
        rig.feed(rig.headers(stream_id, grpc_fields()), pack_frame(DATA, 0, stream_id, message(bytes(9_000))[:6_000]))
    assert rig.response(rig.frames(), 3).status == StatusCode.RESOURCE_EXHAUSTED
    assert rig.connection.assembling == 6_000 - 5


# Streaming.


class Conversation:
    """A StreamingHandler that keeps what it is told."""

    def __init__(self, call):
        self.call, self.log = call, []

    def on_message(self, payload):
        if payload == b"raise":
            raise ValueError("oops")
        self.log.append(payload)

    def on_half_close(self):
        self.log.append("half closed")

    def on_cancel(self):
        self.log.append("cancelled")


@pytest.fixture
def talk(make_rig):
    """talk(): a rig, and the conversations of its streaming method."""

    def start(**limits):
        talks = []

        def begin(call):
            talks.append(Conversation(call))
            return talks[-1]

        rig = make_rig({PATH: Streaming(begin)}, **limits)
        rig.feed(rig.headers(1, grpc_fields()))
        return rig, talks

    return start


def test_streaming_by_callbacks(talk):
    rig, (conversation,) = talk()
    rig.feed(pack_frame(DATA, 0, 1, message(b"a") + message(b"") + message(b"c")[:3]))
    rig.feed(pack_frame(DATA, END_STREAM, 1, message(b"c")[3:]))
    assert conversation.log == [b"a", b"", b"c", "half closed"]
    call = conversation.call
    call.send_initial_metadata([("a", "b")])
    call.send(b"one")
    call.send([b"tw", b"o"])
    call.finish(trailing=[("c", "d")])
    call.send(b"late")
    call.finish(13)
    answer = rig.response(rig.frames(), 1)
    assert answer.headers[b"a"] == b"b"
    assert answer.body == message(b"one") + message(b"two")
    assert answer.trailers == {b"grpc-status": b"0", b"c": b"d"}
    assert conversation.log[-1] == "half closed"


def test_a_whole_request_to_a_streaming_method(talk):
    rig, talks = talk()
    for stream_id in (3, 5, 7):
        rig.feed(rig.call(stream_id, message(b"a") + message(b"b")))
        assert talks[-1].log == [b"a", b"b", "half closed"]
    assert rig.connection.held == 0


def test_streaming_may_finish_early(talk):
    rig, (conversation,) = talk()
    conversation.call.send(b"enough")
    conversation.call.finish(StatusCode.ABORTED, "that will do")
    answer = rig.response(rig.frames(), 1)
    assert (answer.status, answer.text, answer.reset) == (10, "that will do", ErrorCode.NO_ERROR)
    rig.feed(pack_frame(DATA, END_STREAM, 1, message(b"late")))
    assert conversation.log == []


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (pack_frame(DATA, 0, 1, message(b"raise")), StatusCode.INTERNAL),
        (pack_frame(DATA, 0, 1, message(bytes(101))), StatusCode.RESOURCE_EXHAUSTED),
        (pack_frame(DATA, END_STREAM, 1, b"\0"), StatusCode.INTERNAL),
    ],
)
def test_streaming_errors(talk, data, status):
    rig, (conversation,) = talk(max_message_size=100)
    conversation.call.send(b"before")
    rig.feed(data)
    answer = rig.response(rig.frames(), 1)
    assert answer.body == message(b"before")
    assert answer.status == status
    assert conversation.log == ["cancelled"]


def test_streaming_cancellation(talk):
    rig, (conversation,) = talk()
    conversation.call.send(b"x")
    rig.feed(pack_frame(RST_STREAM, 0, 1, bytes((0, 0, 0, 8))))
    assert conversation.log == ["cancelled"]
    conversation.call.send(b"y")
    conversation.call.finish()
    assert not any(frame.kind == DATA for frame in rig.frames())


def test_a_streaming_handler_that_cannot_start(make_rig):
    def start(call):
        raise GrpcError(StatusCode.UNAVAILABLE, "not now")

    rig = make_rig({PATH: Streaming(start)})
    rig.feed(rig.headers(1, grpc_fields()))
    assert rig.response(rig.frames(), 1).status == StatusCode.UNAVAILABLE


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_streaming_by_coroutine(make_rig):
    async def double(call):
        async for payload in call:
            await call.send_async(payload * 2)

    rig = make_rig({PATH: Streaming(double)})
    rig.feed(rig.headers(1, grpc_fields()), pack_frame(DATA, 0, 1, message(b"a") + message(b"b")))
    await settle()
    rig.feed(pack_frame(DATA, END_STREAM, 1, message(b"c")))
    await settle()
    answer = rig.response(rig.frames(), 1)
    assert answer.body == message(b"aa") + message(b"bb") + message(b"cc")
    assert answer.status == 0


async def test_unread_messages_hold_the_client_back(make_rig):
    calls = []

    async def wait(call):
        calls.append(call)
        await asyncio.Event().wait()

    rig = make_rig({PATH: Streaming(wait)}, stream_window=20_000)
    rig.feed(rig.headers(1, grpc_fields()))
    await settle()
    rig.feed(*[pack_frame(DATA, 0, 1, message(bytes(995)))] * 20)
    rig.output()
    assert calls[0].held == 20_000
    for count in range(1, 11):
        await calls[0].__anext__()
        assert calls[0].held == 20_000 - 1000 * count
    assert len(rig.frames()) == 1
    rig.connection.lose()
    await settle()


async def test_a_message_larger_than_the_window_gets_in(make_rig):
    calls = []

    async def wait(call):
        calls.append(call)
        await asyncio.Event().wait()

    rig = make_rig({PATH: Streaming(wait)}, stream_window=20_000)
    rig.feed(rig.headers(1, grpc_fields()))
    await settle()
    body = message(bytes(995)) + message(bytes(50_000))
    rig.feed(pack_frame(DATA, 0, 1, body[:20_000]))
    assert calls[0].held == 20_000
    await calls[0].__anext__()
    assert calls[0].held == 0
    rig.feed(pack_frame(DATA, 0, 1, body[20_000:40_000]))
    assert calls[0].held == 0
    rig.connection.lose()
    await settle()


async def test_send_async_waits_for_the_client(make_rig):
    sent = []

    async def flood(call):
        for number in range(4):
            await call.send_async(bytes(65_535))
            sent.append(number)

    rig = make_rig({PATH: Streaming(flood)}, max_send_queue=100_000)
    rig.feed(rig.headers(1, grpc_fields(), end=True))
    await settle()
    assert sent == [0]
    for _ in range(8):
        rig.output()
        rig.feed(*(pack_frame(8, 0, stream_id, (40_000).to_bytes(4)) for stream_id in (0, 1)))
        await settle()
    assert sent == [0, 1, 2, 3]


@pytest.mark.parametrize("end", ["reset", "deadline", "loss"])
async def test_a_coroutine_is_cancelled_with_its_call(make_rig, end):
    log = []

    async def wait(call):
        try:
            await call.__anext__()
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    rig = make_rig({PATH: Streaming(wait)})
    rig.feed(rig.headers(1, grpc_fields(PATH, (b"grpc-timeout", b"5S"))))
    await settle()
    if end == "reset":
        rig.feed(pack_frame(RST_STREAM, 0, 1, bytes((0, 0, 0, 8))))
    elif end == "loss":
        rig.connection.lose()
    else:
        rig.clock.now += 6
        rig.connection.expire()
        assert rig.response(rig.frames(), 1).status == StatusCode.DEADLINE_EXCEEDED
    await settle()
    assert log == ["cancelled"]


async def test_a_coroutine_that_raises(make_rig):
    async def fail(call):
        await call.send_async(b"before")
        raise ValueError("secret")

    rig = make_rig({PATH: Streaming(fail)})
    rig.feed(rig.headers(1, grpc_fields()))
    await settle()
    answer = rig.response(rig.frames(), 1)
    assert (answer.body, answer.status) == (message(b"before"), StatusCode.INTERNAL)


def test_a_call_knows_that_it_came_alone(make_rig):
    seen = {}

    def handle(call, given):
        seen[given] = call.alone
        if given != b"waits":
            call.reply(b"done")

    rig = make_rig({b"/pkg.Service/Method": Unary(handle)})
    rig.feed(rig.call(1, message(b"nobody says how many connections there are")))
    rig.connection.siblings = [rig.connection]
    rig.feed(rig.call(3, message(b"alone")), rig.call(5, message(b"alone again")))
    rig.feed(rig.call(7, message(b"first of two")) + rig.call(9, message(b"second of two")))
    rig.feed(rig.call(11, message(b"waits")), rig.call(13, message(b"beside it")))
    rig.feed(pack_frame(RST_STREAM, 0, 11, bytes(4)), rig.call(15, message(b"when it is gone")))
    rig.connection.siblings = [rig.connection, "another"]
    rig.feed(rig.call(17, message(b"two connections")))
    assert [given for given, alone in seen.items() if alone] == [
        b"alone",
        b"alone again",
        b"second of two",
        b"waits",
        b"when it is gone",
    ]
