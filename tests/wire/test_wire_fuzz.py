"""Whatever the bytes, a decoder gives arrays or raises one of the error tree, and the error can be sent."""

import contextlib
import io
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from wire_cases import DIALECT, MIXED, body, one_input, tensor

from modelport.core.datatypes import DTYPES
from modelport.core.errors import ModelportError
from modelport.core.meaning import Column, Image, Tabular
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.compression import decompress
from modelport.wire.http import HttpCall
from modelport.wire.plain import Plain, inputs_from_body

PICTURES = Signature(
    (TensorSpec("image", "FP32", (-1, 3, 8, 8), Image(8, 8, 3, "CHW", ink="light", fit="ink")),),
    (TensorSpec("y", "FP32", (-1, 2)),),
)
TABLE = Signature(
    (
        TensorSpec("t", "FP32", (-1, 3), Tabular((Column("a"), Column("b", categories=("x", "y")), Column("data")))),
        TensorSpec("note", "BYTES", (-1, 1), optional=True),
    ),
    (TensorSpec("y", "FP32", (-1, 2)),),
)
SIGNATURES = [one_input(), one_input("BYTES", (-1,)), one_input("INT64", None), MIXED, PICTURES, TABLE]
SIGNATURES += [one_input(datatype, (-1, -1)) for datatype in ("BOOL", "BF16", "UINT8")]

more = settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])


def check(dialect, raw, headers, signature):
    try:
        request, encode = dialect.decode(HttpCall(raw, headers), signature)
    except ModelportError as error:
        document = json.loads(dialect.refuse(error).body)
        assert isinstance(document["error"], str)
        assert document["error"]
        return
    signature.check_inputs(request.inputs)
    assert callable(encode)
    assert all(array.flags.c_contiguous and array.flags.aligned for array in request.inputs.values())


WORDS = (
    "inputs instances data X x name shape datatype parameters outputs id binary_data binary_data_size columns y NaN"
    " null binary_data_output number text flag any a b t note b64 image FP32 BYTES"
)
words = st.sampled_from([*WORDS.split(), "", "\ud800"])
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-3, 4), st.floats(), st.text(max_size=5), words, st.just([])
)
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4), max_leaves=15
)
tensors = st.fixed_dictionaries(
    {
        "name": words,
        "shape": st.lists(st.integers(-1, 4) | st.integers(), max_size=4),
        "datatype": st.sampled_from([*DTYPES, "FP8"]),
    },
    optional={
        "data": st.lists(leaves, max_size=6) | documents,
        "parameters": st.none() | st.dictionaries(words, leaves, max_size=2),
    },
)
requests = st.fixed_dictionaries(
    {"inputs": st.lists(tensors, max_size=3)},
    optional={
        "id": leaves,
        "parameters": documents,
        "outputs": st.lists(st.fixed_dictionaries({"name": words}, optional={"parameters": documents}), max_size=3),
    },
)
headers = st.dictionaries(
    st.sampled_from([b"inference-header-content-length", b"content-type"]),
    st.binary(max_size=12) | st.integers(-2, 200).map(lambda number: b"%d" % number),
    max_size=2,
)
signatures = st.sampled_from(SIGNATURES)


def text(document):
    return json.dumps(document).encode()


@more
@given(raw=st.binary(max_size=200), sent=headers, signature=signatures)
@example(raw=b"", sent={b"inference-header-content-length": b"0"}, signature=MIXED)
def test_any_bytes_are_decoded_or_refused(raw, sent, signature):
    check(DIALECT, raw, sent, signature)


@more
@given(document=requests | documents, sent=headers, tail=st.binary(max_size=30), signature=signatures)
def test_any_json_is_decoded_or_refused(document, sent, tail, signature):
    raw = text(document)
    check(DIALECT, raw, {}, signature)
    check(DIALECT, raw + tail, {b"inference-header-content-length": b"%d" % len(raw)}, signature)
    check(DIALECT, raw, sent, signature)


VALID = [
    (body(tensor()), {}, one_input()),
    (
        body(tensor(data=[[1, 2, 3]]), outputs=[{"name": "y", "parameters": {"binary_data": True}}], id="7"),
        {},
        one_input(),
    ),
    (body(tensor("number", (1, 2), data=[1, 2]), tensor("text", (1,), "BYTES", ["é"])), {}, MIXED),
]


@more
@given(data=st.data())
def test_damaged_requests_are_decoded_or_refused(data):
    raw, sent, signature = data.draw(st.sampled_from(VALID))
    check(DIALECT, damaged(data, raw), sent, signature)


