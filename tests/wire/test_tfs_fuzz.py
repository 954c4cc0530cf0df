"""Whatever the bytes: arrays that fit the signature, or one of the error tree."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_wire_fuzz import SIGNATURES, documents, words
from wire_cases import MIXED, one_input, same

from modelport.core.errors import Kind, ModelportError
from modelport.core.meaning import Labels, Probabilities
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.http import HttpCall
from modelport.wire.tensorflow_serving import STATUS, TENSORFLOW_SERVING, _careful
from modelport.wire.tensorflow_serving_inference import Classify, MultiInference, Regress
from modelport.wire.tensorflow_serving_messages import code_of, message
from modelport.wire.tensorflow_serving_predict import Predict, PredictReader
from modelport.wire.tensorflow_serving_quick import quick_reader
from modelport.wire.tensorflow_serving_signatures import UnknownSignatureError

CLASSIFIER = Signature(
    (TensorSpec("x", "FP32", (-1, 2)), TensorSpec("text", "BYTES", (-1,), optional=True)),
    (TensorSpec("label", "INT64", (-1,), Labels()), TensorSpec("p", "FP32", (-1, 3), Probabilities())),
)
REGRESSION = Signature((TensorSpec("x", "FP32", (-1, 2, -1)),), (TensorSpec("y", "FP64", (-1, 1)),))
ALL = [*SIGNATURES, CLASSIFIER, REGRESSION]
more = settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow], deadline=2000)

numbers = st.integers(0, 24) | st.integers(-(2**31), 2**31 - 1)
floats = st.floats(width=32)
specs = st.builds(
    lambda name, version, signature: {"name": name, "version": version, "signature_name": signature},
    st.sampled_from(["m", "n", ""]),
    st.none() | st.integers(0, 9),
    st.sampled_from(["", "serving_default", "classification", "odd"]),
)
tensors = st.fixed_dictionaries(
    {"dtype": numbers, "shape": st.lists(st.integers(-1, 4) | st.integers(-(2**63), 2**63 - 1), max_size=4)},
    optional={
        "float_val": st.lists(floats, max_size=6),
        "double_val": st.lists(st.floats(), max_size=3),
        "int_val": st.lists(numbers, max_size=6),
        "int64_val": st.lists(st.integers(-(2**63), 2**63 - 1), max_size=6),
        "bool_val": st.lists(st.booleans(), max_size=6),
        "half_val": st.lists(numbers, max_size=6),
        "string_val": st.lists(st.binary(max_size=5), max_size=4),
        "tensor_content": st.binary(max_size=24),
        "version_number": numbers,
    },
)


@st.composite
def predict_requests(draw):
    request = message("PredictRequest")()
    spec = draw(specs)
    request.model_spec.name, request.model_spec.signature_name = spec["name"], spec["signature_name"]
    if spec["version"] is not None:
        request.model_spec.version.value = spec["version"]
    for name, fields in draw(st.dictionaries(words.filter(str.isascii), tensors, max_size=3)).items():
        tensor = request.inputs[name]
        for size in fields.pop("shape"):
            tensor.tensor_shape.dim.add(size=size)
        for field, value in fields.items():
            if isinstance(value, list):
                getattr(tensor, field).extend(value)
            else:
                setattr(tensor, field, value)
    request.output_filter.extend(draw(st.lists(words.filter(str.isascii), max_size=2)))
    return request.SerializeToString()


def attempt(call):
    try:
        return call()
    except ModelportError as error:
        code, text = code_of(error), str(error)
    assert 1 <= code <= 16
    assert text
    return None


def both_ways(raw, signature):
    """Reading the quick way, twice, and the careful way gives the same; or all refuse."""
    reader = PredictReader()
    found = [
        attempt(lambda: reader.read(raw).request(raw, signature)),
        attempt(lambda: reader.read(raw).request(raw, signature)),
        attempt(lambda: Predict(raw).request(raw, signature)),
    ]
    assert len({item is None for item in found}) == 1, found
    for request in found:
        if request is None:
            continue
        signature.check_inputs(request.inputs)
        assert request.outputs == found[0].outputs
        for name, array in request.inputs.items():
            assert array.flags.aligned
            assert array.flags.c_contiguous
            assert same(array, found[0].inputs[name]) or not np.array_equal(array, array)


@more
@given(st.sampled_from(ALL), predict_requests())
def test_predict_of_well_formed_messages(signature, raw):
    both_ways(raw, signature)


@more
@given(st.sampled_from(ALL), predict_requests(), st.data())
def test_predict_of_damaged_messages(signature, raw, data):
    damaged = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, max(len(damaged) - 1, 0)))
        damaged[at : at + 1] = data.draw(st.binary(max_size=2))
    both_ways(bytes(damaged), signature)


@more
@given(st.sampled_from(ALL), st.binary(max_size=60))
def test_predict_of_any_bytes(signature, raw):
    both_ways(raw, signature)


@st.composite
def example_requests(draw, kind):
    request = message(kind)()
    if kind == "MultiInferenceRequest":
        for method in draw(st.lists(st.sampled_from(["classify", "regress", "odd"]), max_size=2)):
            request.tasks.add(method_name=f"tensorflow/serving/{method}").model_spec.name = "m"
    else:
        request.model_spec.name = "m"
    context = draw(st.booleans())
    target = request.input.example_list_with_context if context else request.input.example_list
    for _ in range(draw(st.integers(0, 3))):
        example = target.examples.add()
        for name in draw(st.lists(words.filter(str.isascii) | st.just("x"), max_size=3)):
            feature = example.features.feature[name]
            form = draw(st.sampled_from(["float_list", "int64_list", "bytes_list"]))
            values = {"float_list": floats, "int64_list": st.integers(-9, 2**62), "bytes_list": st.binary(max_size=4)}
            getattr(feature, form).value.extend(draw(st.lists(values[form], max_size=4)))
    return request.SerializeToString()


@more
@given(st.sampled_from(ALL), st.sampled_from([Classify, Regress, MultiInference]), st.data())
def test_examples(signature, read, data):
    kind = {Classify: "ClassificationRequest", Regress: "RegressionRequest"}.get(read, "MultiInferenceRequest")
    raw = data.draw(example_requests(kind) | st.binary(max_size=40))
    request = attempt(lambda: read(raw).request(raw, signature))
    if request is not None:
        signature.check_inputs(request.inputs)
        signature.check_outputs(request.outputs)


bodies = st.fixed_dictionaries(
    {},
    optional={
        "instances": documents,
        "inputs": documents,
        "examples": documents | st.lists(st.dictionaries(words | st.just("x"), documents, max_size=3), max_size=3),
        "context": documents,
        "signature_name": st.sampled_from(["serving_default", "", "odd", 7, None]),
    },
)


@more
@given(
    st.sampled_from(TENSORFLOW_SERVING),
    st.sampled_from(ALL),
    bodies.map(json.dumps).map(str.encode) | st.binary(max_size=30),
)
def test_rest(dialect, signature, raw):
    try:
        request, encode = dialect.decode(HttpCall(raw), signature)
    except ModelportError as error:
        document = json.loads(dialect.refuse(error).body)
        assert document["error"]
        return
    signature.check_inputs(request.inputs)
    assert callable(encode)
    assert all(array.flags.c_contiguous and array.flags.aligned for array in request.inputs.values())


@more
@given(st.lists(st.lists(st.integers() | st.floats(), min_size=1, max_size=4), min_size=1, max_size=3), st.data())
def test_the_quick_and_the_careful_way_of_rest_agree(rows, data):
    datatype = data.draw(st.sampled_from(["FP32", "FP64", "INT64", "INT8", "FP16"]))
    signature = one_input(datatype, (-1, -1))
    call = HttpCall(json.dumps({"instances": rows}).encode())
    quick = quick_reader(signature)(call.body)
    try:
        careful = _careful(call, signature)
    except ModelportError:
        assert quick is None
        return
    assert quick is None or same(quick[0]["x"], careful[0]["x"])


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_code(kind):
    error = ModelportError("text")
    error.kind = kind
    assert 1 <= code_of(error) <= 16
    assert STATUS[kind] >= 400
    assert TENSORFLOW_SERVING[0].refuse(error).status == STATUS[kind]


def test_an_unknown_signature_is_a_failed_precondition_for_predict_alone():
    assert code_of(UnknownSignatureError("no")) == 9
    request = message("PredictRequest")()
    request.model_spec.name, request.model_spec.signature_name = "m", "odd"
    raw = request.SerializeToString()
    with pytest.raises(UnknownSignatureError):
        PredictReader().read(raw).request(raw, MIXED)
