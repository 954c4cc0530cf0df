"""ModelInfer's messages: what is read from them, what is refused and why, and what is written."""

import numpy as np
import pytest
from tritonclient.grpc import service_pb2
from wire_cases import MIXED, NUMERIC, one_input, refusal, same, samples

from modelport.core.batch import Batch, BatchedResponse
from modelport.core.datatypes import DTYPES
from modelport.core.errors import Kind, NotFoundError
from modelport.core.messages import InferenceResponse
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.grpc import STATUS
from modelport.wire.open_inference_grpc import OpenInferenceGrpc, id_of, model_of
from modelport.wire.open_inference_grpc_heads import LONGEST_MESSAGE
from modelport.wire.open_inference_grpc_messages import message, put_parameters
from modelport.wire.open_inference_grpc_scan import scan
from modelport.wire.tensors import raw_from_array

CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


class Served:
    """What a dialect sees of a version."""

    def __init__(self, signature):
        self.signature = signature


def finder(signature=None):
    served = Served(signature or one_input())

    def find(name, version):
        if name != "m":
            raise NotFoundError(f"no model {name!r}")
        return served

    return find


def request(*tensors, model="m", version="", request_id="", **more):
    """A message of the official classes; a tensor is (name, datatype, array) and goes raw."""
    made = service_pb2.ModelInferRequest(model_name=model, model_version=version, id=request_id, **more)
    for name, datatype, array in tensors:
        made.inputs.add(name=name, datatype=datatype, shape=array.shape)
        made.raw_input_contents.append(bytes(raw_from_array(array)))
    return made


def typed(datatype, array, field=None):
    made = service_pb2.ModelInferRequest(model_name="m")
    contents = made.inputs.add(name="x", datatype=datatype, shape=array.shape).contents
    getattr(contents, field or CONTENTS[datatype]).extend(array.ravel().tolist())
    return made


def decode(made, signature=None, dialect=None):
    data = made if isinstance(made, bytes) else made.SerializeToString()
    return (dialect or OpenInferenceGrpc()).decode(data, finder(signature))


def text(made, signature=None):
    return refusal(decode, made, signature)


def answered(response, encode):
    """A reply, read by the official class."""
    whole = encode(response)
    return service_pb2.ModelInferResponse.FromString(whole if isinstance(whole, bytes) else b"".join(whole))


X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize("datatype", [*NUMERIC, "BYTES"])
@pytest.mark.parametrize("times", [1, 3], ids=["first", "again"])
def test_raw_contents_of_every_datatype(datatype, times):
    dialect, array = OpenInferenceGrpc(), samples(datatype)
    for _ in range(times):
        _, read, encode = decode(request(("x", datatype, array)), one_input(datatype), dialect)
        assert same(read.inputs["x"], array)
        assert read.inputs["x"].flags.aligned
    reply = answered(InferenceResponse("m", 3, {"y": array}), encode)
    assert (reply.model_name, reply.model_version, reply.outputs[0].datatype) == ("m", "3", datatype)
    assert list(reply.outputs[0].shape) == [2, 3]
    assert reply.raw_output_contents[0] == bytes(raw_from_array(array))


@pytest.mark.parametrize("datatype", CONTENTS)
def test_typed_contents(datatype):
    array = samples(datatype)
    assert same(decode(typed(datatype, array), one_input(datatype))[1].inputs["x"], array)
    empty = np.empty((0, 3), DTYPES[datatype])
    assert same(decode(typed(datatype, empty), one_input(datatype))[1].inputs["x"], empty)


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
def test_half_precision_comes_raw_only(datatype):
    made = typed(datatype, np.ones((1, 3), np.float32), "fp32_contents")
    assert text(made, one_input(datatype)) == (
        f"input 'x' is {datatype}, which has no typed contents: send raw_input_contents"
    )


def test_typed_contents_in_the_wrong_list_or_out_of_range():
    wrong = typed("FP32", np.ones((1, 3), np.int64), "int64_contents")
    assert text(wrong) == "input 'x' is FP32, so its contents belong in fp32_contents, not in int64_contents"
    large = typed("INT8", np.array([[1, 2, 128]]))
    assert text(large, one_input("INT8")) == "input 'x' has a value outside INT8, which is -128 to 127"
    few = typed("FP32", np.ones((1, 2), np.float32))
    few.inputs[0].shape[1] = 3
    assert text(few) == "input 'x' has 2 elements of data, but its shape [1, 3] needs 3"


