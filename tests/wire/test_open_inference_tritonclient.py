"""Requests exactly as Triton's own client writes them, and replies as it reads them."""

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.http._utils import _get_inference_request
from wire_cases import DIALECT, answer, decode, one_input, same, samples

from modelport.core.datatypes import DTYPES
from modelport.core.messages import InferenceResponse
from modelport.wire.http import HttpCall


def written(array, datatype, binary, outputs=None, request_id=""):
    """The body and the headers of the client's request."""
    given = triton.InferInput("x", list(array.shape), datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    raw, length = _get_inference_request([given], request_id, outputs, 0, False, False, 0, None, None)
    return raw, {} if length is None else {b"inference-header-content-length": b"%d" % length}


@pytest.mark.parametrize("datatype", DTYPES)
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("shape", [(2, 3), (6, 1), (0, 3)])
def test_requests_of_the_client_are_read_bit_for_bit(datatype, binary, shape):
    if datatype == "BF16" and not binary:
        pytest.skip("the client sends BF16 as binary data only")
    array = samples(datatype).ravel()[: int(np.prod(shape))].reshape(shape)
    raw, headers = written(array, datatype, binary)
    assert same(decode(raw, one_input(datatype, (-1, -1)), headers).inputs["x"], array)


def test_nan_as_the_client_writes_it():
    array = np.array([[np.nan, np.inf, -np.inf]], np.float32)
    raw, headers = written(array, "FP32", False)
    assert same(decode(raw, one_input(), headers).inputs["x"], array)


@pytest.mark.parametrize("datatype", DTYPES)
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("shape", [(2, 3), (6,), (1, 6), (0, 3)])
def test_replies_are_read_by_the_client_bit_for_bit(datatype, binary, shape):
    array = samples(datatype).ravel()[: int(np.prod(shape))].reshape(shape)
    asked = [triton.InferRequestedOutput("y", binary_data=binary)]
    raw, headers = written(np.ones((1, 3), np.float32), "FP32", True, asked, "id-1")
    request, encode = DIALECT.decode(HttpCall(raw, headers), one_input())
    assert (request.id, request.outputs) == ("id-1", ("y",))
    whole, sent = answer({"y": array}, encode, request.id)
    length = sent.get(b"inference-header-content-length")
    result = triton.InferResult.from_response_body(whole, header_length=None if length is None else int(length))
    got = result.as_numpy("y")
    if datatype == "BYTES" and not binary:
        got = np.array([item.encode() for item in got.ravel()], object).reshape(got.shape)
    assert same(got, array)
    described = result.get_output("y")
    assert (described["datatype"], described["shape"]) == (datatype, list(shape))
    assert result.get_response()["id"] == "id-1"


def test_without_outputs_the_client_asks_for_everything_as_binary():
    raw, headers = written(samples("FP32"), "FP32", True)
    _, encode = DIALECT.decode(HttpCall(raw, headers), one_input())
    reply = encode(InferenceResponse("m", 1, {"y": samples("INT64")}))
    assert reply.content_type == b"application/octet-stream"
    whole = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
    assert whole.endswith(samples("INT64").tobytes())
