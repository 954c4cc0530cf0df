"""Where large messages come, a transport of uvloop reads into one buffer; here one that pretends to be such."""

import os
import random

import pytest
from http2_rig import Rig, application, cut_frames, grpc_fields, message
from test_http2_large import data_frames
from test_http2_protocol import HELLO, FakeTransport

from modelport.native import collect
from modelport.server.http2 import Http2Protocol, Limits, Unary
from modelport.server.http2.pouring import LEAN, Pouring

PATH = b"/pkg.Service/Method"
pytestmark = pytest.mark.skipif(collect is None, reason="the extension is not built: it takes a C compiler")


class Reading(FakeTransport):
    """Reads as uvloop's do: into the protocol's buffer where it has one."""

    def set_protocol(self, protocol):
        self.protocol = protocol

    def read(self, data):
        """What came, in as many reads as the buffer makes of it."""
        while data and not self.is_closing():
            if isinstance(self.protocol, Pouring):
                buffer = self.protocol.get_buffer(-1)
                size = min(len(buffer), len(data))
                buffer[:size] = data[:size]
                self.protocol.buffer_updated(size)
                buffer[:size] = bytes(size)  # nobody may rely on it from now on
            else:
                size = min(262_144, len(data))
                self.protocol.data_received(data[:size])
            data = data[size:]

    @property
    def pours(self):
        return isinstance(self.protocol, Pouring)


Reading.__module__ = "uvloop.loop"  # by which the protocol knows what can gather and pour


@pytest.fixture
async def server():
    """A transport that reads, the messages that arrived, and a client."""
    seen = []

    def handle(call, given):
        seen.append(bytes(given))
        call.reply(b"done")

    protocol = Http2Protocol(application({PATH: Unary(handle, lambda beginning: 5)}), Limits())
    transport = Reading()
    transport.protocol = protocol
    protocol.connection_made(transport)
    transport.read(HELLO)
    yield transport, seen, Rig(application(), Limits())
    protocol.connection_lost(None)


def large(client, stream_id, body, size=16_384):
    return client.headers(stream_id, grpc_fields()) + b"".join(data_frames(stream_id, message(body), size))


async def test_it_goes_on_to_pour_between_large_messages(server):
    transport, seen, client = server
    bodies = [os.urandom(600_000 + number) for number in range(5)]
    for number, body in enumerate(bodies):
        transport.read(large(client, 2 * number + 1, body))
        assert transport.pours
    assert seen == bodies
    assert transport.log.count("pause_reading") == 1


@pytest.mark.parametrize("size", [16_384, 16_385, 40_000, 65_536])
async def test_whatever_the_frames_and_the_reads(server, size):
    transport, seen, client = server
    order = random.Random(size)
    bodies = [order.randbytes(order.choice([10, 70_000, 73_000, 300_000, 1_200_000])) for _ in range(30)]
    stream = b"".join(large(client, 2 * number + 1, body, size) for number, body in enumerate(bodies))
    while stream:
        end = order.choice([9, 5000, 73_728, 73_729, 200_000, 700_000])
        transport.read(stream[:end])
        stream = stream[end:]
    assert seen == bodies
    assert transport.pours


async def test_after_small_messages_for_a_while_it_reads_as_usual(server):
    transport, seen, client = server
    transport.read(large(client, 1, bytes(600_000)))
    assert transport.pours
    for number in range(1, LEAN + 3):
        transport.read(client.call(2 * number + 1, message(b"small")))
    assert not transport.pours
    assert seen[1:] == [b"small"] * (LEAN + 2)
    transport.read(large(client, 1001, bytes(700_000)))
    assert transport.pours
    assert len(seen[-1]) == 700_000


async def test_a_connection_that_fails_in_the_first_part_of_a_read_ignores_the_rest(server):
    transport, seen, client = server
    transport.read(large(client, 1, bytes(600_000)))
    transport.writes.clear()
    transport.read(b"\xff" * 9 + large(client, 3, bytes(600_000)))
    assert len(seen) == 1
    assert [frame.kind for frame in cut_frames(b"".join(transport.writes))] == [7]
