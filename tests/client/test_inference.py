"""The binary layout, against tritonclient's own bytes, and round trips of every datatype and shape."""

import json

import ml_dtypes
import numpy as np
import pytest
import tritonclient.http as triton
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tritonclient.http._utils import _get_inference_request

from modelport.client.exchange import Response
from modelport.client.inference import HEADER_LENGTH, inference_body, inference_result
from modelport.core.datatypes import DTYPES, NAMES, datatype_of
from modelport.core.errors import InternalError, InvalidInputError, NotFoundError
from modelport.wire.http import HttpCall
from modelport.wire.open_inference import OpenInference

NUMERIC = sorted(set(DTYPES) - {"BYTES", "BF16"})
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@st.composite
def tensors(draw):
    datatype = draw(st.sampled_from(sorted(DTYPES)))
    shape = draw(shapes)
    if datatype == "BYTES":
        array = np.empty(shape, np.object_)
        for index in np.ndindex(shape):
            array[index] = draw(st.binary(max_size=12))
        return array
    if datatype == "BF16":
        bits = draw(hnp.arrays(np.uint16, shape))
        return bits.view(ml_dtypes.bfloat16)
    return draw(hnp.arrays(DTYPES[datatype], shape))


def body_and_headers(*arguments, **options):
    parts, headers = inference_body(*arguments, **options)
    return b"".join(parts), headers


def triton_body(arrays, outputs=(), request_id="", parameters=None):
    inputs = []
    for name, array in arrays.items():
        tensor = triton.InferInput(name, list(array.shape), datatype_of(array))
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    wanted = [triton.InferRequestedOutput(name) for name in outputs]
    return _get_inference_request(inputs, request_id, wanted, 0, False, False, 0, None, parameters)


def same(left, right):
    assert left.dtype == right.dtype
    assert left.shape == right.shape
    if left.dtype == np.object_:
        assert left.tolist() == right.tolist()
    else:
        assert left.tobytes() == right.tobytes()


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.text("abcXY_.0", min_size=1, max_size=5), tensors(), min_size=1, max_size=3))
def test_the_body_is_byte_for_byte_tritonclients(arrays):
    body, headers = body_and_headers(arrays, None, "", None, binary=True)
    wanted, json_size = triton_body(arrays)
    assert body == wanted
    assert headers[HEADER_LENGTH] == str(json_size)


def test_the_body_with_outputs_id_and_parameters_is_byte_for_byte_tritonclients():
    arrays = {"X": np.ones((2, 3), np.float32), "T": np.array([b"a\x00", "ü"], np.object_)}
    body, _ = body_and_headers(arrays, ["label"], "r-1", {"depth": 3}, binary=True)
    assert body == triton_body(arrays, ["label"], "r-1", {"depth": 3})[0]


@settings(deadline=None, max_examples=200)
@given(tensors())
def test_triton_reads_what_the_server_sends_as_this_client_does(array):
    body, headers = body_and_headers({"Y": array}, None, "", None, binary=True)
    head = json.loads(body[: int(headers[HEADER_LENGTH])])
    answer = json.dumps({"model_name": "m", "model_version": "3", "outputs": head["inputs"]}).encode()
    raw = body[int(headers[HEADER_LENGTH]) :]
    result = inference_result(Response(200, {HEADER_LENGTH.lower(): str(len(answer))}, answer + raw))
    same(result["Y"], array)
    assert result["Y"].flags.writeable
    assert (result.model, result.version) == ("m", "3")
    theirs = triton.InferResult.from_response_body(answer + raw, header_length=len(answer)).as_numpy("Y")
    same(result["Y"], theirs)


