"""Whether a UBJSON document is whole."""

import pytest

from modelport.runtimes.boosting.ubjson import is_whole

TEXT = b"i\x01a"
WHOLE = {
    "an empty object": b"{}",
    "an empty list": b"[]",
    "values of each type": b"[ZTFi\x01U\xffI\0\1l\0\0\0\1L" + bytes(7) + b"\1d" + bytes(4) + b"D" + bytes(8) + b"Cx]",
    "texts": b"[S" + TEXT + b"SU\x03abc]",
    "an object": b"{" + TEXT + b"i\x05i\x01b[]}",
    "a counted list": b"[#i\x02i\x01i\x02",
    "a counted object": b"{#i\x01" + TEXT + b"Z",
    "a typed list": b"[$d#L" + bytes(7) + b"\x02" + bytes(8),
    "a typed object": b"{$U#i\x02" + TEXT + b"\x05" + TEXT + b"\x06",
    "a typed list of lists": b"[$[#i\x02]]",
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_documents_and_every_part_of_them(name):
    data = WHOLE[name]
    assert is_whole(data)
    assert not any(is_whole(data[:length]) for length in range(len(data)))
    assert not is_whole(data + b"Z")


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"[x]", b"{i\xff}", b"{T}", b"[$d]", b"[$x#i\x01a", b"[#L\x7f" + bytes(7), b"[" * 100 + b"]" * 100],
)
def test_what_is_no_document(data):
    assert not is_whole(data)
