"""What is wrong with a request is said in words that name it, and costs neither time nor memory."""

import json
import time
import tracemalloc

import pytest
from wire_cases import DIALECT, MIXED, NUMERIC, body, decode, decode_binary, one_input, refusal, tensor

from modelport.core.errors import InvalidInputError, Kind, ModelportError, NotFoundError, OverloadedError, TooLargeError
from modelport.wire.http import STATUS
from modelport.wire.plain import Plain

SHAPED = "but the model takes x FP32 [-1, 3]"
FIT = "the request does not fit the Open Inference Protocol: "

TEXTS = [
    (b"", "the body is empty; it should be a JSON object with 'inputs'"),
    (b" \n", "the body is empty; it should be a JSON object with 'inputs'"),
    (b"{", "the body is not valid JSON: Input data was truncated"),
    (b"[]", FIT + "Expected `object`, got `array`"),
    (b"{}", FIT + "Object missing required field `inputs`"),
    (b'{"inputs": {}}', FIT + "Expected `array`, got `object` - at `$.inputs`"),
    (b'{"inputs": [{"name": "x"}]}', FIT + "Object missing required field `shape` - at `$.inputs[0]`"),
    (b'{"inputs": []}', "missing input 'x': the request lacks x FP32 [-1, 3]"),
    (body(tensor(), id=5), FIT + "Expected `str | null`, got `int` - at `$.id`"),
    (body(tensor("y")), "unknown input 'y'; the model has x FP32 [-1, 3]"),
    (body(tensor(), tensor()), "input 'x' is given twice"),
    (body(tensor(shape=(3,))), f"input 'x' has shape [3], {SHAPED}"),
    (body(tensor(shape=(1, 4))), f"input 'x' has shape [1, 4], {SHAPED}"),
    (body(tensor(shape=(-1, 3))), "input 'x' has the negative dimension -1 in its shape [-1, 3]"),
    (body(tensor(shape=(2, 3))), "input 'x' has 3 elements of data, but its shape [2, 3] needs 6"),
    (
        body(tensor(shape=(10**18, 3))),
        f"input 'x' has 3 elements of data, but its shape [{10**18}, 3] needs {3 * 10**18}",
    ),
    (body(tensor(shape=(2**63, 3))), "input 'x' has a dimension in its shape that no array can have"),
    (body(tensor(shape=(1,) * 65)), "input 'x' has 65 dimensions; 64 are the most"),
    (body(tensor(datatype="FP64")), f"input 'x' has datatype FP64, {SHAPED}"),
    (
        body(tensor(datatype="FLOAT")),
        "unknown datatype 'FLOAT'; the datatypes are BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, "
        "FP16, BF16, FP32, FP64, BYTES",
    ),
    (body(tensor(data=None)), "input 'x' has neither 'data' nor the parameter 'binary_data_size'"),
    (
        body(tensor(data=None, parameters={"binary_data_size": 12})),
        "input 'x' has binary_data_size, but the request has no Inference-Header-Content-Length",
    ),
    (
        body(tensor(data=[1, "2", 3])),
        "the data of input 'x' must be a list of numbers for FP32: Expected `float`, got `str` - at `$[1]`",
    ),
    (
        body(tensor(data=[[1, 2, True]])),
        "the data of input 'x' must be a list of numbers for FP32: Expected `float`, got `bool` - at `$[0][2]`",
    ),
    (
        body(tensor(data=[[1, 2, None]])),
        "the data of input 'x' must be a list of numbers for FP32: Expected `float`, got `null` - at `$[0][2]`",
    ),
    (
        body(tensor(shape=(2, 3), data=[[1, 2, 3], [4, 5]])),
        "the lists in the data of input 'x' are not all of one length",
    ),
    (body(tensor(data=[[1], [2], [3]])), "the data of input 'x' is nested as [3, 1], but its shape is [1, 3]"),
    (body(tensor(), outputs=[{"name": "z"}]), "unknown output 'z'; the model has y FP32 [-1, 3]"),
    (body(tensor(), outputs=[{"name": "y"}, {"name": "y"}]), "output 'y' is asked for twice"),
    (
        body(tensor(), outputs=[{"name": "y", "parameters": {"binary_data": 1}}]),
        "the parameter binary_data must be true or false, not 1",
    ),
    (
        body(tensor(), parameters={"binary_data_output": None}),
        "the parameter binary_data_output must be true or false, not None",
    ),
    (b'{"inputs": [NaN]}', FIT + "Expected `object`, got `float` - at `$.inputs[0]`"),
]


@pytest.mark.parametrize(("raw", "text"), TEXTS, ids=[text[:60] for _, text in TEXTS])
def test_each_mistake_has_its_text(raw, text):
    assert refusal(decode, raw) == text


def test_the_nearest_name_is_suggested():
    raw = body(tensor("numbr", (1, 2), data=[1, 2]), tensor("text", (1,), "BYTES", ["t"]))
    assert "unknown input 'numbr' (did you mean 'number'?)" in refusal(decode, raw, MIXED)


