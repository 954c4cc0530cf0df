"""Random traffic: against the h2 package as the client, and without any sense at all."""

import struct

import pytest
from hpack import Decoder, Encoder
from http2_rig import H2Client, Recorder, Rig, application, grpc_fields, message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelport.server.http2 import Limits, Streaming, Unary
from modelport.server.http2.frames import PREFACE, SETTINGS, pack_frame
from modelport.server.http2.grpc_metadata import decode_base64, encode_base64
from modelport.server.http2.header_blocks import BlockDecoder, HeaderBlockError, encode_fields

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


class Echo:
    """A streaming method that echoes."""

    def __init__(self, call):
        self.call = call

    def on_message(self, payload):
        self.call.send(payload)

    def on_half_close(self):
        self.call.finish()

    def on_cancel(self):
        pass


METHODS = {b"/t/Unary": Unary(lambda call, payload: call.reply(payload)), b"/t/Stream": Streaming(Echo)}


class Exchange:
    """A rig and an h2 client that talk through pipes which cut the bytes anywhere."""

    def __init__(self, data, **limits):
        self.data = data
        self.rig = Rig(
            application(METHODS, Recorder(lambda s: s.respond(200, [], [b"plain"]))), Limits(**limits), False
        )
        self.client = H2Client()
        self.pending = {}  # bytes that each open request has yet to send
        self.sent = {}

    def pass_on(self):
        """Move bytes both ways until both sides are silent."""
        while True:
            upward, downward = self.client.h2.data_to_send(), self.rig.output()
            if not upward and not downward:
                return
            for part in self.cut(upward):
                self.rig.feed(part)
            for part in self.cut(downward):
                self.client.receive(part)

    def cut(self, data):
        """The bytes in portions of random sizes."""
        while data:
            size = self.data.draw(st.sampled_from((1, 2, 5, 9, 13, 100, 5000, 1 << 20)))
            yield data[:size]
            data = data[size:]

    def open(self, path, body):
        stream_id = self.client.h2.get_next_available_stream_id()
        timeout = self.data.draw(
            st.sampled_from([(), ((b"grpc-timeout", b"9S"),), ((b"x-" + bytes([97 + stream_id % 9]), b"v"),)])
        )
        self.client.h2.send_headers(stream_id, grpc_fields(path, *timeout))
        self.pending[stream_id] = self.sent[stream_id] = body

    def push(self, stream_id):
        """Send more of a request, as much as the windows have room for."""
        body = self.pending[stream_id]
        room = min(self.client.h2.local_flow_control_window(stream_id), self.client.h2.max_outbound_frame_size)
        if not room and body:
            return
        size = min(room, self.data.draw(st.sampled_from((1, 7, 1000, 100_000))))
        self.client.h2.send_data(stream_id, body[:size], end_stream=size >= len(body))
        self.pending[stream_id] = body[size:]
        if size >= len(body):
            del self.pending[stream_id]


@QUICK
@given(data=st.data())
def test_talks_with_h2(data):
    exchange = Exchange(
        data,
        stream_window=data.draw(st.sampled_from((16, 1000, 70_000, 1 << 20))),
        connection_window=data.draw(st.sampled_from((65_535, 1 << 20))),
        max_frame_size=data.draw(st.sampled_from((16_384, 100_000))),
    )
    client = exchange.client.h2
    cancelled = set()
    for _ in range(data.draw(st.integers(1, 40))):
        action = data.draw(st.sampled_from(("open", "open", "push", "push", "pass", "settings", "ping", "cancel")))
        if action == "open":
            sizes = data.draw(st.lists(st.sampled_from((0, 1, 100, 20_000, 150_000)), min_size=1, max_size=3))
            path = data.draw(st.sampled_from((b"/t/Unary", b"/t/Stream")))
            sizes = sizes[:1] if path == b"/t/Unary" else sizes
            exchange.open(path, b"".join(message(bytes([len(sizes)]) * size) for size in sizes))
        elif action == "push" and exchange.pending:
            exchange.push(data.draw(st.sampled_from(sorted(exchange.pending))))
        elif action == "settings":
            value = {
                4: data.draw(st.sampled_from((0, 1, 50, 65_535, 1 << 20))),
                5: data.draw(st.sampled_from((16_384, 50_000))),
                1: data.draw(st.sampled_from((0, 100, 4096))),
            }
            client.update_settings(value)
        elif action == "ping":
            client.ping(b"12345678")
        elif action == "cancel" and exchange.pending:
            stream_id = data.draw(st.sampled_from(sorted(exchange.pending)))
            client.reset_stream(stream_id, 8)
            del exchange.pending[stream_id]
            cancelled.add(stream_id)
        exchange.pass_on()
    client.update_settings({4: 1 << 20})
    exchange.pass_on()
    while exchange.pending:
        for stream_id in list(exchange.pending):
            exchange.push(stream_id)
        exchange.pass_on()
    assert exchange.client.terminated is None
    assert exchange.client.resets == {}
    for stream_id in exchange.sent.keys() - cancelled:
        assert exchange.client.bodies.get(stream_id, b"") == exchange.sent[stream_id]
        assert exchange.client.trailers[stream_id][b"grpc-status"] == b"0"
    connection = exchange.rig.connection
    assert (connection.streams, connection.backlog, connection.held, connection.assembling) == ({}, {}, 0, 0)


