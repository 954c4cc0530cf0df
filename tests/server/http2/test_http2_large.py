"""Large bodies: many DATA frames that differ in nothing but their bytes; messages that are put together in place."""

import os
import random
import weakref

import numpy as np
import pytest
from http2_rig import POST, Recorder, goaway, grpc_fields, message, reset_codes

from modelport.native import collect
from modelport.server.http2 import Unary, sending
from modelport.server.http2.connection import Connection
from modelport.server.http2.frames import DATA, END_STREAM, PING, RST_STREAM, ErrorCode, pack_frame
from modelport.server.http2.grpc_messages import MessageReader

PATH = b"/pkg.Service/Method"


@pytest.fixture(autouse=True, params=["extension", "python"])
def way(request, monkeypatch):
    """The extension, where it is built, takes the frames of large messages and cuts large answers; or Python does."""
    if request.param == "python":
        monkeypatch.setattr(Connection, "fills", False)
        monkeypatch.setattr(sending, "collect", None)
    elif collect is None:
        pytest.skip("the extension is not built: it takes a C compiler")
    return request.param


def address(view):
    return np.frombuffer(view, np.uint8).ctypes.data


def data_frames(stream_id, body, size=16_384, end="alone"):
    """With END_STREAM in a frame of its own, in the last one that has bytes, or nowhere."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    if end == "alone":
        parts.append(b"")
    flags = [0] * (len(parts) - 1) + [END_STREAM if end else 0]
    return [pack_frame(DATA, flag, stream_id, part) for flag, part in zip(flags, parts, strict=True)]


def asking(place):
    """A method that keeps the messages it gets."""
    seen = []

    def handle(call, given):
        seen.append(given)
        call.reply(b"done")

    return {PATH: Unary(handle, place)}, seen


@pytest.mark.parametrize("place", [None, lambda beginning: 7])
@pytest.mark.parametrize("cut", [1, 1000, 16_393, 50_000, 262_144, 10_000_000])
@pytest.mark.parametrize("end", ["alone", "with bytes"])
def test_a_large_message_however_it_is_cut(make_rig, place, cut, end):
    methods, seen = asking(place)
    rig = make_rig(methods, stream_window=1 << 22)
    body = os.urandom(700_001)
    stream = rig.headers(1, grpc_fields()) + b"".join(data_frames(1, message(body), end=end))
    for at in range(0, len(stream), cut):
        rig.feed(stream[at : at + cut])
    assert bytes(seen[0]) == body
    if place is not None and cut < len(stream):
        assert (type(seen[0]), (address(seen[0]) + 7) % 64) == (memoryview, 0)
    assert rig.response(rig.frames(), 1).status == 0
    assert (rig.connection.assembling, rig.connection.held) == (0, 0)


def test_two_large_messages_whose_frames_mix(make_rig):
    methods, seen = asking(lambda beginning: 0)
    rig = make_rig(methods, stream_window=1 << 22)
    bodies = {1: os.urandom(500_000), 3: os.urandom(400_000)}
    queues = {number: data_frames(number, message(body)) for number, body in bodies.items()}
    out = [rig.headers(number, grpc_fields()) for number in bodies]
    order = random.Random(1)
    while any(queues.values()):
        number = order.choice([number for number, frames in queues.items() if frames])
        count = order.randint(1, 6)
        out += queues[number][:count]
        del queues[number][:count]
        out.append(pack_frame(PING, 0, 0, b"12345678"))
    stream = b"".join(out)
    for at in range(0, len(stream), 100_000):
        rig.feed(stream[at : at + 100_000])
    assert sorted(map(bytes, seen)) == sorted(bodies.values())


def test_a_window_is_exceeded_in_the_midst_of_a_run(make_rig):
    methods, seen = asking(lambda beginning: 0)
    rig = make_rig(methods, stream_window=100_000)
    frames = data_frames(1, message(bytes(300_000)))
    rig.feed(rig.headers(1, grpc_fields()) + b"".join(frames))
    assert reset_codes(rig.frames()) == {1: ErrorCode.FLOW_CONTROL_ERROR}
    assert seen == []
    assert rig.connection.streams == {}
    assert (rig.connection.assembling, rig.connection.held) == (0, 0)


def test_a_body_longer_than_its_content_length(make_rig):
    rig = make_rig(handler=Recorder(), stream_window=1 << 22)
    fields = [*POST, (b"content-length", b"50000")]
    rig.feed(rig.headers(1, fields) + b"".join(data_frames(1, bytes(200_000))))
    assert reset_codes(rig.frames()) == {1: ErrorCode.PROTOCOL_ERROR}


def test_frames_of_a_stream_that_was_reset_are_ignored(make_rig):
    methods, seen = asking(lambda beginning: 0)
    rig = make_rig(methods, stream_window=1 << 22)
    frames = data_frames(1, message(bytes(300_000)), end=None)
    rig.feed(rig.headers(1, grpc_fields()) + b"".join(frames))
    rig.feed(pack_frame(RST_STREAM, 0, 1, bytes(4)))
    assert (seen, rig.connection.assembling, rig.connection.held) == ([], 0, 0)
    rig.feed(rig.call(3, message(b"small")))
    assert seen == [b"small"]


def test_a_cancelled_large_message_leaves_nothing(make_rig):
    methods, _ = asking(lambda beginning: 0)
    rig = make_rig(methods, stream_window=1 << 22, max_assembly_size=200_000)
    rig.feed(rig.headers(1, grpc_fields()) + b"".join(data_frames(1, message(bytes(900_000)), end=None)))
    assert rig.response(rig.frames(), 1).status == 8
    assert (rig.connection.assembling, rig.connection.held) == (0, 0)


def test_an_announced_size_takes_no_memory():
    reader = MessageReader(None, 1 << 30, lambda beginning: 0)
    before = resident()
    reader.feed(b"\0" + (1 << 29).to_bytes(4, "big") + b"x")
    reader.feed(bytes(1_000_000))
    assert resident() - before < 5_000_000


@pytest.mark.parametrize("seed", range(30))
def test_any_cut_and_anything_between(make_rig, seed):
    order = random.Random(seed)
    methods, seen = asking(lambda beginning: 3)
    rig = make_rig(methods, stream_window=1 << 20)
    body = order.randbytes(order.randint(140_000, 900_000))
    end = order.choice(["alone", "with bytes"])
    frames = data_frames(1, message(body), order.choice([5000, 16_384, 60_000]), end)
    others = [
        pack_frame(PING, 0, 0, b"12345678"),
        pack_frame(8, 0, 1, bytes((0, 0, 0, 9))),
        pack_frame(2, 0, 1, bytes(5)),
    ]
    for _ in range(order.choice([0, 1, 6])):
        frames.insert(order.randint(1, len(frames) - 1), order.choice(others))
    stream = rig.headers(1, grpc_fields()) + b"".join(frames)
    at = 0
    while at < len(stream):
        size = order.choice([1, 9, 4000, 16_393, 16_400, 120_000, 262_144])
        rig.feed(stream[at : at + size])
        at += size
    assert [bytes(given) for given in seen] == [body]
    assert rig.response(rig.frames(), 1).status == 0
    connection = rig.connection
    assert (connection.assembling, connection.held, connection.filling, connection.streams) == (0, 0, None, {})


@pytest.mark.parametrize("left", [1, 9, 5000])
def test_a_call_that_ends_within_a_frame_leaves_the_others_alone(make_rig, left):
    """By its deadline; what was under way of the frame is thrown away, and counted."""
    methods, seen = asking(lambda beginning: 0)
    rig = make_rig(methods, stream_window=1 << 22)
    frames = data_frames(1, message(bytes(600_000)), end=None)
    stream = b"".join(frames[:30])
    rig.feed(rig.headers(1, grpc_fields(PATH, (b"grpc-timeout", b"1S"))), stream[:200_000], stream[200_000:-left])
    rig.clock.now += 2
    rig.connection.expire()
    assert rig.response(rig.frames(), 1).status == 4
    rig.feed(stream[-left:], frames[30], rig.call(3, message(b"small")))
    assert seen == [b"small"]
    assert rig.connection.recv_used == len(stream) - 30 * 9 + 16_384 + len(message(b"small"))


def test_a_window_is_exceeded_by_what_the_extension_took(make_rig):
    methods, seen = asking(lambda beginning: 0)
    rig = make_rig(methods, stream_window=200_000, connection_window=65_535)
    frames = data_frames(1, message(bytes(600_000)))
    rig.feed(rig.headers(1, grpc_fields()) + frames[0])
    rig.feed(b"".join(frames[1:]))
    assert seen == []
    assert goaway(rig.frames())[0] == ErrorCode.FLOW_CONTROL_ERROR


@pytest.mark.parametrize("more", [b"x", b"x" * 20_000])
@pytest.mark.parametrize("end", ["alone", "with bytes"])
def test_a_stream_that_goes_on_behind_its_message(make_rig, more, end):
    methods, seen = asking(lambda beginning: 0)
    rig = make_rig(methods, stream_window=1 << 22)
    frames = data_frames(1, message(bytes(300_000)) + more, end=end)
    rig.feed(
        rig.headers(1, grpc_fields()) + b"".join(frames[:10]), b"".join(frames[10:]), rig.call(3, message(b"next"))
    )
    assert seen == [b"next"]
    assert rig.connection.assembling == 0


def test_a_stream_that_ends_within_its_message(make_rig):
    methods, seen = asking(lambda beginning: 0)
    rig = make_rig(methods, stream_window=1 << 22)
    frames = data_frames(1, message(bytes(300_000))[:-1], end="with bytes")
    rig.feed(
        rig.headers(1, grpc_fields()) + b"".join(frames[:10]), b"".join(frames[10:]), rig.call(3, message(b"next"))
    )
    assert rig.response(rig.frames(), 1).status == 13
    assert seen == [b"next"]


@pytest.mark.parametrize("end", ["alone", "with bytes"])
@pytest.mark.parametrize("length", [299_999, 300_004, 300_006])
def test_a_large_message_and_its_content_length(make_rig, length, end):
    methods, seen = asking(lambda beginning: 0)
    rig = make_rig(methods, stream_window=1 << 22)
    fields = [*grpc_fields(), (b"content-length", b"%d" % length)]
    frames = data_frames(1, message(bytes(300_000)), end=end)
    rig.feed(rig.headers(1, fields) + b"".join(frames[:10]), b"".join(frames[10:]), rig.call(3, message(b"next")))
    assert reset_codes(rig.frames()) == {1: ErrorCode.PROTOCOL_ERROR}
    assert seen == [b"next"]


@pytest.mark.parametrize("cut", range(1, 10))
def test_a_frame_begins_where_a_message_is_given_up(make_rig, cut):
    """Too much for the connection's unfinished messages; of the next frame's head, the beginning has come already."""
    methods, seen = asking(lambda beginning: 0)
    rig = make_rig(methods, stream_window=1 << 22, max_assembly_size=200_000)
    frames = data_frames(1, message(bytes(300_000)), end=None)
    stream = rig.headers(1, grpc_fields()) + b"".join(frames[:16])
    rig.feed(stream + frames[16][:cut], frames[16][cut:] + rig.call(3, message(b"next")))
    assert seen == [b"next"]


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.parametrize("size", [16_384, 16_385, 100_000, 1_000_000])
@pytest.mark.parametrize("frame", [16_384, 50_000])
def test_large_answers_are_cut_into_frames(make_rig, size, frame):
    answer = os.urandom(size)
    rig = make_rig({PATH: Unary(lambda call, given: call.reply([answer[:100], memoryview(answer)[100:]]))})
    rig.feed(pack_frame(4, 0, 0, b"\0\5" + frame.to_bytes(4, "big") + b"\0\4" + (1 << 30).to_bytes(4, "big")))
    rig.feed(pack_frame(8, 0, 0, (1 << 30).to_bytes(4, "big")), rig.call(1, message(b"please")))
    frames = rig.frames()
    assert max(len(item.payload) for item in frames) <= frame
    assert b"".join(item.payload for item in frames if item.kind == DATA) == message(answer)
    assert rig.response(frames, 1).status == 0


@pytest.mark.parametrize("seed", range(20))
def test_answers_are_cut_as_the_windows_allow(make_rig, seed):
    order = random.Random(seed)
    sizes = [order.choice([0, 1, 5, 9000, 16_384, 40_000, 300_000]) for _ in range(order.randint(1, 6))]
    pieces = [order.choice([bytes, memoryview])(order.randbytes(size)) for size in sizes]
    rig = make_rig({PATH: Unary(lambda call, given: call.reply(pieces))})
    frame, window = order.choice([16_384, 20_000]), order.choice([10, 70_000, 1 << 30])
    rig.feed(pack_frame(4, 0, 0, b"\0\5" + frame.to_bytes(4, "big") + b"\0\4" + window.to_bytes(4, "big")))
    rig.feed(pack_frame(8, 0, 0, (1 << 30).to_bytes(4, "big")), rig.call(1, message(b"please")))
    frames = rig.frames()
    sent = sum(len(item.payload) for item in frames if item.kind == DATA)
    wanted = message(b"".join(pieces))
    assert sent == min(window, len(wanted))
    if sent < len(wanted):
        rig.feed(pack_frame(8, 0, 1, (1 << 30).to_bytes(4, "big")))
        frames += rig.frames()
    assert max(len(item.payload) for item in frames) <= frame
    assert b"".join(item.payload for item in frames if item.kind == DATA) == wanted
    assert rig.response(frames, 1).status == 0
    assert rig.connection.streams == {}


def test_the_end_of_a_body_is_in_its_last_frame(make_rig):
    body = os.urandom(100_000)
    rig = make_rig(handler=Recorder(lambda stream: stream.respond(200, [], [body])), stream_window=1 << 22)
    rig.feed(
        pack_frame(4, 0, 0, b"\0\4" + (1 << 30).to_bytes(4, "big")), pack_frame(8, 0, 0, (1 << 30).to_bytes(4, "big"))
    )
    rig.feed(rig.headers(1, POST, end=True))
    frames = [item for item in rig.frames() if item.kind == DATA]
    assert b"".join(item.payload for item in frames) == body
    assert [item.flags for item in frames] == [0] * 6 + [END_STREAM]


def test_the_extension_says_what_it_cannot_cut():
    if collect is None:
        pytest.skip("the extension is not built: it takes a C compiler")
    with pytest.raises(TypeError, match="bytes or memoryviews"):
        collect.data_frames([bytearray(5)], 10, 10, 1, False)
    for size in (0, 1 << 24):
        with pytest.raises(ValueError, match="between 1 and"):
            collect.data_frames([b"x"], size, 10, 1, False)
    assert collect.data_frames([], 10, 10, 1, True) == ([], 0, 0, 0)


@pytest.mark.parametrize("size", [100, 30_000, 300_000])
@pytest.mark.parametrize("cut", [11, 20_000, 250_000])
def test_nothing_is_kept_of_a_call_that_is_over(make_rig, size, cut):
    calls = []

    def handle(call, given):
        calls.append(weakref.ref(call))
        call.reply(b"done")

    rig = make_rig({PATH: Unary(handle, lambda beginning: 0)}, stream_window=1 << 22)
    stream = rig.headers(1, grpc_fields()) + b"".join(data_frames(1, message(bytes(size)), end="with bytes"))
    rig.feed(stream[:-cut], stream[-cut:])
    assert rig.response(rig.frames(), 1).status == 0
    assert [call() for call in calls] == [None]
