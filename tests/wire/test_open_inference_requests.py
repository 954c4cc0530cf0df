"""Open Inference Protocol v2: every datatype in every form in, and back out again."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from wire_cases import DIALECT, MIXED, NUMERIC, answer, body, decode, decode_binary, one_input, same, samples, tensor

from modelport.core.datatypes import DTYPES
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.http import HttpCall
from modelport.wire.tensors import array_from_raw, raw_from_array


def listed(array):
    return [item.decode() if isinstance(item, bytes) else item for item in array.ravel().tolist()]


def nested(array):
    return listed(array) if array.ndim < 2 else [nested(row) for row in array]


@pytest.mark.parametrize("datatype", DTYPES)
@pytest.mark.parametrize("form", [listed, nested])
def test_json_data_flat_and_nested_gives_the_same_array(datatype, form):
    array = samples(datatype)
    got = decode(body(tensor(shape=(2, 3), datatype=datatype, data=form(array))), one_input(datatype)).inputs["x"]
    assert same(got, array)


@pytest.mark.parametrize("datatype", DTYPES)
def test_binary_data_gives_the_same_array(datatype):
    array = samples(datatype)
    raw = bytes(raw_from_array(array))
    head = body(tensor(shape=(2, 3), datatype=datatype, data=None, parameters={"binary_data_size": len(raw)}))
    got = decode_binary(head, raw, one_input(datatype)).inputs["x"]
    assert same(got, array)


@pytest.mark.parametrize("datatype", NUMERIC)
@pytest.mark.parametrize("pad", range(8))
def test_arrays_from_binary_data_are_aligned_whatever_the_length_of_the_json_before(datatype, pad):
    raw = samples(datatype).tobytes()
    head = body(tensor(shape=(2, 3), datatype=datatype, data=None, parameters={"binary_data_size": len(raw)}))
    got = decode_binary(head + b" " * pad, raw, one_input(datatype)).inputs["x"]
    assert got.flags.aligned
    assert same(got, samples(datatype))


def test_the_binary_format_is_little_endian_and_length_prefixed():
    assert bytes(raw_from_array(np.array([1, -2], np.int16))) == b"\x01\x00\xfe\xff"
    assert bytes(raw_from_array(np.array([b"ab", b""], object))) == b"\x02\0\0\0ab\0\0\0\0"
    assert bytes(raw_from_array(np.array(["é", "xy"]))) == b"\x02\0\0\0\xc3\xa9\x02\0\0\0xy"
    assert array_from_raw("x", "BOOL", [3], memoryview(b"\0\1\7")).tolist() == [False, True, True]


def test_binary_and_json_tensors_in_one_request_in_any_order():
    raw_text, raw_flag = struct.pack("<I2sI1s", 2, b"ab", 1, b"c"), b"\x01\x00"
    head = body(
        tensor("text", (2,), "BYTES", None, parameters={"binary_data_size": len(raw_text)}),
        tensor("number", (2, 2), data=[1, 2, 3, 4]),
        tensor("flag", (1, 2), "BOOL", None, parameters={"binary_data_size": len(raw_flag)}),
    )
    inputs = decode_binary(head, raw_text + raw_flag, MIXED).inputs
    assert inputs["text"].tolist() == [b"ab", b"c"]
    assert inputs["number"].tolist() == [[1, 2], [3, 4]]
    assert inputs["flag"].tolist() == [[True, False]]
    assert "any" not in inputs


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0, 3), (1,) * 64])
def test_an_input_of_any_rank_takes_scalars_empty_tensors_and_the_most_dimensions(shape):
    count = int(np.prod(shape))
    signature = Signature((TensorSpec("any", "INT64", None),), (TensorSpec("y", "INT64", None),))
    got = decode(body(tensor("any", shape, "INT64", range(count))), signature).inputs["any"]
    assert got.shape == shape
    assert got.ravel().tolist() == list(range(count))


@pytest.mark.parametrize("data", [[], [[]], [[], []]])
def test_an_empty_tensor_may_be_nested_as_its_shape_says(data):
    shape = (len(data), 0) if data else (0, 3)
    signature = one_input(shape=(-1, -1))
    assert decode(body(tensor(shape=shape, data=data)), signature).inputs["x"].shape == shape


def test_bare_words_are_numbers():
    raw = b'{"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [NaN, Infinity, -Infinity]}]}'
    got = decode(raw).inputs["x"]
    assert np.isnan(got[0, 0])
    assert got[0, 1:].tolist() == [np.inf, -np.inf]


@pytest.mark.parametrize("datatype", ["FP16", "BF16", "FP32", "FP64"])
@pytest.mark.parametrize("shape", [(3,), (1, 3), (3, 1)])
def test_nan_and_infinities_are_answered_as_bare_words(datatype, shape):
    array = np.array([np.nan, np.inf, -np.inf], DTYPES[datatype]).reshape(shape)
    _, encode = DIALECT.decode(HttpCall(body(tensor())), one_input())
    whole, _ = answer({"y": array}, encode)
    assert b"null" not in whole
    assert np.array_equal(json.loads(whole)["outputs"][0]["data"], array.ravel().astype(np.float64), equal_nan=True)


@given(bits=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20))
def test_fp32_goes_through_json_and_back_bit_for_bit(bits):
    array = np.array(bits, np.uint32).view(np.float32).reshape(1, -1)
    _, encode = DIALECT.decode(HttpCall(body(tensor())), one_input())
    whole, _ = answer({"x": array}, encode)
    reply = json.loads(whole)["outputs"][0]
    got = decode(json.dumps({"inputs": [reply]}).encode(), one_input(shape=(-1, -1))).inputs["x"]
    kept = ~np.isnan(array)  # JSON has one NaN
    assert np.array_equal(got.view(np.uint32)[kept], array.view(np.uint32)[kept])
    assert np.isnan(got[~kept]).all()


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
def test_every_16_bit_float_goes_through_json_and_back_bit_for_bit(datatype):
    every = np.arange(65536, dtype=np.uint16).view(DTYPES[datatype])
    array = every[np.isfinite(every.astype(np.float32))].reshape(1, -1)
    _, encode = DIALECT.decode(HttpCall(body(tensor())), one_input())
    reply = json.loads(answer({"x": array}, encode)[0])["outputs"][0]
    got = decode(json.dumps({"inputs": [reply]}).encode(), one_input(datatype, (-1, -1))).inputs["x"]
    assert same(got, array)


@given(data=st.data())
def test_what_is_answered_reads_as_a_request(data):
    datatype = data.draw(st.sampled_from([name for name in NUMERIC if name not in ("BF16", "BOOL")]))
    shape = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
    array = data.draw(
        arrays.arrays(DTYPES[datatype], shape, elements={"allow_nan": False} if "F" in datatype else None)
    )
    signature = Signature((TensorSpec("x", datatype, None),), (TensorSpec("x", datatype, None),))
    _, encode = DIALECT.decode(HttpCall(body(tensor(datatype=datatype, shape=(1,), data=[1]))), signature)
    reply = json.loads(answer({"x": array}, encode)[0])["outputs"][0]
    assert same(decode(json.dumps({"inputs": [reply]}).encode(), signature).inputs["x"], array)


@given(data=st.data())
def test_the_quick_way_and_the_careful_way_read_the_same_arrays(data):
    datatype = data.draw(st.sampled_from(["FP32", "FP64", "INT8", "INT64", "UINT8", "UINT32", "UINT64"]))
    rows = data.draw(st.integers(1, 300))
    low, high = (-1e30, 1e30) if datatype[0] == "F" else (0, 100)
    element = st.one_of(st.integers(int(low), int(high)), *([st.floats(low, high)] if datatype[0] == "F" else []))
    values = data.draw(st.lists(element, min_size=3, max_size=3)) * rows
    made = tensor(shape=(rows, 3), datatype=datatype, data=values)
    quick = decode(body(made), one_input(datatype))
    careful = decode(body({**made, "parameters": {"unknown": 1}}), one_input(datatype))
    assert same(quick.inputs["x"], careful.inputs["x"])
    assert quick.inputs["x"].tolist() == np.array(values, DTYPES[datatype]).reshape(rows, 3).tolist()


def test_the_raw_bytes_of_the_only_input():
    zero = {b"inference-header-content-length": b"0"}
    array = samples("FP32")
    assert same(decode(array.tobytes(), one_input(), zero).inputs["x"], array)
    assert decode(b"any \xff bytes", one_input("BYTES", (-1,)), zero).inputs["x"].tolist() == [b"any \xff bytes"]
    assert decode(b"", one_input("FP32", (-1, 3)), zero).inputs["x"].shape == (0, 3)


@pytest.mark.parametrize("empty", ["", None])
def test_id_and_nulls_are_understood_as_absent(empty):
    request = decode(body(tensor(parameters=None), id=empty, parameters=None, outputs=None))
    assert request.id == ""
    assert request.outputs is None


def test_id_and_parameters_travel():
    request = decode(body(tensor(), id="é-7", parameters={"priority": 3}))
    assert (request.id, request.parameters) == ("é-7", {"priority": 3})


OUTPUTS = {"a": np.array([[1, 2]], np.float32), "b": np.array([b"\xc3\xa9"], object), "c": np.array([5])}
#: (outputs asked for, binary_data_output of the request) → names in order, and which of them are binary.
CHOICES = [
    (None, None, "abc", ""),
    (None, False, "abc", ""),
    (None, True, "abc", "abc"),
    ([], True, "abc", "abc"),
    ([("c", None), ("a", None)], None, "ca", ""),
    ([("c", True), ("a", None)], None, "ca", "c"),
    ([("c", None), ("a", None)], True, "ca", "ca"),
    ([("b", False), ("a", None)], True, "ba", "a"),
    ([("b", True)], False, "b", "b"),
]


@pytest.mark.parametrize(("asked", "everything", "names", "binary"), CHOICES)
def test_outputs_come_in_the_order_and_form_that_is_asked_for(asked, everything, names, binary):
    more = {} if everything is None else {"parameters": {"binary_data_output": everything}}
    if asked is not None:
        more["outputs"] = [
            {"name": name, **({} if flag is None else {"parameters": {"binary_data": flag}})} for name, flag in asked
        ]
    raw = body(tensor("number", (1, 2), data=[1, 2]), tensor("text", (1,), "BYTES", ["t"]), **more)
    request, encode = DIALECT.decode(HttpCall(raw), MIXED)
    assert request.outputs == (tuple(name for name, _ in asked) if asked else None)
    whole, headers = answer({name: OUTPUTS[name] for name in names}, encode, "7")
    length = headers.get(b"inference-header-content-length")
    assert (length is not None) == bool(binary)
    head = json.loads(whole if length is None else whole[: int(length)])
    assert (head["model_name"], head["model_version"], head["id"]) == ("m", "3", "7")
    assert [output["name"] for output in head["outputs"]] == list(names)
    at = 0 if length is None else int(length)
    for output in head["outputs"]:
        array = OUTPUTS[output["name"]]
        assert output["shape"] == list(array.shape)
        if output["name"] in binary:
            size = output["parameters"]["binary_data_size"]
            assert "data" not in output
            assert whole[at : at + size] == bytes(raw_from_array(array))
            at += size
        else:
            assert output["data"] == listed(array)
            assert "parameters" not in output
    assert at == (0 if length is None else len(whole))
