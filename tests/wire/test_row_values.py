"""Answers for programs: a value for each row, flat rows, one array."""

import ml_dtypes
import numpy as np
import pytest
from hosted_cases import COLUMNS, NAMED, NAMELESS, respond
from wire_cases import refusal

from modelport.core.errors import Kind, ModelportError
from modelport.core.messages import InferenceResponse
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.row_values import chosen_outputs, flat_rows, only_array, row_values

SCALAR = Signature((TensorSpec("x", "FP32", (-1, 3)),), (TensorSpec("loss", "FP32", ()), TensorSpec("n", "INT64", ())))


def test_one_output_is_its_values():
    assert row_values(respond(NAMELESS, 2), NAMELESS) == [0, 1]


def test_several_outputs_are_objects_by_name_with_labels():
    expected = {"label": "no", "scores": {"no": 0, "yes": 1}}
    assert row_values(respond(NAMED, 1), NAMED) == [expected]


def test_outputs_without_rows_are_an_object_or_the_only_one():
    response = InferenceResponse("m", 1, {"loss": np.array(0.5, np.float32), "n": np.array(3)})
    assert row_values(response, SCALAR) == {"loss": 0.5, "n": 3}
    assert row_values(InferenceResponse("m", 1, {"n": np.array(3)}), SCALAR) == 3


def test_what_is_not_finite_is_null():
    response = InferenceResponse("m", 1, {"value": np.array([[np.nan], [np.inf]], np.float32)})
    assert row_values(response, NAMELESS) == [None, None]


def test_flat_rows_have_every_value_in_order():
    assert list(flat_rows(respond(NAMED, 2), NAMED)) == [["no", 0, 1], ["yes", 0, 1]]


def test_one_array_of_numbers_side_by_side():
    response = InferenceResponse("m", 1, {"a": np.array([1, 2]), "b": np.array([[0.5, 1], [1, 0.5]], np.float32)})
    assert only_array(response).tolist() == [[1, 0.5, 1], [2, 1, 0.5]]


def test_one_array_has_a_dtype_of_numpy_itself():
    texts = np.array([b"ab", b"c"], object)
    assert only_array(InferenceResponse("m", 1, {"a": texts})).tolist() == ["ab", "c"]
    narrow = np.array([1.5], ml_dtypes.bfloat16)
    assert only_array(InferenceResponse("m", 1, {"a": narrow})).dtype == np.float32


def test_texts_and_numbers_are_no_array():
    response = InferenceResponse("m", 1, {"a": np.array([b"x"], object), "b": np.array([1.0])})
    with pytest.raises(ModelportError, match="don't fit into one array") as raised:
        only_array(response)
    assert raised.value.kind is Kind.UNSUPPORTED


def test_outputs_are_chosen_by_name():
    assert chosen_outputs({}, NAMED) is None
    assert chosen_outputs({"outputs": "label"}, NAMED) == ("label",)
    assert chosen_outputs({"outputs": ["scores", "label"]}, NAMED) == ("scores", "label")
    assert "did you mean 'label'" in refusal(chosen_outputs, {"outputs": ["labl"]}, NAMED)
    for wrong in (5, [], [5], {}):
        assert "names outputs of the model" in refusal(chosen_outputs, {"outputs": wrong}, COLUMNS)