def damaged(data, raw):
    """Some bytes changed, cut out or put in."""
    raw = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        length = data.draw(st.sampled_from([0, 0, 1, 1, 2, 8]))
        raw[at : at + length] = data.draw(
            st.sampled_from([b"", b"9", b"-", b"[", b"]", b'"', b"NaN", b"\xff"]) | st.binary(max_size=4)
        )
    return bytes(raw)


TYPES = (
    "application/json application/vnd.x+json text/plain image/png image/gif text/csv multipart/form-data;boundary=b"
    ' multipart/form-data multipart/form-data;boundary="'
)
types = st.sampled_from([*TYPES.split(), "", "application/json; charset=utf-8"]) | st.text(
    st.characters(max_codepoint=255), max_size=20
)


@more
@given(document=documents | st.fixed_dictionaries({"instances": documents}), kind=types, signature=signatures)
def test_plain_json_is_decoded_or_refused(document, kind, signature):
    check(Plain(), text(document), {b"content-type": kind.encode("latin-1")}, signature)


@more
@given(raw=st.binary(max_size=100), kind=types, signature=signatures)
def test_plain_bytes_are_decoded_or_refused(raw, kind, signature):
    check(Plain(), raw, {b"content-type": kind.encode("latin-1")}, signature)


@pytest.mark.parametrize("depth", [50, 70, 500, 1000, 100_000])
@pytest.mark.parametrize("leaf", [b"", b"1", b'"t"', b"NaN", b"{}", b'{"b64": 5}'])
@pytest.mark.parametrize("signature", SIGNATURES)
def test_deep_plain_documents_are_refused(depth, leaf, signature):
    raw = b'{"instances": %s}' % (b"[" * depth + leaf + b"]" * depth)
    check(Plain(), raw, {b"content-type": b"application/json"}, signature)


def picture(form, **options):
    out = io.BytesIO()
    made = Pillow.linear_gradient("L").resize((20, 14)).convert(options.pop("mode", "RGB"))
    made.save(out, form, **options)
    return out.getvalue()


def exif():
    tags = Pillow.Exif()
    tags[0x0112] = 6
    return tags.tobytes()


FILES = [
    picture("PNG"),
    picture("PNG", mode="P", transparency=3),
    picture("PNG", mode="I;16"),
    picture("PNG", mode="RGBA", exif=exif()),
    picture("JPEG", exif=exif()),
    picture("JPEG", progressive=True),
    picture("WEBP", exif=exif()),
    picture("WEBP", lossless=True, mode="RGBA"),
]


@more
@given(data=st.data())
def test_damaged_pictures_are_decoded_or_refused(data):
    raw = damaged(data, data.draw(st.sampled_from(FILES)))
    check(Plain(), raw, {b"content-type": b"image/png"}, PICTURES)


@pytest.mark.parametrize("file", FILES, ids=range(len(FILES)))
def test_pictures_that_are_cut_short_anywhere_are_refused_or_read(file):
    for end in range(0, len(file), 7):
        check(Plain(), file[:end], {b"content-type": b"image/png"}, PICTURES)


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.png"\r\nContent-Type: image/png\r\n\r\n'
    + FILES[0]
    + b"\r\n--b--\r\n"
)


@more
@given(data=st.data())
def test_damaged_forms_are_decoded_or_refused(data):
    raw = damaged(data, FORM)
    kind = data.draw(st.sampled_from(["multipart/form-data; boundary=b", 'multipart/form-data; boundary="b"']))
    check(Plain(), raw, {b"content-type": kind.encode()}, PICTURES)


def test_the_undamaged_ones_are_read():
    for raw, sent, signature in VALID:
        assert DIALECT.decode(HttpCall(raw, sent), signature)
    for file in FILES:
        assert inputs_from_body(file, "", PICTURES)["image"].shape == (1, 3, 8, 8)
    assert inputs_from_body(FORM, "multipart/form-data; boundary=b", PICTURES)["image"].shape == (1, 3, 8, 8)


@more
@given(
    raw=st.binary(max_size=100), coding=st.sampled_from([b"gzip", b"deflate", b"gzip, deflate"]) | st.binary(max_size=9)
)
def test_any_compressed_body_is_unpacked_or_refused(raw, coding):
    with contextlib.suppress(ModelportError):
        assert len(decompress(raw, coding, 1000)) <= 1000
