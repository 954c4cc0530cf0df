"""Flow control both ways, drains, floods and everything that time decides."""

import struct

import pytest
from http2_rig import GET, POST, Recorder, goaway, message, reset_codes

from modelport.server.http2 import Unary
from modelport.server.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MAX_STREAM_ID,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ErrorCode,
    pack_frame,
)
from modelport.server.http2.liveness import Liveness

CALM = ErrorCode.ENHANCE_YOUR_CALM
ECHO = {b"/pkg.Service/Method": Unary(lambda call, message: call.reply(message))}


def settings(**values):
    keys = {"table": 1, "window": 4, "frame": 5}
    return pack_frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", keys[key], value) for key, value in values.items()))


def update(stream_id, increment):
    return pack_frame(WINDOW_UPDATE, 0, stream_id, struct.pack(">I", increment))


def body_of(rig, stream_id=1):
    return b"".join(f.payload for f in rig.frames() if f.kind == DATA and f.stream_id == stream_id)


def answer_with(size):
    return Recorder(lambda stream: stream.respond(200, [], [bytes(range(256)) * (size // 256)]))


# Sending.


def test_sends_as_the_stream_window_allows(make_rig):
    rig = make_rig(handler=answer_with(2560))
    rig.feed(settings(window=1000), rig.headers(1, GET, end=True))
    assert len(body_of(rig)) == 1000
    rig.feed(update(1, 10))
    assert len(body_of(rig)) == 10
    rig.feed(settings(window=500))  # now the window is -500
    rig.feed(update(1, 500))
    assert body_of(rig) == b""
    rig.feed(settings(window=600))
    assert len(body_of(rig)) == 100
    rig.feed(update(1, 100_000))
    frames = rig.frames()
    assert sum(len(frame.payload) for frame in frames) == 1450
    assert frames[-1].flags == END_STREAM
    assert rig.connection.streams == rig.connection.backlog == {}


def test_sends_as_the_connection_window_allows(make_rig):
    rig = make_rig(handler=answer_with(65_536))
    rig.feed(settings(window=1 << 20), rig.headers(1, GET, end=True), rig.headers(3, GET, end=True))
    frames = rig.frames()
    assert sum(len(frame.payload) for frame in frames if frame.kind == DATA) == 65_535
    rig.feed(update(0, 65_536))
    frames = rig.frames()
    assert sum(len(frame.payload) for frame in frames) == 65_536
    assert [frame.stream_id for frame in frames if frame.flags & END_STREAM] == [1]
    rig.feed(update(0, 1))
    assert [frame.stream_id for frame in rig.frames() if frame.flags & END_STREAM] == [3]


def test_streams_take_turns(make_rig):
    rig = make_rig(handler=answer_with(1 << 20))
    rig.feed(settings(window=1 << 30), update(0, 1 << 30))
    rig.feed(*(rig.headers(stream_id, GET, end=True) for stream_id in (1, 3)))
    order = [frame.stream_id for frame in rig.frames() if frame.kind == DATA]
    assert set(order[:9]) == {1, 3}


def test_settings_must_not_overflow_a_streams_window(make_rig):
    rig = make_rig()
    rig.feed(rig.headers(1, POST), update(1, MAX_STREAM_ID - 65_535), settings(window=65_535))
    assert not rig.connection.closed
    rig.feed(settings(window=65_536))
    assert goaway(rig.frames())[0] == ErrorCode.FLOW_CONTROL_ERROR


def test_streams_that_are_reset_leave_the_line(make_rig):
    rig = make_rig(handler=answer_with(1 << 20))
    rig.feed(settings(window=1 << 30), *(rig.headers(stream_id, GET, end=True) for stream_id in (1, 3, 5)))
    rig.output()
    connection = rig.connection
    assert len(connection.starved) == 3
    rig.feed(*(pack_frame(RST_STREAM, 0, stream_id, bytes(4)) for stream_id in (1, 3)))
    rig.feed(update(0, 100), pack_frame(RST_STREAM, 0, 5, bytes(4)))
    assert not connection.starved
    assert not connection.ready
    assert not connection.backlog


def test_frames_keep_to_the_peers_size(make_rig):
    rig = make_rig(handler=answer_with(51_200))
    rig.feed(settings(frame=20_000), rig.headers(1, GET, end=True))
    assert [len(frame.payload) for frame in rig.frames() if frame.kind == DATA] == [20_000, 20_000, 11_200]


def test_long_header_blocks_are_continued(make_rig):
    rig = make_rig(handler=Recorder(lambda stream: stream.respond(200, [(b"long", b"x" * 40_000)])))
    rig.feed(rig.headers(1, GET, end=True))
    head, more, last = [frame for frame in rig.frames() if frame.stream_id == 1]
    assert (head.kind, head.flags) == (HEADERS, END_STREAM)
    assert (more.kind, more.flags, last.kind, last.flags) == (CONTINUATION, 0, CONTINUATION, END_HEADERS)
    fields = rig.decode(head.payload + more.payload + last.payload)
    assert fields[-1] == (b"long", b"x" * 40_000)


def test_tells_a_smaller_header_table_once(make_rig):
    rig = make_rig(ECHO)
    rig.feed(settings(table=0), rig.call(1, message(b"a")), rig.call(3, message(b"b")))
    blocks = [frame.payload for frame in rig.frames() if frame.kind == HEADERS]
    assert [block[:1] == b"\x20" for block in blocks] == [True, False, False, False]


def test_small_replies_wait_for_the_window_too(make_rig):
    rig = make_rig(ECHO)
    rig.feed(settings(window=8), rig.call(1, message(b"hello")))
    frames = rig.frames()
    assert b"".join(frame.payload for frame in frames if frame.kind == DATA) == message(b"hello")[:8]
    rig.feed(update(1, 2))
    frames = rig.frames()
    assert [frame.kind for frame in frames] == [DATA, HEADERS]
    assert frames[1].flags == END_HEADERS | END_STREAM


def test_nothing_is_taken_from_queues_while_paused(make_rig):
    rig = make_rig(ECHO, answer_with(2560))
    rig.connection.set_paused(True)
    rig.feed(rig.headers(1, GET, end=True), rig.call(3, message(b"hello")))
    assert [frame.kind for frame in rig.frames() if frame.stream_id] == [HEADERS, HEADERS]
    rig.connection.set_paused(False)
    assert len(body_of(rig)) == 2560


def test_tells_when_the_queue_is_low(make_rig):
    recorder = Recorder(lambda stream: stream.respond(200, [], None))
    rig = make_rig(handler=recorder, max_send_queue=10_000)
    rig.feed(rig.headers(1, GET, end=True))
    stream = recorder.requests[0]
    stream.write(bytes(80_000))
    rig.output()
    assert stream.queued == 80_000 - 65_535
    assert recorder.writable == []
    rig.feed(update(0, 100_000), update(1, 100_000))
    rig.output()
    assert recorder.writable == [1]
    stream.end()
    assert [frame.flags for frame in rig.frames()] == [END_STREAM]


def test_an_early_answer_frees_the_stream(make_rig):
    class Early(Recorder):
        def on_request(self, stream, headers):
            super().on_request(stream, headers)
            stream.respond(200, [], [b"enough"])

    rig = make_rig(handler=Early())
    rig.feed(rig.headers(1, POST))
    rig.feed(pack_frame(DATA, 0, 1, b"x" * 100))
    response = rig.response(rig.frames(), 1)
    assert (response.body, response.reset) == (b"enough", ErrorCode.NO_ERROR)
    rig.feed(pack_frame(DATA, 0, 1, b"x" * 100), rig.headers(1, [(b"a", b"b")], end=True))
    assert rig.frames() == []
    assert rig.connection.held == 0


def test_wakes_the_driver_only_outside_of_receive(make_rig):
    recorder = Recorder()
    rig = make_rig(ECHO, recorder)
    rig.output()
    before = rig.driver.wakes
    rig.feed(rig.call(1, message(b"a")), rig.headers(3, GET, end=True))
    assert rig.driver.wakes == before
    recorder.requests[0].respond(200, [])
    assert rig.driver.wakes > before


# Receiving.


def test_windows_are_replenished_as_data_is_consumed(make_rig):
    recorder = Recorder(consume=False)
    rig = make_rig(handler=recorder, stream_window=20_000, connection_window=100_000)
    rig.feed(rig.headers(1, POST), pack_frame(DATA, 0, 1, bytes(15_000)))
    rig.output()
    stream = recorder.requests[0]
    stream.consume(9_000)
    assert rig.frames() == []
    stream.consume(1_000)
    (frame,) = rig.frames()
    assert (frame.kind, frame.stream_id, frame.payload) == (WINDOW_UPDATE, 1, struct.pack(">I", 10_000))
    stream.consume(10**9)  # more than was received does no harm
    assert rig.connection.held == 0


def test_the_connection_window_is_replenished(make_rig):
    rig = make_rig(ECHO, connection_window=100_000)
    rig.output()
    for stream_id in range(1, 11, 2):
        rig.feed(rig.call(stream_id, message(bytes(11_000))))
    updates = [frame for frame in rig.frames() if frame.kind == WINDOW_UPDATE]
    assert [(frame.stream_id, int.from_bytes(frame.payload)) for frame in updates] == [(0, 55_025)]


def test_windows_are_enforced(make_rig):
    recorder = Recorder(consume=False)
    rig = make_rig(handler=recorder, stream_window=20_000, connection_window=70_000)
    rig.feed(*(rig.headers(stream_id, POST) for stream_id in (1, 3, 5, 7, 9)))
    for stream_id in (1, 3, 5):
        rig.feed(pack_frame(DATA, 0, stream_id, bytes(20_000)))
    rig.feed(pack_frame(DATA, 0, 1, b"x"))
    assert reset_codes(rig.frames()) == {1: ErrorCode.FLOW_CONTROL_ERROR}
    # Stream 1 is gone, and what it held has been given back, but its window update is not due yet.
    rig.feed(pack_frame(DATA, 0, 7, bytes(20_000)), pack_frame(DATA, 0, 9, bytes(20_000)))
    assert goaway(rig.frames())[0] == ErrorCode.FLOW_CONTROL_ERROR


def test_windows_are_enforced_for_whole_requests(make_rig):
    rig = make_rig(ECHO, stream_window=100)
    for stream_id in (1, 3):
        rig.feed(rig.call(stream_id, message(bytes(96))))
        assert reset_codes(rig.frames())[stream_id] == ErrorCode.FLOW_CONTROL_ERROR


def test_small_replies_share_the_connection_window(make_rig):
    rig = make_rig(ECHO, max_frame_size=20_000)
    for stream_id in range(1, 17, 2):
        rig.feed(rig.call(stream_id, message(bytes(15_000))))
    frames = [frame for frame in rig.frames() if frame.kind == DATA]
    assert sum(len(frame.payload) for frame in frames) == 65_535
    rig.feed(update(0, 100_000))
    frames += [frame for frame in rig.frames() if frame.kind == DATA]
    assert sum(len(frame.payload) for frame in frames) == 8 * 15_005


def test_no_window_updates_for_complete_requests(make_rig):
    recorder = Recorder(consume=False)
    rig = make_rig(handler=recorder, stream_window=20_000)
    rig.feed(rig.headers(1, POST), pack_frame(DATA, END_STREAM, 1, bytes(15_000)))
    rig.output()
    recorder.requests[0].consume(15_000)
    assert rig.frames() == []


def test_padding_and_unread_bodies_are_given_back(make_rig):
    recorder = Recorder(consume=False)
    rig = make_rig(handler=recorder)
    rig.feed(rig.headers(1, POST), pack_frame(DATA, 8, 1, b"\x10" + bytes(100 + 16)))
    assert recorder.requests[0].held == 100
    rig.feed(pack_frame(RST_STREAM, 0, 1, struct.pack(">I", 8)))
    assert rig.connection.held == 0
    assert recorder.cancelled == [1]


def test_data_frames_are_handled_as_they_arrive(make_rig):
    recorder = Recorder()
    rig = make_rig(handler=recorder)
    frame = pack_frame(DATA, END_STREAM, 1, b"0123456789")
    rig.feed(rig.headers(1, POST), frame[:12])
    assert recorder.bodies[1] == b"012"
    rig.feed(frame[12:15], frame[15:] + rig.headers(3, GET, end=True))
    assert recorder.bodies[1] == b"0123456789"
    assert recorder.ended == [1, 3]


# Draining.


def test_drains_in_two_steps(make_rig):
    recorder = Recorder()
    rig = make_rig(handler=recorder)
    rig.feed(rig.headers(1, GET, end=True))
    rig.output()
    rig.connection.drain()
    rig.connection.drain()
    announcement, ping = rig.frames()
    assert announcement.payload == struct.pack(">II", MAX_STREAM_ID, 0)
    rig.feed(rig.headers(3, GET, end=True))  # was under way
    rig.feed(pack_frame(PING, ACK, 0, ping.payload))
    (final,) = rig.frames()
    assert (final.kind, final.payload) == (GOAWAY, struct.pack(">II", 3, 0))
    rig.feed(rig.headers(5, POST), pack_frame(DATA, 0, 5, b"ignored"), update(5, 1))
    assert [stream.id for stream in recorder.requests] == [1, 3]
    assert rig.frames() == []
    for stream in recorder.requests:
        assert not rig.connection.finished
        stream.respond(200, [])
    assert rig.connection.finished


def test_drain_does_not_wait_for_ever(make_rig):
    rig = make_rig(drain_timeout=2)
    liveness = Liveness(rig.connection)
    rig.connection.drain()
    rig.clock.now += 3
    liveness.look(0)
    assert rig.connection.finished


def test_drain_before_the_handshake(make_rig):
    rig = make_rig(greet=False)
    rig.connection.drain()
    assert rig.connection.finished


# Floods: `bound` events are fine, one more is not; after the window counting starts again.


def resets(rig, count, first=1):
    return [
        part
        for stream_id in range(first, first + 2 * count, 2)
        for part in (rig.headers(stream_id, POST), pack_frame(RST_STREAM, 0, stream_id, struct.pack(">I", 8)))
    ]


FLOODS = {
    "resets": ("max_resets", resets),
    "faulty requests": ("max_resets", lambda rig, count: [rig.headers(2 * n + 1, GET[1:]) for n in range(count)]),
    "settings": ("max_control_frames", lambda rig, count: [pack_frame(SETTINGS, ACK, 0)] * count),
    "priorities": ("max_control_frames", lambda rig, count: [pack_frame(PRIORITY, 0, 1, bytes(5))] * count),
    "unknown frames": ("max_control_frames", lambda rig, count: [pack_frame(99, 0, 0)] * count),
    "pings": ("max_pings", lambda rig, count: [pack_frame(PING, 0, 0, bytes(8))] * count),
    "window updates": ("max_window_updates", lambda rig, count: [update(0, 1)] * count),
}


@pytest.mark.parametrize(("bound", "flood"), FLOODS.values(), ids=FLOODS)
def test_floods_end_the_connection(make_rig, bound, flood):
    rig = make_rig(**{bound: 50})
    for part in flood(rig, 49):  # SETTINGS of the greeting counts, too
        rig.feed(part)
        rig.output()
    assert not rig.connection.closed
    rig = make_rig(**{bound: 50})
    rig.feed(*flood(rig, 52))
    code, text = goaway(rig.frames())
    assert code == CALM
    assert text == "too_many_pings" if bound == "max_pings" else text


def test_empty_data_frames_are_a_flood(make_rig):
    rig = make_rig(max_control_frames=50)
    rig.feed(rig.headers(1, POST), pack_frame(DATA, 0, 1) * 60)
    assert goaway(rig.frames())[0] == CALM


def test_slow_events_are_no_flood(make_rig):
    rig = make_rig(max_pings=50, flood_window=10)
    for _ in range(200):
        rig.clock.now += 0.25
        rig.feed(pack_frame(PING, 0, 0, bytes(8)))
        rig.output()
    assert not rig.connection.closed


def test_resets_may_keep_pace_with_work(make_rig):
    """One cancelled call for four completed ones is a busy client, not an attack."""
    rig = make_rig(ECHO, max_resets=50)
    stream_id = 1
    for _ in range(500):
        rig.feed(*resets(rig, 1, stream_id), *(rig.call(stream_id + 2 * n, message(b"")) for n in (1, 2, 3, 4)))
        stream_id += 10
        rig.output()
    assert not rig.connection.closed


def test_failing_handlers_are_no_flood(make_rig, caplog):
    def fail(stream):
        raise RuntimeError("oops")

    rig = make_rig(handler=Recorder(fail), max_resets=10)
    for stream_id in range(1, 101, 2):
        rig.feed(rig.headers(stream_id, GET, end=True))
    assert len(reset_codes(rig.frames())) == 50
    assert not rig.connection.closed


def test_unread_answers_are_bounded(make_rig):
    rig = make_rig(max_queued_control_frames=50, max_pings=10_000)
    rig.connection.set_paused(True)
    for _ in range(60):
        rig.feed(pack_frame(PING, 0, 0, bytes(8)))
        rig.output()
    assert rig.connection.closed


def test_refused_streams_count_once_the_client_knows_the_limit(make_rig):
    for acknowledge, closed in ((False, False), (True, True)):
        rig = make_rig(max_concurrent_streams=1, max_resets=50)
        if acknowledge:
            rig.feed(pack_frame(SETTINGS, ACK, 0))
        rig.feed(*(rig.headers(stream_id, GET, end=True) for stream_id in range(1, 151, 2)))
        assert rig.connection.closed is closed


# Time.


def test_handshake_timeout(make_rig):
    rig = make_rig(greet=False, handshake_timeout=5)
    liveness = Liveness(rig.connection)
    rig.clock.now += 4
    liveness.look(0)
    assert not rig.connection.closed
    rig.clock.now += 2
    liveness.look(0)
    assert goaway(rig.frames()) == (ErrorCode.SETTINGS_TIMEOUT, "handshake timeout")


def test_idle_timeout(make_rig):
    recorder = Recorder()
    rig = make_rig(handler=recorder, idle_timeout=100, keepalive_interval=0)
    liveness = Liveness(rig.connection)
    rig.feed(rig.headers(1, GET, end=True))
    rig.clock.now += 200
    liveness.look(0)
    recorder.requests[0].respond(200, [])
    rig.clock.now += 90
    liveness.look(0)
    assert not rig.connection.draining
    rig.clock.now += 20
    liveness.look(0)
    assert rig.connection.draining


def test_keepalive(make_rig):
    rig = make_rig(keepalive_interval=10, keepalive_timeout=5, idle_timeout=0)
    liveness = Liveness(rig.connection)
    liveness.look(0)
    rig.output()
    for _ in range(3):
        rig.clock.now += 11
        liveness.look(0)
        (ping,) = rig.frames()
        assert (ping.kind, ping.flags) == (PING, 0)
        rig.feed(pack_frame(PING, ACK, 0, ping.payload))
        liveness.look(0)
    rig.clock.now += 11
    liveness.look(0)
    rig.output()
    rig.clock.now += 6
    liveness.look(0)
    assert goaway(rig.frames()) == (ErrorCode.NO_ERROR, "keepalive timeout")


def test_a_stream_that_accepts_nothing_is_reset(make_rig):
    recorder = answer_with(2560)
    rig = make_rig(handler=recorder, stall_timeout=10)
    liveness = Liveness(rig.connection)
    rig.feed(settings(window=100), *(rig.headers(stream_id, GET, end=True) for stream_id in (1, 3)))
    frames = []
    for _ in range(8):
        frames += rig.frames()
        liveness.look(0)
        rig.clock.now += 3
        rig.feed(update(3, 1))
    assert reset_codes(frames) == {1: ErrorCode.CANCEL}
    assert recorder.cancelled == [1]


def test_a_connection_that_accepts_nothing_is_closed(make_rig):
    rig = make_rig(stall_timeout=10, keepalive_interval=1)
    liveness = Liveness(rig.connection)
    rig.connection.set_paused(True)
    for unsent in (900, 900, 900, 500, 500, 500):
        liveness.look(unsent)
        assert not rig.connection.closed
        rig.clock.now += 4
    liveness.look(500)
    assert goaway(rig.frames())[0] == CALM
