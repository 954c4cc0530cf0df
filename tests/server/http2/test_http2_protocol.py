"""The event loop's side, with a transport that only pretends."""

import asyncio
import struct

import pytest
from http2_rig import GET, Recorder, Rig, application, cut_frames, message

from modelport.server.http2 import Http2Protocol, Limits, Unary
from modelport.server.http2.frames import DATA, GOAWAY, PING, PREFACE, SETTINGS, pack_frame

HELLO = (
    PREFACE
    + pack_frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 30))
    + pack_frame(8, 0, 0, struct.pack(">I", 1 << 30))
)


class FakeTransport(asyncio.Transport):
    """Takes what is written. With `capacity`, it pauses its protocol whenever more than that has piled up."""

    def __init__(self, capacity=None, eof=True):
        super().__init__()
        self.writes, self.log, self.unsent, self.capacity, self.eof = [], [], 0, capacity, eof
        self.protocol = None

    def write(self, data):
        self.writes.append(bytes(data))
        self.unsent += len(data)
        if self.capacity is not None and self.unsent > self.capacity:
            self.protocol.pause_writing()

    def writelines(self, chunks):
        self.write(b"".join(chunks))

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def get_write_buffer_size(self):
        return self.unsent

    def can_write_eof(self):
        return self.eof

    def is_closing(self):
        return bool({"close", "abort"} & set(self.log))

    def pause_reading(self):
        self.log.append("pause_reading")

    def resume_reading(self):
        self.log.append("resume_reading")

    def write_eof(self):
        self.log.append("write_eof")

    def close(self):
        self.log.append("close")

    def abort(self):
        self.log.append("abort")


@pytest.fixture
def connect():
    """connect(methods, handler, transport, **limits): a protocol that has been greeted, and a client's encoder."""
    protocols = []

    def make(methods=None, handler=None, transport=None, **limits):
        protocol = Http2Protocol(application(methods, handler), Limits(**limits))
        transport = transport or FakeTransport()
        transport.protocol = protocol
        protocol.connection_made(transport)
        protocol.data_received(HELLO)
        transport.writes.clear()
        protocols.append(protocol)
        return protocol, transport, Rig(application(), Limits())

    yield make
    for protocol in protocols:
        protocol.connection_lost(None)


def echo(call, payload):
    call.reply(payload)


async def test_one_write_for_all_replies_of_a_pass(connect):
    protocol, transport, client = connect({b"/pkg.Service/Method": Unary(echo)})
    protocol.data_received(b"".join(client.call(stream_id, message(b"x")) for stream_id in range(1, 41, 2)))
    (data,) = transport.writes
    assert len(cut_frames(data)) == 60


async def test_one_write_for_all_later_replies_of_a_pass(connect):
    calls = []
    protocol, transport, client = connect({b"/pkg.Service/Method": Unary(lambda call, payload: calls.append(call))})
    protocol.data_received(b"".join(client.call(stream_id, message(b"x")) for stream_id in range(1, 41, 2)))
    assert transport.writes == []
    for call in calls:
        call.reply(b"y")
    assert transport.writes == []
    await asyncio.sleep(0)
    (data,) = transport.writes
    assert len(cut_frames(data)) == 60


async def test_backpressure_of_the_transport(connect):
    big = Recorder(lambda stream: stream.respond(200, [], [bytes(3_000_000)]))
    protocol, transport, client = connect(handler=big, transport=FakeTransport(100_000))
    protocol.data_received(client.headers(1, GET, end=True))
    rounds = 0
    while not big.requests[0].local_closed:
        assert transport.log[-1] == "pause_reading"
        assert transport.unsent < 800_000
        transport.unsent = 0
        protocol.resume_writing()
        rounds += 1
    assert rounds > 3
    assert (
        sum(len(frame.payload) for data in transport.writes for frame in cut_frames(data) if frame.kind == DATA)
        == 3_000_000
    )


async def test_large_replies_leave_the_loop_to_others(connect):
    big = Recorder(lambda stream: stream.respond(200, [], [bytes(5_000_000)]))
    protocol, transport, client = connect(handler=big)
    protocol.data_received(client.headers(1, GET, end=True))
    assert 500_000 < sum(map(len, transport.writes)) < 2_000_000
    for _ in range(10):
        await asyncio.sleep(0)
    assert sum(map(len, transport.writes)) > 5_000_000


@pytest.mark.parametrize("eof", [True, False])
async def test_shutdown_closes_when_all_is_done(connect, eof):
    recorder = Recorder()
    protocol, transport, client = connect(handler=recorder, transport=FakeTransport(eof=eof))
    protocol.data_received(client.headers(1, GET, end=True))
    protocol.shutdown()
    _, ping = cut_frames(transport.writes[-1])
    protocol.data_received(pack_frame(PING, 1, 0, ping.payload))
    assert transport.log == []
    recorder.requests[0].respond(200, [], [b"last"])
    await asyncio.sleep(0)
    assert cut_frames(transport.writes[-1])[-1].payload == b"last"
    assert transport.log == ["write_eof" if eof else "close"]
    protocol.data_received(b"late")
    protocol.shutdown()
    assert len(transport.log) == 1


async def test_a_closing_transport_may_finish_sending(connect):
    protocol, transport, _ = connect(close_timeout=0.01)
    transport.unsent = 30
    protocol.abort()
    assert cut_frames(transport.writes[-1])[-1].kind == GOAWAY
    for left in (20, 10, 0):
        await asyncio.sleep(0.001)
        assert "abort" not in transport.log
        transport.unsent = left
    await wait_for_abort(transport)


async def wait_for_abort(transport):
    for _ in range(1000):
        if "abort" in transport.log:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("the transport was not aborted")


async def test_an_error_closes(connect):
    protocol, transport, _ = connect()
    protocol.data_received(pack_frame(DATA, 0, 0, b"x"))
    assert cut_frames(transport.writes[-1])[-1].kind == GOAWAY
    assert transport.log == ["write_eof"]


async def test_deadline_timer(connect):
    cancelled = asyncio.Event()

    def never(call, payload):
        call.on_cancel = cancelled.set

    protocol, transport, client = connect({b"/pkg.Service/Method": Unary(never)})
    protocol.data_received(client.call(1, message(b""), (b"grpc-timeout", b"100S")))
    protocol.data_received(client.call(3, message(b""), (b"grpc-timeout", b"20m")))
    await asyncio.wait_for(cancelled.wait(), 10)
    await asyncio.sleep(0)
    assert b"grpc-status" in transport.writes[-1]
    assert list(protocol.connection.streams) == [1]


async def test_bookkeeping():
    opened, closed = [], []
    protocol = Http2Protocol(application(), on_open=opened.append, on_close=closed.append)
    protocol.connection_made(FakeTransport())
    assert (opened, closed) == ([protocol], [])
    protocol.connection_lost(None)
    assert closed == [protocol]
    assert protocol.connection.closed