def test_a_missing_input_is_described_and_optional_ones_are_not():
    assert refusal(decode, body(tensor("number", (1, 2), data=[1, 2])), MIXED) == (
        "missing input 'text': the request lacks text BYTES [-1]"
    )


VALUES = [
    ("INT8", "128", "input 'x' has a value outside INT8, which is -128 to 127"),
    ("UINT8", "-1", "input 'x' has a value outside UINT8, which is 0 to 255"),
    ("INT64", str(2**63), f"input 'x' has a value outside INT64, which is {-(2**63)} to {2**63 - 1}"),
    ("UINT64", str(2**64), f"input 'x' has a value outside UINT64, which is 0 to {2**64 - 1}"),
    ("INT32", "1.5", "got `float`"),
    ("INT32", "1.0", "got `float`"),
    ("INT32", "true", "got `bool`"),
    ("INT32", "9" * 5000, "Integer value out of range"),
    ("FP32", "1e39", "input 'x' has a value outside FP32"),
    ("FP16", "65520", "input 'x' has a value outside FP16, which is -65504.0 to 65504.0"),
    ("BF16", "3.4e38", "input 'x' has a value outside BF16"),
    ("FP64", "9" * 400, "out of range"),
    ("BOOL", "2", "must be a list of true and false for BOOL"),
    ("BOOL", '"true"', "must be a list of true and false for BOOL"),
    ("BYTES", "5", "must be a list of strings for BYTES"),
]


@pytest.mark.parametrize(("datatype", "value", "text"), VALUES, ids=range(len(VALUES)))
@pytest.mark.parametrize("rows", [1, 1000])
def test_values_that_are_not_of_the_datatype_are_refused(datatype, value, text, rows):
    good = {"BOOL": "true", "BYTES": '"t"'}.get(datatype, "1")
    data = ",".join([good] * (3 * rows - 1) + [value])
    raw = f'{{"inputs":[{{"name":"x","shape":[{rows},3],"datatype":"{datatype}","data":[{data}]}}]}}'
    assert text in refusal(decode, raw.encode(), one_input(datatype))


@pytest.mark.parametrize("value", [0, 1])
def test_zero_and_one_are_flags(value):
    assert decode(body(tensor(datatype="BOOL", data=[value, True, 0])), one_input("BOOL")).inputs["x"][0, 0] == value


BINARY = [
    (12, b"\0" * 11, "input 'x' should have 12 bytes of binary data, but only 11 are left"),
    (12, b"\0" * 13, "1 bytes of binary data are left over behind the last input"),
    (11, b"\0" * 11, "input 'x' has 11 bytes of data, but its shape [1, 3] of FP32 needs 12"),
    (-1, b"", "binary_data_size of input 'x' must be a number of bytes, not -1"),
    (True, b"\0", "binary_data_size of input 'x' must be a number of bytes, not True"),
    ("12", b"\0" * 12, "binary_data_size of input 'x' must be a number of bytes, not '12'"),
    (None, b"", "binary_data_size of input 'x' must be a number of bytes, not None"),
    (10**30, b"", f"input 'x' should have {10**30} bytes of binary data, but only 0 are left"),
]


@pytest.mark.parametrize(("size", "binary", "text"), BINARY)
def test_binary_data_of_another_size(size, binary, text):
    head = body(tensor(data=None, parameters={"binary_data_size": size}))
    assert refusal(decode_binary, head, binary) == text


def test_data_both_ways_at_once():
    head = body(tensor(parameters={"binary_data_size": 12}))
    assert refusal(decode_binary, head, b"\0" * 12) == "input 'x' has both 'data' and binary_data_size"


ELEMENTS = [
    (b"\1\0", "input 'x': 2 bytes are left over where a 4-byte length should be"),
    (b"\1\0\0\0a\5\0\0\0bc", "input 'x': element 1 should have 5 bytes, but only 2 are left"),
    (b"\1\0\0\0a", "input 'x' has 1 elements of data, but its shape [1, 3] needs 3"),
]


@pytest.mark.parametrize(("binary", "text"), ELEMENTS)
def test_broken_bytes_elements(binary, text):
    head = body(tensor(datatype="BYTES", data=None, parameters={"binary_data_size": len(binary)}))
    assert refusal(decode_binary, head, binary, one_input("BYTES")) == text


@pytest.mark.parametrize("value", [b"-1", b"", b"1.5", b"1e3", b"+5", b"0x10", b"\xb2", b"9" * 16, b"x" * 1000])
def test_a_header_length_that_is_no_number(value):
    text = refusal(decode, body(tensor()), None, {b"inference-header-content-length": value})
    assert text.startswith("Inference-Header-Content-Length must be a number of bytes, not '")
    assert len(text) < 200


def test_a_header_length_beyond_the_body_and_one_short_of_the_json():
    raw = body(tensor())
    text = refusal(decode, raw, None, {b"inference-header-content-length": b"%d" % (len(raw) + 1)})
    assert text == f"Inference-Header-Content-Length is {len(raw) + 1}, but the body has only {len(raw)} bytes"
    assert "not valid JSON" in refusal(decode, raw, None, {b"inference-header-content-length": b"%d" % (len(raw) - 1)})


