"""Content-Encoding: what is unpacked, what is refused, and what an attack costs."""

import gzip
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_cases import refusal

from modelport.core.errors import TooLargeError, UnsupportedError
from modelport.wire.compression import SMALLEST, WORTHWHILE, compress, decompress
from modelport.wire.http import HttpReply


def bare(data):
    machine = zlib.compressobj(wbits=-15)
    return machine.compress(data) + machine.flush()


PACKERS = {b"gzip": gzip.compress, b"X-GZIP ": gzip.compress, b"deflate": zlib.compress, b" deflate": bare}


@given(st.binary(max_size=5000))
def test_each_coding_gives_the_body_back(data):
    for coding, pack in PACKERS.items():
        assert decompress(pack(data), coding, 5000) == data
        assert decompress(memoryview(pack(data)), coding, 5000) == data
    assert decompress(zlib.compress(gzip.compress(data)), b"gzip, deflate", 6000) == data
    assert decompress(data, b"identity", 1) == data
    assert decompress(data, b"", 1) == data


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_the_limit_is_exact(coding):
    packed = PACKERS[coding](b"x" * 1000)
    assert decompress(packed, coding, 1000) == b"x" * 1000
    with pytest.raises(TooLargeError, match="more than the limit of 999 bytes"):
        decompress(packed, coding, 999)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_a_bomb_costs_no_more_than_the_limit(coding):
    packer = zlib.compressobj(9, wbits=31 if coding == b"gzip" else 15)
    packed = b"".join(packer.compress(b"\0" * 1_000_000) for _ in range(300)) + packer.flush()
    tracemalloc.start()
    with pytest.raises(TooLargeError):
        decompress(packed, coding, 1_000_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5_000_000


def test_the_time_grows_with_the_body_and_no_faster():
    """Of stored blocks, which unpack at the speed of copying: sixteen times as many take sixteen times as long."""

    def seconds(size):
        packed = zlib.compress(bytes(size), 0)
        begin = time.perf_counter()
        assert len(decompress(packed, b"deflate", size)) == size
        return time.perf_counter() - begin

    small = min(seconds(2 << 20) for _ in range(5))
    assert min(seconds(32 << 20) for _ in range(2)) < 60 * small


def test_many_codings_are_an_attack():
    with pytest.raises(UnsupportedError, match="names 2000 codings; 3 are the most"):
        decompress(b"", b",".join([b"gzip"] * 2000), 100)


BROKEN = [
    (b"", b"gzip", "the gzip body is cut short"),
    (b"", b"deflate", "the deflate body is cut short"),
    (gzip.compress(b"abc")[:-3], b"gzip", "the gzip body is cut short"),
    (gzip.compress(b"abc") + b"junk", b"gzip", "4 bytes follow the end of the gzip body"),
    (b"plain text", b"gzip", "the body is not valid gzip: "),
    (b"x", b"br", "Content-Encoding 'br' is not understood; use gzip or deflate"),
    (b"x", b"\xff" * 1000, "Content-Encoding 'ÿÿ"),
]


@pytest.mark.parametrize(("raw", "coding", "text"), BROKEN)
def test_broken_bodies(raw, coding, text):
    said = refusal(decompress, raw, coding, 1000)
    assert said.startswith(text)
    assert len(said) < 200


ACCEPTED = [
    (b"gzip", b"gzip"),
    (b"GZIP;q=0.5", b"gzip"),
    (b"deflate", b"deflate"),
    (b"br", None),
    (b"identity", None),
    (b"gzip;q=0", None),
    (b"gzip; q=0.000", None),
    (b"", None),
    (b"*", None),
    (b"gzip, deflate, br", None),  # a library's list is no choice, for a body of this size
]


@pytest.mark.parametrize(("accepted", "coding"), ACCEPTED)
def test_replies_are_compressed_for_who_asks(accepted, coding):
    body = b"0123456789" * (SMALLEST // 10 + 1)
    reply = compress(HttpReply([body[:50], body[50:]], 200, b"x/y", ((b"a", b"b"),)), accepted)
    if coding is None:
        assert reply.headers == ((b"a", b"b"),)
        return
    assert reply.headers == ((b"a", b"b"), (b"content-encoding", coding), (b"vary", b"accept-encoding"))
    assert (reply.status, reply.content_type) == (200, b"x/y")
    assert decompress(reply.body, coding, len(body)) == body


def test_small_replies_are_left_alone_and_large_ones_are_worthwhile_for_all():
    assert compress(HttpReply(b"x" * (SMALLEST - 1)), b"gzip").headers == ()
    large = compress(HttpReply(b"x" * WORTHWHILE), b"gzip, deflate, br")
    assert large.headers[0] == (b"content-encoding", b"gzip")