def test_several_inputs_raw_and_in_any_order():
    number, words = np.ones((2, 2), np.float32), np.array([b"a", b"bc"], object)
    made = request(("text", "BYTES", words), ("number", "FP32", number))
    read = decode(made, MIXED)[1]
    assert list(read.inputs) == ["text", "number"]
    assert same(read.inputs["text"], words)
    assert same(read.inputs["number"], number)


def test_parameters_ids_versions_and_outputs():
    made = request(("x", "FP32", X), version="3", request_id="an id")
    made.outputs.add(name="y")
    for name, value in {"flag": True, "n": -5, "big": 2**63, "d": 0.5, "s": "text"}.items():
        put_parameters(made.parameters, {name: value})
    _, read, _ = decode(made)
    assert read.parameters == {"flag": True, "n": -5, "big": 2**63, "d": 0.5, "s": "text"}
    assert (read.id, read.outputs) == ("an id", ("y",))


def test_errors_name_what_is_wrong():
    assert "no model 'n'" in text(request(("x", "FP32", X), model="n"))
    assert text(request(("x", "FP32", X), version="one")) == "'one' is not a version: versions are numbered 1, 2, 3 …"
    assert "unknown input 'z'" in text(request(("z", "FP32", X)))
    assert "given twice" in text(request(("x", "FP32", X), ("x", "FP32", X)))
    assert "missing input 'x'" in text(service_pb2.ModelInferRequest(model_name="m"))
    assert "datatype FP64, but the model takes x FP32" in text(request(("x", "FP64", X.astype("f8"))))
    assert "shape [2, 2], but the model takes" in text(request(("x", "FP32", X[:, :2].copy())))
    assert "not a inference.ModelInferRequest" in text(b"\xff\xff")
    nameless = request(("x", "FP32", X))
    nameless.outputs.add(name="why")
    assert "unknown output 'why'" in text(nameless)


def test_raw_contents_must_match_the_inputs():
    made = request(("x", "FP32", X))
    made.raw_input_contents.append(b"more")
    assert text(made) == "1 raw_input_contents are left over behind the last input"
    short = request(("x", "FP32", X))
    short.raw_input_contents[0] = b"1234"
    assert text(short) == "input 'x' has 4 bytes of data, but its shape [2, 3] of FP32 needs 24"
    both = request(("x", "FP32", X))
    both.inputs[0].contents.fp32_contents.append(1)
    assert text(both) == "input 'x' has both contents and raw_input_contents"
    none = request(("x", "FP32", X))
    del none.raw_input_contents[:]
    assert text(none) == "input 'x' has neither raw_input_contents nor fp32_contents"
    one = request(("number", "FP32", np.ones((1, 2), np.float32)), ("text", "BYTES", np.array([b"a"], object)))
    del one.raw_input_contents[1]
    assert text(one, MIXED) == "input 'text' has none of the 1 raw_input_contents: one is missing"


def test_large_messages_are_not_copied():
    array = np.arange(LONGEST_MESSAGE, dtype=np.uint8).reshape(1, -1)
    data = request(("x", "UINT8", array), request_id="i").SerializeToString()
    _, read, encode = decode(data, one_input("UINT8", (-1, -1)))
    assert same(read.inputs["x"], array)
    assert np.shares_memory(read.inputs["x"], np.frombuffer(data, np.uint8))
    buffers = encode(InferenceResponse("m", 1, {"y": array}, "i"))
    assert any(np.shares_memory(np.frombuffer(buffer, np.uint8), array) for buffer in buffers)
    reply = service_pb2.ModelInferResponse.FromString(b"".join(buffers))
    assert (reply.id, reply.raw_output_contents[0]) == ("i", array.tobytes())


