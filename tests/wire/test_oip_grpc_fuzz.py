"""Arbitrary messages raise nothing but ModelportError, and the quick ways read what the careful way reads."""

import contextlib
import json

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from test_oip_grpc_messages import X, finder, request
from tritonclient.grpc import service_pb2
from wire_cases import one_input, same

from modelport.core.errors import ModelportError
from modelport.core.signature import Signature, TensorSpec
from modelport.wire import open_inference_grpc
from modelport.wire.http import HttpCall
from modelport.wire.open_inference_generate import Generate
from modelport.wire.open_inference_grpc import OpenInferenceGrpc
from modelport.wire.open_inference_grpc_scan import scan

TWO = Signature((TensorSpec("a", "FP32", (-1, -1)), TensorSpec("b", "INT64", (-1,))), (TensorSpec("y", "FP32", (-1,)),))
GOOD = request(("x", "FP32", X), request_id="1").SerializeToString()


def outcome(dialect, data, signature=None):
    """What a message means: arrays and all, or the error."""
    try:
        _, read, _ = dialect.decode(data, finder(signature))
    except ModelportError as error:
        return type(error), str(error)
    arrays = {name: (array.dtype, array.shape, array.tobytes()) for name, array in read.inputs.items()}
    return arrays, read.outputs, read.id, read.parameters


def careful():
    """A dialect that remembers nothing."""
    made = OpenInferenceGrpc()
    made._learn = lambda *_: None
    return made


@given(st.binary(max_size=300))
@example(b"")
@example(b"\x0a\x7f")
def test_any_bytes(data):
    with contextlib.suppress(ModelportError):
        OpenInferenceGrpc().decode(data, finder())


@given(st.data())
def test_damaged_messages_mean_the_same_to_one_that_remembers_and_one_that_does_not(data):
    remembering = OpenInferenceGrpc()
    remembering.decode(request(("x", "FP32", X)).SerializeToString(), finder())
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    whole = bytes(damaged[:cut] + data.draw(st.binary(max_size=4)))
    assert outcome(remembering, whole) == outcome(careful(), whole)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.text(max_size=3)), max_size=12))
def test_a_remembering_dialect_reads_what_a_careful_one_reads(shapes):
    remembering = OpenInferenceGrpc()
    for rows, columns, count, request_id in shapes:
        a = np.random.default_rng(rows).random((rows, columns), np.float32)
        data = request(("a", "FP32", a), ("b", "INT64", np.arange(count)), request_id=request_id).SerializeToString()
        assert outcome(remembering, data, TWO) == outcome(careful(), data, TWO)


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_the_scanner_finds_what_the_parser_finds(before, after):
    """Around a good message: where both can read, they read the same raw contents."""
    data = before + GOOD + after
    spans = scan(data)
    try:
        parsed = service_pb2.ModelInferRequest.FromString(data)
    except Exception:
        return
    if spans is None:
        return
    assert [data[start:end] for start, end in spans.raw] == list(parsed.raw_input_contents)
    rest = b"".join(data[start:end] for start, end in spans.rest)
    again = service_pb2.ModelInferRequest.FromString(rest)
    del parsed.raw_input_contents[:]
    assert again == parsed


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=8,
)


@given(values, st.sampled_from(["FP32", "INT8", "BOOL", "BYTES", "BF16"]), st.sampled_from([None, (-1,), (-1, 3)]))
def test_any_value_of_a_generate_request(value, datatype, shape):
    for body in (json.dumps({"x": value}), json.dumps({"x": 1, "id": value}), json.dumps(value)):
        with contextlib.suppress(ModelportError):
            Generate().decode(HttpCall(body.encode()), one_input(datatype, shape))


@given(st.binary(max_size=60))
def test_any_bytes_as_a_generate_request(data):
    with contextlib.suppress(ModelportError):
        Generate().decode(HttpCall(data), one_input())


def test_large_messages_mean_what_small_ones_mean(monkeypatch):
    array = np.arange(30, dtype=np.float32).reshape(-1, 3)
    made = request(("x", "FP32", array), request_id="i")
    made.outputs.add(name="y")
    small = OpenInferenceGrpc().decode(made.SerializeToString(), finder())[1]
    monkeypatch.setattr(open_inference_grpc, "LONGEST_MESSAGE", 0)
    large = OpenInferenceGrpc().decode(made.SerializeToString(), finder(one_input()))[1]
    assert same(small.inputs["x"], large.inputs["x"])
    assert (small.id, small.outputs) == (large.id, large.outputs)
