"""Whatever the bytes and headers, the platforms' dialects give arrays that fit, or raise one of the error tree."""

import io
import json

import numpy as np
import pytest
from hosted_cases import ALL, respond
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from modelport.core.errors import ModelportError
from modelport.wire.azureml import AzureMl
from modelport.wire.http import HttpCall
from modelport.wire.invocations import Invocations
from modelport.wire.mlflow import Mlflow
from modelport.wire.sagemaker import SageMaker
from modelport.wire.torchserve import TorchServe, TorchServeExplanations
from modelport.wire.vertex import VertexAi

DIALECTS = [TorchServe(), TorchServeExplanations(), SageMaker(), Mlflow(), Invocations(), VertexAi(), AzureMl(("*",))]
more = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=2000)


def check(raw, headers, signature):
    for dialect in DIALECTS:
        dialect.model_of(headers)
        try:
            request, encode = dialect.decode(HttpCall(raw, headers), signature)
        except ModelportError as error:
            json.loads(dialect.refuse(error).body)
            continue
        signature.check_inputs(request.inputs)
        assert all(array.flags.aligned and array.dtype.isnative for array in request.inputs.values())
        try:
            reply = encode(respond(signature, 2, request.outputs))
        except ModelportError as error:
            json.loads(dialect.refuse(error).body)
            continue
        assert reply.status == 200
        for name, value in reply.headers:
            assert b"\n" not in name + value


TYPES = [
    "", "application/json", "text/csv", "text/csv; header=present", "text/csv;header=absent", "application/x-npy",
    "application/jsonlines", "text/plain", "image/png", "application/octet-stream", "multipart/form-data; boundary=X",
    "multipart/form-data", "application/json; charset=utf-16", "application/x-www-form-urlencoded", ";;=",
]  # fmt: skip
ACCEPTS = ["", "*/*", "text/csv", "application/x-npy", "application/jsonlines", "text/html", "q=;;", "text/csv;q=nan"]
headers = st.fixed_dictionaries(
    {},
    optional={
        b"content-type": st.sampled_from(TYPES).map(str.encode) | st.binary(max_size=20),
        b"accept": st.sampled_from(ACCEPTS).map(str.encode) | st.binary(max_size=20),
        b"x-amzn-sagemaker-target-model": st.binary(max_size=10),
        b"x-amzn-sagemaker-custom-attributes": st.sampled_from([b"outputs=label", b"outputs=|", b"a=b", b"="]),
        b"x-request-id": st.text("ab-", max_size=120).map(str.encode),
        b"origin": st.sampled_from([b"http://a", b""]),
    },
)
WORDS = (
    "instances inputs data columns index dataframe_split dataframe_records params parameters outputs label Inputs "
    "GlobalParameters input_data features values keys X x n a b c age city text b64 predictions 0 1 2 scores value"
)
words = st.sampled_from([*WORDS.split(), "", "\ud800", "é"])
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-2, 3), st.floats(), st.text(max_size=4), words, st.just([])
)
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4), max_leaves=12
)
rows = st.lists(st.lists(leaves | st.floats(-9, 9), min_size=1, max_size=4), max_size=3)
frames = st.fixed_dictionaries(
    {"data": rows | documents}, optional={"columns": st.lists(words | leaves, max_size=4) | documents, "index": leaves}
)
requests = st.dictionaries(words, documents | rows | frames, max_size=3)
signatures = st.sampled_from(ALL)


@more
@given(raw=st.binary(max_size=120), sent=headers, signature=signatures)
@example(raw=b"", sent={}, signature=ALL[0])
@example(raw=b"\x93NUMPY\x01\x00", sent={b"content-type": b"application/x-npy"}, signature=ALL[0])
def test_any_bytes(raw, sent, signature):
    check(raw, sent, signature)


@more
@given(document=requests | documents | rows | frames, sent=headers, signature=signatures)
@example(document={"dataframe_split": {"data": [1], "columns": 5}}, sent={}, signature=ALL[0])
@example(document={"input_data": {"data": [[[1, 2], [3]]]}}, sent={}, signature=ALL[0])
@example(document={"instances": [{"b64": 1}]}, sent={}, signature=ALL[1])
def test_any_json(document, sent, signature):
    check(json.dumps(document).encode(), sent, signature)


@more
@given(lines=st.lists(requests | rows | leaves, max_size=4), sent=headers, signature=signatures)
def test_any_json_lines(lines, sent, signature):
    raw = b"\n".join(json.dumps(line).encode() for line in lines)
    check(raw, {**sent, b"content-type": b"application/jsonlines"}, signature)


@more
@given(data=st.data(), signature=signatures, sent=headers)
def test_any_change_of_a_npy_file(data, signature, sent):
    dtype = data.draw(st.sampled_from(["f4", ">f8", "i8", "?", "U3", "S2", "c8", "M8[s]", "f4,i4", "u1", "f2"]))
    shape = data.draw(st.lists(st.integers(0, 4), max_size=4))
    made = io.BytesIO()
    np.save(made, np.zeros(shape, dtype))
    raw = bytearray(made.getvalue())
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    check(bytes(raw), {**sent, b"content-type": b"application/x-npy"}, signature)


@pytest.mark.parametrize("depth", [100, 5000])
def test_deep_nesting(depth):
    for opening, closing in ((b"[", b"]"), (b'{"instances":', b"}"), (b'{"data":', b"}")):
        for signature in ALL:
            check(opening * depth + b"1" + closing * depth, {b"content-type": b"application/json"}, signature)