def test_a_batch_is_cut_into_its_requests_rows():
    outputs = {"y": np.arange(12, dtype=np.float32).reshape(4, 3), "n": np.arange(4)}
    batch = Batch(outputs)
    encode = decode(request(("x", "FP32", X)))[2]
    for start, end, request_id in [(0, 1, ""), (1, 2, "id"), (2, 4, "")]:
        reply = answered(BatchedResponse("m", 7, batch, start, end, request_id), encode)
        assert (reply.id, reply.model_version) == (request_id, "7")
        assert [list(item.shape) for item in reply.outputs] == [[end - start, 3], [end - start]]
        assert list(reply.raw_output_contents) == [array[start:end].tobytes() for array in outputs.values()]
    words = BatchedResponse("m", 1, Batch({"t": np.array([b"a", b"bc"], object)}), 1, 2, "")
    assert list(answered(words, encode).raw_output_contents) == [b"\2\0\0\0bc"]


def test_text_that_a_model_gave_is_written_as_bytes():
    encode = decode(request(("x", "FP32", X)))[2]
    reply = answered(InferenceResponse("m", 1, {"t": np.array(["a", "ü"])}), encode)
    assert (reply.outputs[0].datatype, reply.raw_output_contents[0]) == ("BYTES", b"\1\0\0\0a\2\0\0\0\xc3\xbc")


def test_a_remembered_head_is_not_used_for_another_signature():
    dialect, made = OpenInferenceGrpc(), request(("x", "FP32", X))
    decode(made, None, dialect)
    decode(made, None, dialect)
    other = Signature((TensorSpec("other", "FP32", (-1, 3)),), ())
    assert "unknown input 'x'" in refusal(decode, made, other, dialect)


def test_the_memory_of_heads_is_bounded():
    dialect = OpenInferenceGrpc()
    for rows in range(1, 2000):
        decode(request(("x", "FP32", np.zeros((rows, 3), np.float32))), None, dialect)
    assert sum(len(known.heads) for known in dialect._heads._by_length.values()) <= 1024


def test_ids_that_differ_take_the_quick_way_too():
    dialect = OpenInferenceGrpc()
    decode(request(("x", "FP32", X)), None, dialect)
    for request_id in ("", "1", "a longer one", "ü" * 60, "x" * 200):
        data = request(("x", "FP32", X), request_id=request_id).SerializeToString()
        read = decode(data, None, dialect)[1]
        assert (read.id, read.inputs["x"].tolist()) == (request_id, X.tolist())


def test_what_is_told_about_refused_requests():
    data = request(("x", "FP32", X), request_id="7").SerializeToString()
    assert (model_of(data), id_of(data)) == ("m", "7")
    assert (model_of(b"\xff"), id_of(b"\xff")) == ("", "")


def test_a_message_that_ends_early_is_not_scanned():
    data = request(("x", "FP32", X)).SerializeToString()
    assert scan(data) is not None
    assert all(scan(data[:size]) is None or size in _boundaries(data) for size in range(len(data)))


def _boundaries(data):
    """Where a top-level field begins."""
    spans = scan(data)
    whole = service_pb2.ModelInferRequest.FromString(data)
    head = service_pb2.ModelInferRequest(model_name=whole.model_name).SerializeToString()
    return {0, len(head), *(start for start, _ in spans.rest), *(end for _, end in spans.rest)}


def test_every_kind_has_a_status():
    assert STATUS.keys() == set(Kind)
    assert all(1 <= code <= 16 for code in STATUS.values())


@pytest.mark.parametrize("name", ["service_pb2", "model_config_pb2"])
def test_our_messages_are_the_official_ones(name):
    """Each field that we know has the number, type and label of the official package's."""
    import importlib

    official = importlib.import_module(f"tritonclient.grpc.{name}").DESCRIPTOR
    compared = 0
    for full_name, theirs in official.message_types_by_name.items():
        try:
            ours = message(full_name).DESCRIPTOR
        except KeyError:
            continue
        compared += _compare(ours, theirs)
    assert compared > 10


def _compare(ours, theirs):
    for field in ours.fields:
        other = theirs.fields_by_name[field.name]
        assert (field.number, field.type, field.is_repeated) == (other.number, other.type, other.is_repeated), field
    for nested in ours.nested_types:
        if not nested.GetOptions().map_entry:
            _compare(nested, theirs.nested_types_by_name[nested.name])
    return len(ours.fields)