def test_raw_requests_that_do_not_fit():
    zero = {b"inference-header-content-length": b"0"}
    assert "input 'x' has 13 bytes" in refusal(decode, b"\0" * 13, one_input(), zero)
    assert "needs a model with one input; this one has 4" in refusal(decode, b"", MIXED, zero)
    for datatype, shape in (("FP32", (-1, -1)), ("FP32", None), ("BYTES", (-1, 1))):
        assert "can't tell the shape" in refusal(decode, b"", one_input(datatype, shape), zero)


@pytest.mark.parametrize("raw", [b"\xff\xfe{}", b'{"inputs": "\xff"}', b'{"id": "\\ud800", "inputs": []}'])
def test_text_that_is_not_unicode(raw):
    assert "JSON" in refusal(decode, raw) or "Protocol" in refusal(decode, raw)


@pytest.mark.parametrize("where", ["data", "id", "key"])
def test_lone_surrogates_are_refused_by_the_lenient_parser_too(where):
    data = ["a", "b", "\ud800" if where == "data" else "c"]
    more = {"id": "\ud800"} if where == "id" else {"\udfff": 1} if where == "key" else {}
    raw = body(tensor(datatype="BYTES", data=data), parameters={"x": 1.5}, **more)
    for sent in (raw, raw.replace(b"1.5", b"NaN")):
        assert refusal(decode, sent, one_input("BYTES")).startswith("the body is not valid JSON: ")


def deep(depth, wrap):
    return wrap % (b"[" * depth + b"]" * depth)


DATA = b'{"inputs":[{"name":"x","shape":[1,3],"datatype":"BOOL","data":%s}]}'


@pytest.mark.parametrize("depth", [60, 500, 900, 1020, 1100, 100_000])
@pytest.mark.parametrize(
    "wrap",
    [
        b"%s",
        DATA,
        DATA.replace(b"[1,3]", b"%s").replace(b'"data":%s', b'"data":[]'),
        b'{"inputs":[],"parameters":{"binary_data_output":%s}}',
        DATA.replace(b'"data"', b'"z":NaN,"data"'),
        b'{"inputs":[],"parameters":{"a":NaN,"binary_data_output":%s}}',
    ],
)
@pytest.mark.parametrize("closed", [True, False])
def test_deep_nesting_is_an_error_like_any_other(depth, wrap, closed):
    raw = deep(depth, wrap) if closed else wrap % (b"[" * depth)
    signature = one_input("BOOL")
    text = refusal(decode, raw, signature)
    assert text
    nothing = type(signature)((), signature.outputs)
    if b"parameters" in wrap and closed and depth <= 60:
        assert "must be true or false" in refusal(decode, raw, nothing)
    elif b"parameters" in wrap:
        assert refusal(decode, raw, nothing)


HUGE = [
    body(tensor("any", (10**18, 10**18), "INT64", [])),
    body(tensor("any", [2**62] * 64, "INT64", [])),
    b'{"inputs":[{"name":"any","shape":[%s],"datatype":"INT64","data":[]}]}' % b",".join([b"9" * 4000] * 200),
    b'{"inputs":[{"name":"any","shape":[%s],"datatype":"INT64","data":[]}]}' % b",".join([b"9" * 18] * 200_000),
    body(tensor("any", (0, 10**12), "INT64", [])),
    body(tensor("any", (0, 10**18, 10**18), "INT64", [])),
    body(tensor("n" * 1_000_000, (0, 1), "INT64", [])),
    body(tensor("any", (1,), "I" * 1_000_000, [])),
]


@pytest.mark.parametrize("raw", HUGE, ids=range(len(HUGE)))
def test_huge_declarations_cost_nothing(raw):
    tracemalloc.start()
    begin = time.perf_counter()
    try:
        decode(raw, MIXED)
    except ModelportError as error:
        reply = DIALECT.refuse(error)
    else:
        raise AssertionError("it was taken")
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert time.perf_counter() - begin < 1
    assert most < 8_000_000 + 20 * len(raw)
    assert len(reply.body) < 20_000


@pytest.mark.parametrize("datatype", NUMERIC)
def test_a_huge_shape_with_binary_data_costs_nothing(datatype):
    head = body(tensor("x", (10**18, 3), datatype, None, parameters={"binary_data_size": 0}))
    assert "has 0 bytes of data" in refusal(decode_binary, head, b"", one_input(datatype))


@pytest.mark.parametrize("dialect", [DIALECT, Plain()])
def test_every_kind_of_error_has_a_reply_in_json(dialect):
    for kind in Kind:
        error = type("Made", (ModelportError,), {"kind": kind})("lone \ud800, NaN, null")
        reply = dialect.refuse(error)
        document = json.loads(reply.body)
        assert document["error"] == "lone \ud800, NaN, null"
        assert reply.status == STATUS[kind]
        assert reply.content_type == b"application/json"


def test_a_reply_says_when_to_come_back():
    assert DIALECT.refuse(OverloadedError("later")).headers == ((b"retry-after", b"1"),)
    for error in (InvalidInputError("x"), NotFoundError("x"), TooLargeError("x")):
        assert DIALECT.refuse(error).headers == ()
