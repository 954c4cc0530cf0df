"""TensorProto: every datatype in every form it may come in, and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_cases import one_input, refusal, same, samples

from modelport.core.batch import Batch, BatchedResponse
from modelport.core.datatypes import DTYPES
from modelport.core.messages import InferenceResponse
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.tensor_proto import TYPES, type_name
from modelport.wire.tensor_proto_encoding import encode_tensor
from modelport.wire.tensor_proto_varints import BrokenVarintError, pack_varints, unpack_varints
from modelport.wire.tensorflow_serving_messages import message, schema
from modelport.wire.tensorflow_serving_predict import Predict, PredictReader, QuickPredict
from modelport.wire.tensorflow_serving_responses import encode_predict

ANY = {name: one_input(name, None) for name in DTYPES}
more = settings(max_examples=200, deadline=2000)


def words(array):
    """The elements as a typed field has them."""
    if array.dtype == object:
        return array.ravel().tolist()
    bits = array.ravel().view(np.uint16) if array.dtype in (DTYPES["FP16"], DTYPES["BF16"]) else array.ravel()
    return bits.tolist()


def fill_in(tensor, array, typed=True):
    kind = next(kind for kind in TYPES.values() if DTYPES[kind.datatype] == array.dtype)
    tensor.dtype = kind.number
    tensor.tensor_shape.SetInParent()
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    if typed:
        getattr(tensor, kind.field).extend(words(array))
    else:
        tensor.tensor_content = array.tobytes()


def request_of(array, typed=True, name="x"):
    request = message("PredictRequest")()
    request.model_spec.name = "m"
    fill_in(request.inputs[name], array, typed)
    return request


def read(raw, signature):
    """The array of `x`, read the quick way where there is one and the careful way; both must be the same."""
    reader = PredictReader()
    quick = reader.read(raw).request(raw, signature).inputs["x"]
    again = reader.read(raw).request(raw, signature).inputs["x"]
    careful = Predict(raw).request(raw, signature).inputs["x"]
    assert same(quick, careful)
    assert same(again, careful)
    assert all(array.flags.aligned and array.flags.c_contiguous for array in (quick, again, careful))
    return quick


@pytest.mark.parametrize("datatype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 3), (6,), (1, 2, 3, 1)])
def test_typed_fields(datatype, shape):
    array = samples(datatype).reshape(shape)
    assert same(read(request_of(array).SerializeToString(), ANY[datatype]), array)


@pytest.mark.parametrize("datatype", [name for name in DTYPES if name != "BYTES"])
def test_tensor_content(datatype):
    array = samples(datatype)
    assert same(read(request_of(array, typed=False).SerializeToString(), ANY[datatype]), array)


@pytest.mark.parametrize("datatype", DTYPES)
def test_a_scalar(datatype):
    array = samples(datatype)[0, 1].reshape(()) if datatype != "BYTES" else np.array(b"one", object)
    assert same(read(request_of(array).SerializeToString(), ANY[datatype]), array)


@pytest.mark.parametrize("datatype", DTYPES)
def test_a_last_value_goes_on(datatype):
    values = samples(datatype).ravel()
    request = request_of(values[:2])
    request.inputs["x"].tensor_shape.dim[0].size = 5
    wanted = values[[0, 1, 1, 1, 1]]
    assert same(read(request.SerializeToString(), ANY[datatype]), wanted)


@pytest.mark.parametrize("datatype", DTYPES)
def test_no_values_are_zeros(datatype):
    request = request_of(samples(datatype)[:0])
    request.inputs["x"].tensor_shape.dim[0].size = 2
    array = read(request.SerializeToString(), ANY[datatype])
    assert array.shape == (2, 3)
    assert array.tolist() == ([[b""] * 3] * 2 if datatype == "BYTES" else np.zeros((2, 3)).tolist())


def test_strings_in_tensor_content():
    request = request_of(np.array([b"", b""], object))
    del request.inputs["x"].string_val[:]
    long = b"x" * 300
    request.inputs["x"].tensor_content = b"\x02\xac\x02" + b"ab" + long
    assert read(request.SerializeToString(), ANY["BYTES"]).tolist() == [b"ab", long]
    for broken in (b"\x02", b"\x02\x05ab", b"\x02\x80", b"\x01\x01abc"):
        request.inputs["x"].tensor_content = broken
        raw = request.SerializeToString()
        assert "2 strings" in refusal(lambda raw=raw: read(raw, ANY["BYTES"]))


@pytest.mark.parametrize("datatype", DTYPES)
def test_values_one_by_one_as_old_clients_write_them(datatype):
    """Packed and unpacked numbers mean the same, and so do several packed pieces."""
    array = samples(datatype).ravel()[:2]
    kind = TYPES[datatype]
    if kind.form == "strings":
        return
    fields = request_of(array).inputs["x"]
    single = [fields.__class__.FromString(fields.SerializeToString()) for _ in array]
    for item, value in zip(single, words(array), strict=True):
        del getattr(item, kind.field)[:]
        getattr(item, kind.field).append(value)
        item.ClearField("dtype")
        item.ClearField("tensor_shape")
    head = request_of(array[:0])
    head.inputs["x"].tensor_shape.dim[0].size = 2
    whole = head.inputs["x"].SerializeToString() + b"".join(item.SerializeToString() for item in single)
    entry = b"\x0a\x01x\x12" + bytes([len(whole)]) + whole
    assert same(read(b"\x0a\x03\x0a\x01m\x12" + bytes([len(entry)]) + entry, ANY[datatype]), array)


def test_refusals_say_what_is_wrong():
    base = samples("FP32")
    cases = [
        (lambda tensor: tensor.tensor_shape.dim.add(size=-1), "negative dimension"),
        (lambda tensor: tensor.tensor_shape.dim.add(size=2**62), "needs"),
        (lambda tensor: setattr(tensor.tensor_shape, "unknown_rank", True), "unknown rank"),
        (lambda tensor: setattr(tensor, "dtype", 9), "has dtype DT_INT64, but the model takes x DT_FLOAT"),
        (lambda tensor: setattr(tensor, "dtype", 8), "DT_COMPLEX64"),
        (lambda tensor: setattr(tensor, "dtype", 101), "101"),
        (lambda tensor: tensor.double_val.append(1.0), "belong into float_val, not into double_val"),
        (lambda tensor: tensor.float_val.append(1.0), "has 7 elements of data"),
        (lambda tensor: setattr(tensor, "tensor_content", b"123"), "has 3 bytes of data"),
    ]
    for change, part in cases:
        request = request_of(base)
        change(request.inputs["x"])
        raw = request.SerializeToString()
        text = refusal(lambda raw=raw: PredictReader().read(raw).request(raw, ANY["FP32"]))
        assert part in text


def test_a_shape_alone_does_not_make_a_huge_array():
    request = request_of(np.zeros(1, np.float32))
    request.inputs["x"].tensor_shape.dim[0].size = 1 << 40
    raw = request.SerializeToString()
    assert "filled up" in refusal(lambda: PredictReader().read(raw).request(raw, ANY["FP32"]))


@pytest.mark.parametrize(("datatype", "value"), [("INT8", 128), ("UINT8", -1), ("UINT16", 65536), ("FP16", 65536)])
def test_values_outside_the_type_are_refused(datatype, value):
    request = request_of(np.zeros(0, DTYPES[datatype]))
    request.inputs["x"].tensor_shape.dim[0].size = 3
    getattr(request.inputs["x"], TYPES[datatype].field).extend([0, value, 1])
    raw = request.SerializeToString()
    assert "outside" in refusal(lambda: PredictReader().read(raw).request(raw, ANY[datatype]))
    assert "outside" in refusal(lambda: Predict(raw).request(raw, ANY[datatype]))


@pytest.mark.parametrize("datatype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 3), (6,), (1, 6), (0, 3), ()])
def test_answers_read_as_protobuf_reads_them(datatype, shape):
    values = samples(datatype).ravel()
    array = values[: int(np.prod(shape))].reshape(shape)
    tensor = schema().message("tensorflow.TensorProto").FromString(encode_tensor(array))
    wanted = schema().message("tensorflow.TensorProto")()
    fill_in(wanted, array)
    assert tensor.SerializeToString() == wanted.SerializeToString()
    encoded = encode_predict(InferenceResponse("m", 3, {"y": array, "z": array}), "")
    raw = encoded if isinstance(encoded, bytes) else b"".join(encoded)
    answer = message("PredictResponse").FromString(raw)
    assert answer.outputs["y"].SerializeToString() == answer.outputs["z"].SerializeToString()
    assert answer.outputs["y"] == wanted
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("m", 3)


@pytest.mark.parametrize("datatype", DTYPES)
@pytest.mark.parametrize("shape", [(6,), (6, 1), (2, 3), (3, 2, 1)])
def test_rows_of_a_batch_are_as_rows_alone(datatype, shape):
    array = samples(datatype).reshape(shape)
    batch = Batch({"y": array, "z": array})
    for row in range(shape[0]):
        together = encode_predict(BatchedResponse("m", 1, batch, row, row + 1, ""), "")
        alone = encode_predict(InferenceResponse("m", 1, {"y": array[row : row + 1], "z": array[row : row + 1]}), "")
        assert message("PredictResponse").FromString(together) == message("PredictResponse").FromString(alone)


def test_long_tensors_stay_buffers_of_their_own():
    array = np.zeros(100_000, np.float32)
    encoded = encode_predict(InferenceResponse("m", 1, {"y": array}), "")
    assert any(isinstance(buffer, memoryview) and buffer.nbytes == array.nbytes for buffer in encoded)


def test_names_of_types():
    assert (type_name(1), type_name(14), type_name(99)) == ("DT_FLOAT", "DT_BFLOAT16", "99")


@more
@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 300)))
def test_varints(numbers):
    array = np.array(numbers, np.uint64)
    packed = pack_varints(array)
    fields = schema().message("tensorflow.TensorProto")()
    fields.uint64_val.extend(numbers)
    assert fields.SerializeToString().endswith(packed)
    assert unpack_varints(packed).tolist() == numbers


@more
@given(st.binary(max_size=30))
def test_broken_varints(raw):
    try:
        words_read = unpack_varints(raw)
    except BrokenVarintError:
        return
    assert len(words_read) == sum(byte < 0x80 for byte in raw)


def test_layouts_are_found_again_and_told_apart():
    two = Signature((TensorSpec("a", "FP32", (-1, 2)), TensorSpec("b", "INT64", (-1,))), ())
    reader = PredictReader()
    for round_ in range(3):
        request = message("PredictRequest")()
        request.model_spec.name = "m"
        a = np.full((1, 2), round_, np.float32)
        b = np.array([round_], np.int64)
        fill_in(request.inputs["a"], a, typed=False)
        fill_in(request.inputs["b"], b)
        raw = request.SerializeToString(deterministic=True)
        wanted = reader.read(raw)
        assert isinstance(wanted, QuickPredict)
        inputs = wanted.request(raw, two).inputs
        assert same(inputs["a"], a)
        assert same(inputs["b"], b)
    assert sum(map(len, reader._known.values())) == 1
    for name in ("n", "o", "p", "q", "r"):
        request.model_spec.name = name
        raw = request.SerializeToString(deterministic=True)
        assert reader.read(raw).spec.name == name
        assert reader.read(raw).spec.name == name
    assert sum(map(len, reader._known.values())) == 4


@pytest.mark.parametrize("typed", [True, False])
def test_a_version_that_refuses_a_layout_does_not_spoil_it_for_the_others(typed):
    reader = PredictReader()
    array = np.array([[1, 2]], np.int64) if typed else np.array([[1.0, 2.0]], np.float32)
    raw = request_of(array, typed).SerializeToString()
    right = one_input("INT64" if typed else "FP32", (-1, 2))
    for _ in range(2):
        assert same(reader.read(raw).request(raw, right).inputs["x"], array)
        refusal(lambda: reader.read(raw).request(raw, one_input("FP64", (-1, 2))))
