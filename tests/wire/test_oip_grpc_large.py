"""Large ModelInfer messages: what is read once is known again, and where their tensors begin."""

import numpy as np
import pytest
from test_oip_grpc_messages import decode, finder, request
from wire_cases import one_input, refusal, same

from modelport.core.signature import Signature, TensorSpec
from modelport.wire import open_inference_grpc
from modelport.wire.open_inference_grpc import OpenInferenceGrpc
from modelport.wire.open_inference_grpc_heads import LONGEST_MESSAGE
from modelport.wire.open_inference_grpc_scan import raw_start


def large(seed=0, request_id="", columns=LONGEST_MESSAGE // 4, names=("x",)):
    values = np.random.default_rng(seed).random((len(names), 1, columns), np.float32)
    return values, request(
        *[(name, "FP32", array) for name, array in zip(names, values, strict=True)], request_id=request_id
    )


def test_large_messages_that_begin_like_others_are_not_parsed_again(monkeypatch):
    dialect = OpenInferenceGrpc()
    signature = Signature(tuple(TensorSpec(name, "FP32", (-1, -1)) for name in ("x", "y")), ())
    for seed in range(2):
        decode(large(seed, names=("x", "y"))[1], signature, dialect)
    monkeypatch.setattr(open_inference_grpc, "scan", None)  # what is not known can't be read any more
    for seed in range(2, 5):
        values, made = large(seed, names=("x", "y"))
        data = made.SerializeToString()
        for message in (data, memoryview(bytearray(data)), memoryview(b"..." + data)[3:]):
            read = dialect.decode(message, finder(signature))[1]
            assert [*read.inputs] == ["x", "y"]
            for array, wanted in zip(read.inputs.values(), values, strict=True):
                assert same(array, wanted)
                assert array.flags.aligned


def test_large_messages_of_one_length_may_differ():
    dialect = OpenInferenceGrpc()
    signature = Signature(tuple(TensorSpec(name, "FP32", (-1, -1)) for name in "xyz"), ())
    for seed, names in enumerate([("x", "y", "z"), ("x", "z", "y"), ("z", "y", "x")] * 4):
        values, made = large(seed, names=names)
        read = decode(made, signature, dialect)[1]
        assert {name: array.tolist() for name, array in read.inputs.items()} == {
            name: array.tolist() for name, array in zip(names, values, strict=True)
        }


def test_what_stands_between_large_tensors_is_looked_at():
    dialect = OpenInferenceGrpc()
    signature = Signature(tuple(TensorSpec(name, "FP32", (-1, -1)) for name in ("x", "y")), ())
    made = large(names=("x", "y"))[1]
    for _ in range(3):
        decode(made, signature, dialect)
    data = bytearray(made.SerializeToString())
    second = data.index(made.raw_input_contents[1])
    assert data[second - 4] == 0x3A  # the tag of raw_input_contents
    data[second - 4] = 0x42
    assert "one is missing" in refusal(decode, bytes(data), signature, dialect)


@pytest.mark.parametrize("first", ["", "an id"])
def test_large_messages_with_ids_that_differ(monkeypatch, first):
    dialect = OpenInferenceGrpc()
    signature = Signature(tuple(TensorSpec(name, "FP32", (-1, -1)) for name in ("x", "y")), ())
    for _ in range(2):
        decode(large(0, first, names=("x", "y"))[1], signature, dialect)
    monkeypatch.setattr(open_inference_grpc, "scan", None)  # what is not known can't be read any more
    for seed, request_id in enumerate(["1", "", "1", "a longer one", "ü" * 60]):
        values, made = large(seed, request_id, names=("x", "y"))
        read = decode(made, signature, dialect)[1]
        assert read.id == request_id
        for array, wanted in zip(read.inputs.values(), values, strict=True):
            assert same(array, wanted)
            assert array.flags.aligned


def test_large_messages_of_texts_are_not_learned():
    dialect, texts = OpenInferenceGrpc(), np.array([[b"x" * LONGEST_MESSAGE]], object)
    for request_id in ("", "", "1", "1"):
        read = decode(request(("x", "BYTES", texts), request_id=request_id), one_input("BYTES", (-1, -1)), dialect)[1]
        assert (read.id, read.inputs["x"].tolist()) == (request_id, texts.tolist())
    assert (dialect._heads._count, dialect._heads._lengths) == (0, set())


def test_a_large_head_is_not_used_for_another_signature():
    dialect, made = OpenInferenceGrpc(), large()[1]
    for _ in range(3):
        decode(made, one_input("FP32", (-1, -1)), dialect)
    other = Signature((TensorSpec("other", "FP32", (-1, -1)),), ())
    assert "unknown input 'x'" in refusal(decode, made, other, dialect)


def test_lengths_of_large_messages_are_not_kept_without_bound():
    dialect = OpenInferenceGrpc()
    for columns in range(2000):
        decode(large(columns=LONGEST_MESSAGE // 4 + columns)[1], one_input("FP32", (-1, -1)), dialect)
    heads = dialect._heads
    assert len(heads._lengths) <= 1024
    assert heads._count == 0


@pytest.mark.parametrize("outputs", [0, 3])
def test_where_the_first_raw_tensor_begins(outputs):
    array, made = large()
    for number in range(outputs):
        made.outputs.add(name=f"{number}" * 100)
    data = made.SerializeToString()
    start = data.index(array.tobytes())
    assert raw_start(data) == start
    assert raw_start(data[: start + 10]) == start
    assert [raw_start(data[:size]) for size in (0, 1, 5, start - 5)] == [0] * 4
    assert raw_start(bytes(100_000)) == 0
    assert raw_start(b"\x08\x00" * 100_000 + data) == 0  # so far nobody looks


def test_the_first_raw_tensor_behind_long_fields():
    array, made = large()
    made.parameters["long"].string_param = "x" * 300
    made.parameters["number"].double_param = 0.5
    data = made.SerializeToString()
    assert raw_start(data) == data.index(array.tobytes())