@settings(QUICK, max_examples=5)
@given(data=st.data())
def test_big_messages_with_h2(data):
    exchange = Exchange(data)
    exchange.cut = lambda data: iter([data]) if data else iter(())
    exchange.client.h2.update_settings({4: data.draw(st.sampled_from((65_535, 1 << 22)))})
    body = message(data.draw(st.binary(min_size=10, max_size=20)) * 400_000)
    exchange.pass_on()
    for path in (b"/t/Unary", b"/t/Stream"):
        exchange.open(path, body)
    while exchange.pending:
        for stream_id in list(exchange.pending):
            for _ in range(64):
                if stream_id in exchange.pending:
                    exchange.push(stream_id)
        exchange.pass_on()
    assert [exchange.client.bodies[stream_id] == body for stream_id in exchange.sent] == [True, True]


FRAMES = st.builds(
    pack_frame,
    st.integers(0, 11),
    st.sampled_from((0, 1, 4, 5, 8, 9, 12, 13, 0x20, 0x24, 0x2D, 255)),
    st.sampled_from((0, 1, 1, 1, 2, 3, 3, 5, 7, 2**31 - 1, 2**32 - 1)),
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from((encode_fields(grpc_fields(b"/t/Unary")), encode_fields(grpc_fields(b"/t/Stream")))),
        st.sampled_from((message(b"abc"), message(b""), b"\x03" + message(b"x") + bytes(3))),
        st.integers(0, 2**31 - 1).map(lambda number: struct.pack(">I", number)),
        st.tuples(st.integers(0, 7), st.integers(0, 2**32 - 1)).map(lambda pair: struct.pack(">HI", *pair)),
    ),
)


@settings(QUICK, max_examples=300)
@given(st.lists(FRAMES, max_size=30), st.integers(1, 3000))
def test_frames_without_sense_never_raise(frames, portion):
    rig = Rig(application(METHODS), Limits(), greet=False)
    stream = PREFACE + pack_frame(SETTINGS, 0, 0) + b"".join(frames)
    for at in range(0, len(stream), portion):
        rig.feed(stream[at : at + portion])
    rig.frames()
    rig.connection.expire()
    rig.connection.lose()
    assert (rig.connection.streams, rig.connection.held, rig.connection.assembling) == ({}, 0, 0)


@QUICK
@given(st.binary(max_size=500), st.booleans())
def test_garbage_never_raises(data, greeted):
    rig = Rig(application(METHODS), Limits(), greet=greeted)
    rig.feed(data)
    rig.frames()


# HPACK against the hpack package.

NAMES = st.sampled_from((b":method", b":path", b"te", b"content-type", b"x-custom", b"grpc-timeout", b"a" * 200))
FIELDS = st.lists(
    st.tuples(NAMES, st.one_of(st.sampled_from((b"POST", b"", b"trailers")), st.binary(max_size=300))), max_size=12
)


@QUICK
@given(st.lists(st.tuples(FIELDS, st.booleans(), st.sampled_from((None, None, 0, 50, 4096))), min_size=1, max_size=8))
def test_decodes_what_hpack_encodes(blocks):
    encoder, decoder = Encoder(), BlockDecoder(1 << 20)
    for fields, huffman, size in blocks:
        if size is not None:
            encoder.header_table_size = size
        assert list(decoder.decode(encoder.encode(fields, huffman=huffman))) == fields
        assert list(Decoder(1 << 20).decode(encode_fields(fields), raw=True)) == fields


@settings(QUICK, max_examples=300)
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_decodes_nonsense_as_hpack_does(blocks):
    ours, theirs = BlockDecoder(1 << 20), Decoder(1 << 20)
    for block in blocks:
        version = ours.version
        try:
            expected = [(bytes(name), bytes(value)) for name, value in theirs.decode(block, raw=True)]
        except Exception:
            with pytest.raises(HeaderBlockError):
                ours.decode(block)
            return
        assert list(ours.decode(block)) == expected
        if ours.version == version:
            assert list(ours.decode(block)) == expected


@QUICK
@given(st.binary())
def test_base64(value):
    encoded = encode_base64(value)
    assert not encoded.endswith(b"=")
    assert decode_base64(encoded) == decode_base64(encoded + b"=" * (-len(encoded) % 4)) == value
