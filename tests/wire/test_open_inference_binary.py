"""The remembered heads of binary requests and replies: the same as the careful way, errors among it."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_cases import DIALECT, NUMERIC, decode_binary, one_input, refusal, same, samples

from modelport.core.batch import Batch, BatchedResponse
from modelport.core.datatypes import BYTES, datatype_of
from modelport.core.messages import InferenceResponse
from modelport.wire.http import HttpCall
from modelport.wire.open_inference_binary import encode_tensors

LENGTH = b"inference-header-content-length"


def head_of(datatype, shape, size, **more):
    described = {"name": "x", "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}
    return json.dumps({"inputs": [described], **more}).encode()


@pytest.mark.parametrize("datatype", NUMERIC)
@pytest.mark.parametrize("padding", range(4))
def test_a_head_that_comes_again_is_read_to_the_same(datatype, padding):
    array, signature = samples(datatype)[:1], one_input(datatype, (-1, -1))
    head = head_of(datatype, list(array.shape), array.nbytes, id="a", parameters={"binary_data_output": True})
    head += b" " * padding  # every alignment of what follows
    for given_array in (array, array[:, ::-1].copy()):
        request = decode_binary(head, given_array.tobytes(), signature)
        assert same(request.inputs["x"], given_array)
        assert (request.id, request.parameters) == ("a", {"binary_data_output": True})


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=6))
def test_whatever_follows_a_known_head_is_read_or_refused_as_the_first_time(bodies):
    head, known = head_of("FP32", [1, 3], 12), one_input()
    decode_binary(head, bytes(12), known)
    for binary in bodies:
        outcomes = []
        for signature in (known, one_input()):
            try:
                outcomes.append(decode_binary(head, binary, signature).inputs["x"].tobytes())
            except Exception as error:
                outcomes.append((type(error), str(error)))
        assert outcomes[0] == outcomes[1]


def test_a_known_head_with_other_bytes_behind_it_is_refused():
    head, signature = head_of("FP32", [1, 3], 12), one_input()
    decode_binary(head, bytes(12), signature)
    assert "only 8 are left" in refusal(decode_binary, head, bytes(8), signature)
    assert "1 bytes of binary data are left over" in refusal(decode_binary, head, bytes(13), signature)


def test_large_tensors_are_views_where_they_are_aligned():
    array, signature = np.arange(60_000, dtype=np.float32).reshape(-1, 3), one_input()
    head = head_of("FP32", list(array.shape), array.nbytes)
    for padding in range(8):
        for _ in range(2):
            assert same(decode_binary(head + b" " * padding, array.tobytes(), signature).inputs["x"], array)


def parts(reply):
    whole = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
    length = int(dict(reply.headers)[LENGTH])
    return json.loads(whole[:length]), whole[length:]


@pytest.mark.parametrize("datatype", [name for name in NUMERIC if name != "BOOL"])
@pytest.mark.parametrize("request_id", ["", 'an "id"'])
def test_replies_say_what_the_bytes_are(datatype, request_id):
    array = samples(datatype)
    for _ in range(2):
        reply = encode_tensors(InferenceResponse("m", 3, {"y": array, "z": array[:1]}, request_id))
        head, raw = parts(reply)
        assert head.get("id", "") == request_id
        assert (head["model_name"], head["model_version"]) == ("m", "3")
        sizes = [output["parameters"]["binary_data_size"] for output in head["outputs"]]
        assert [output["shape"] for output in head["outputs"]] == [list(array.shape), [1, *array.shape[1:]]]
        assert {output["datatype"] for output in head["outputs"]} == {datatype_of(array)}
        assert (raw[: sizes[0]], raw[sizes[0] :]) == (array.tobytes(), array[:1].tobytes())


def test_rows_of_a_batch_are_cut_out_of_it():
    outputs = {"label": np.arange(5), "scores": np.arange(10, dtype=np.float32).reshape(5, 2)}
    batch = Batch(outputs)
    for start, end in [(0, 1), (4, 5), (1, 4)]:
        reply = encode_tensors(BatchedResponse("m", 1, batch, start, end, "7"))
        alone = {name: array[start:end].copy() for name, array in outputs.items()}
        assert parts(reply) == parts(encode_tensors(InferenceResponse("m", 1, alone, "7")))


@pytest.mark.parametrize("array", [np.array([True]), np.array([b"x"], object)])
def test_what_is_not_plain_numbers_goes_the_careful_way(array):
    assert encode_tensors(InferenceResponse("m", 1, {"y": array})) is None
    assert encode_tensors(BatchedResponse("m", 1, Batch({"y": array}), 0, 1, "")) is None
    signature = one_input("BOOL" if array.dtype == bool else BYTES, (-1,))
    raw = b"\x02" if array.dtype == bool else b"\1\0\0\0x"
    head = head_of(signature.inputs[0].datatype, [1], len(raw))
    for _ in range(2):
        assert same(decode_binary(head, raw, signature).inputs["x"], array)


def test_heads_that_are_never_the_same_do_not_pile_up():
    signature = one_input()
    for number in range(2000):
        DIALECT.decode(
            HttpCall((head := head_of("FP32", [1, 3], 12, id=str(number))) + bytes(12), {LENGTH: b"%d" % len(head)}),
            signature,
        )
    assert len(signature.memo["open_inference.plans"]) <= 512