@settings(deadline=None, max_examples=200)
@given(tensors(), st.booleans())
def test_round_trip_through_the_servers_dialect(array, binary):
    from modelport.core.messages import InferenceResponse
    from modelport.core.signature import Signature, TensorSpec

    spec = TensorSpec("X", datatype_of(array), None)
    signature = Signature((spec,), (spec,))
    texts = array.ravel().tolist() if array.dtype == np.object_ else []
    assume(binary or not any(bytes([byte]) >= b"\x80" for text in texts for byte in text))
    body, headers = body_and_headers({"X": array}, None, "", None, binary=binary)
    call = HttpCall(body, {name.lower().encode(): value.encode() for name, value in headers.items()})
    request, encode = OpenInference().decode(call, signature)
    reply = encode(InferenceResponse("m", 1, request.inputs))
    content = reply.body if isinstance(reply.body, bytes) else b"".join(bytes(part) for part in reply.body)
    reply_headers = {name.decode(): value.decode() for name, value in reply.headers}
    result = inference_result(Response(reply.status, reply_headers, content))["X"]
    assert result.shape == array.shape
    assert result.dtype == array.dtype
    if array.dtype == np.object_:
        assert result.tolist() == array.tolist()
    elif binary:
        assert result.tobytes() == array.tobytes()
    else:
        np.testing.assert_array_equal(result.astype(np.float64), array.astype(np.float64))


@pytest.mark.parametrize("datatype", NUMERIC)
def test_json_requests_carry_flat_lists(datatype):
    body, headers = body_and_headers({"X": np.ones((2, 2), DTYPES[datatype])}, ["Y"], "", None, binary=False)
    assert headers == {"Content-Type": "application/json"}
    one = True if datatype == "BOOL" else 1
    assert json.loads(body) == {
        "inputs": [{"name": "X", "shape": [2, 2], "datatype": datatype, "data": [one] * 4}],
        "outputs": [{"name": "Y"}],
    }


@pytest.mark.parametrize("data", [[1.5, None, 2], [[1.5, None, 2]]])
def test_null_in_a_float_output_is_nan(data):
    outputs = [{"name": "Y", "datatype": "FP32", "shape": [1, 3], "data": data}]
    result = inference_result(Response(200, {}, json.dumps({"model_name": "m", "outputs": outputs}).encode()))
    np.testing.assert_array_equal(result["Y"], np.array([[1.5, np.nan, 2]], np.float32))
    assert result.version == ""


def answer(outputs, raw=b"", length=None):
    text = json.dumps({"model_name": "m", "outputs": outputs}).encode()
    headers = {} if length is None else {HEADER_LENGTH.lower(): length or str(len(text))}
    return Response(200, headers, text + raw)


@pytest.mark.parametrize(
    ("response", "says"),
    [
        (Response(200, {}, b"<html>"), "not valid JSON"),
        (Response(200, {}, b"[]"), "not of the Open Inference Protocol"),
        (Response(200, {}, b"{}"), "lacks 'outputs'"),
        (answer([{"name": "Y", "datatype": "FP32", "shape": [1]}]), "lacks 'data'"),
        (answer([{"name": "Y", "datatype": "FP99", "shape": [1], "data": [1]}]), "FP99"),
        (answer([{"name": "Y", "datatype": "FP32", "shape": [-1], "data": [1]}]), "shape"),
        (answer([{"name": "Y", "datatype": "FP32", "shape": [2], "data": [1]}]), "1 elements"),
        (
            answer(
                [{"name": "Y", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": 8}}], b"1234", ""
            ),
            "8",
        ),
        (
            answer([{"name": "Y", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": -8}}], b"1", ""),
            "8",
        ),
        (answer([], b"", "999"), "999"),
        (answer([], b"", "abc"), "abc"),
    ],
)
def test_an_answer_that_is_not_of_the_protocol_is_the_servers_fault(response, says):
    with pytest.raises(InternalError, match="server's answer") as caught:
        inference_result(response)
    assert says in str(caught.value)


def test_a_refusal_is_its_error():
    with pytest.raises(NotFoundError, match="no model"):
        inference_result(Response(404, {}, b'{"error": "no model"}'))


def test_bytes_that_are_no_text_need_binary():
    with pytest.raises(InvalidInputError, match=r"'X' holds bytes that are not UTF-8.*dialect=.binary."):
        inference_body({"X": np.array([b"\xff"], np.object_)}, None, "", None, binary=False)


def test_every_dtype_has_its_name():
    assert set(NAMES.values()) == set(DTYPES)
