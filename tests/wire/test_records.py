"""All the ways in which people write a request, and what they are told where it can't be understood."""

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_cases import refusal

from modelport.core.datatypes import DTYPES
from modelport.core.meaning import Column, Tabular, Text
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.examples import example_rows
from modelport.wire.plain import inputs_from_body
from modelport.wire.records import WRAPPERS, tensors_from_document

Y = (TensorSpec("y", "FP32", (-1,)),)


def signature(*specs):
    return Signature(specs, Y)


def table(*columns, datatype="FP32", name="X", **options):
    made = tuple(Column(item) if isinstance(item, str) else item for item in columns)
    return TensorSpec(name, datatype, (-1, len(made)), Tabular(made), **options)


FRAUD = signature(table("amount", "time", "location"))
ROWS = signature(TensorSpec("input", "FP32", (-1, 3)))
#: What skl2onnx makes of a DataFrame: an input for each column.
FRAME = signature(
    TensorSpec("age", "FP32", (-1, 1)), TensorSpec("city", "BYTES", (-1, 1)), TensorSpec("visits", "INT64", (-1, 1))
)
TEXT = signature(TensorSpec("text", "BYTES", (-1,), Text()))
HOUSES = signature(
    table("size", Column("kind", categories=("flat", "house", "villa"))), TensorSpec("note", "BYTES", (-1, 1))
)


def read(document, wanted=FRAUD):
    return {name: array.tolist() for name, array in tensors_from_document(document, wanted).items()}


TWO = {"X": [[1, 2, 3], [4, 5, 6]]}
FORMS = [
    [{"amount": 1, "time": 2, "location": 3}, {"location": 6, "time": 5, "amount": 4}],
    [[1, 2, 3], [4, 5, 6]],
    {"amount": [1, 4], "time": [2, 5], "location": [3, 6]},
    {"amount": {"0": 1, "1": 4}, "time": {"0": 2, "1": 5}, "location": {"0": 3, "1": 6}},
    {"columns": ["location", "amount", "time"], "data": [[3, 1, 2], [6, 4, 5]]},
    {"columns": ["amount", "time", "location"], "index": [0, 1], "data": [[1, 2, 3], [4, 5, 6]]},
    [{"X": [1, 2, 3]}, {"amount": 4, "time": 5, "location": 6}],
]


@pytest.mark.parametrize("value", FORMS)
@pytest.mark.parametrize("wrapper", [None, *WRAPPERS])
def test_a_table_in_every_form_and_wrapper(value, wrapper):
    assert read(value if wrapper is None else {wrapper: value}) == TWO


@pytest.mark.parametrize("value", [[1, 2, 3], [[1, 2, 3]], {"amount": 1, "time": 2, "location": 3}, {"X": [1, 2, 3]}])
@pytest.mark.parametrize("wrapper", [None, "instances", "inputs", "data"])
def test_a_single_row(value, wrapper):
    assert read(value if wrapper is None else {wrapper: value}) == {"X": [[1, 2, 3]]}


def test_tensors_by_name():
    assert read({"inputs": TWO}) == TWO
    assert read(TWO) == TWO
    assert read({"X": [[1, 2, 3]]}, ROWS) == {"input": [[1, 2, 3]]}  # "X" is only a wrapper for this model


def test_other_keys_beside_a_wrapper_are_not_data():
    assert read({"instances": TWO["X"], "signature_name": "serving_default", "parameters": {}}) == TWO


FRAME_ROWS = {"age": [[3.0], [40.5]], "city": [[b"Oslo"], [b"Rome"]], "visits": [[1], [7]]}


@pytest.mark.parametrize(
    "value",
    [
        [{"age": 3, "city": "Oslo", "visits": 1}, {"age": 40.5, "city": "Rome", "visits": 7}],
        {"age": [3, 40.5], "city": ["Oslo", "Rome"], "visits": [1, 7]},
        {"age": [[3], [40.5]], "city": [["Oslo"], ["Rome"]], "visits": [[1], [7]]},
        {"age": {"0": 3, "1": 40.5}, "city": {"0": "Oslo", "1": "Rome"}, "visits": {"0": 1, "1": 7}},
        {"columns": ["age", "city", "visits"], "data": [[3, "Oslo", 1], [40.5, "Rome", 7]]},
    ],
)
def test_an_input_for_each_column(value):
    assert read(value, FRAME) == FRAME_ROWS
    assert read({"inputs": value}, FRAME) == FRAME_ROWS


def test_a_record_for_an_input_for_each_column():
    assert read({"age": 3, "city": "Oslo", "visits": 1.0}, FRAME) == {
        "age": [[3]],
        "city": [[b"Oslo"]],
        "visits": [[1]],
    }


@pytest.mark.parametrize("value", ["é", ["é"], [["é"]], {"text": "é"}, {"text": ["é"]}, [{"text": "é"}]])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_texts(value, shape):
    spec = TensorSpec("text", "BYTES", shape, Text())
    array = tensors_from_document({"instances": value}, signature(spec))["text"]
    assert array.ravel().tolist() == ["é".encode()]
    assert spec.fits(array.shape)


def test_several_texts_and_bytes_as_base64():
    assert read(["a", {"b64": base64.b64encode(b"\xff\0").decode()}], TEXT) == {"text": [b"a", b"\xff\0"]}
    assert read({"b64": "AP8="}, TEXT) == {"text": [b"\0\xff"]}
    assert "not valid base64" in refusal(read, {"b64": "§§"}, TEXT)
    assert "not valid base64" in refusal(read, {"b64": 5}, TEXT)


def test_categories_by_text_and_by_number_and_a_text_input_beside_the_table():
    records = [{"size": 50, "kind": "villa", "note": "new"}, {"size": 80.5, "kind": 1, "note": ""}]
    expected = {"X": [[50, 2], [80.5, 1]], "note": [[b"new"], [b""]]}
    assert read(records, HOUSES) == expected
    assert read({"size": [50, 80.5], "kind": ["villa", 1], "note": ["new", ""]}, HOUSES) == expected
    assert read({"X": [[50, "villa"], [80.5, 1]], "note": ["new", ""]}, HOUSES) == expected
    assert read([50, "villa"], signature(HOUSES.inputs[0])) == {"X": [[50, 2]]}
    text = refusal(read, {"size": 1, "kind": "vila", "note": ""}, HOUSES)
    assert text == "column 'kind' has no category 'vila' (did you mean 'villa'?); it takes: flat, house, villa"


@pytest.mark.parametrize("value", [[1, None, 3], [[1, None, 3]], {"amount": 1, "time": None, "location": 3}])
def test_null_is_nan_where_there_is_nan(value):
    assert np.isnan(tensors_from_document(value, FRAUD)["X"]).tolist() == [[False, True, False]]


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_column_may_be_named_like_a_wrapper(name):
    model = signature(table(name, "time"))
    assert read({name: 1, "time": 2}, model) == {"X": [[1, 2]]}
    assert read({name: [1, 3], "time": [2, 4]}, model) == {"X": [[1, 2], [3, 4]]}
    assert read([{name: 1, "time": 2}], model) == {"X": [[1, 2]]}
    other = "instances" if name != "instances" else "inputs"
    assert read({other: [{name: 1, "time": 2}]}, model) == {"X": [[1, 2]]}
    assert "missing column 'time'" in refusal(read, {name: [[1, 2]]}, model)


def test_a_record_with_an_unknown_column_named_like_a_wrapper_is_no_wrapper():
    assert refusal(read, {"amount": 1, "time": 2, "location": 3, "data": 9}).startswith("unknown column 'data'")


def test_optional_inputs_may_be_left_out_by_all_or_none():
    model = signature(TensorSpec("a", "FP32", (-1, 1)), TensorSpec("b", "FP32", (-1, 1), optional=True))
    assert read([{"a": 1}, {"a": 2}], model) == {"a": [[1], [2]]}
    assert read([1, 2], model) == {"a": [[1], [2]]}
    assert refusal(read, [{"a": 1, "b": 2}, {"a": 3}], model) == "record 1: missing 'b', which record 0 has"
    assert refusal(read, [{"a": 1}, {"a": 3, "b": 2}], model) == "record 0: missing 'b', which record 1 has"
    with_table = signature(TensorSpec("a", "FP32", (-1, 1)), table("p", "q", optional=True))
    assert read({"a": 1}, with_table) == {"a": [[1]]}
    assert refusal(read, {"a": 1, "p": 2}, with_table) == "missing column 'q'"


COLUMNS = "; the columns are: amount, time, location"
MISTAKES = [
    ({"amonut": 1, "time": 2, "location": 3}, "unknown column 'amonut' (did you mean 'amount'?)" + COLUMNS),
    ({"AMOUNT": 1, "time": 2, "location": 3}, "unknown column 'AMOUNT' (did you mean 'amount'?)" + COLUMNS),
    ({"amount": [1], "tme": [2], "location": [3]}, "unknown column 'tme' (did you mean 'time'?)" + COLUMNS),
    ({"zzz": 1}, "unknown column 'zzz'" + COLUMNS),
    ({"amount": 1}, "missing column 'time', 'location'"),
    ([{"amount": 1, "time": 2, "location": 3}, {"amount": 1, "time": 2}], "record 1: missing column 'location'"),
    (
        {"amount": [1, 2], "time": [1], "location": [1]},
        "the columns are not all of one length: 'amount' has 2, 'time' has 1, 'location' has 1",
    ),
    ({"amount": "1", "time": 2, "location": 3}, "column 'amount' takes a number, not '1'"),
    ({"amount": {"a": 1}, "time": 2, "location": 3}, "column 'amount' takes a number, not {'a': 1}"),
    ([["1", 2, 3]], "input 'X' takes numbers (FP32), not '1', in column 'amount'"),
    ([[1, 2, 3], [1, 2, "x" * 500]], "input 'X' takes numbers (FP32), not 'xxxxx"),
    ([[1, 2]], "each row of input 'X' takes 3 values, not 2"),
    ([1, 2], "each row of input 'X' takes 3 values, not 2"),
    ([[1, 2, 3], [1, 2]], "the rows of input 'X' are not all of one length: row 0 has 3 values, row 1 has 2"),
    ([[1, 2, 3], 5], "the rows of input 'X' are not all of one length: row 0 has 3 values, row 1 is 5, no list"),
    ([[[1], [2]], [[1], [2, 3]]], "the lists of input 'X' are not all of one length: one has 1 values, another has 2"),
    ([[1, 2, 10**400]], "input 'X' has a value outside FP32"),
    ([[1, 2, 1e39]], "input 'X' has a value outside FP32"),
    ("text", "input 'X' takes numbers (FP32), not 'text'"),
    ({"instances": [[1, 2, 3]], "data": [[1, 2, 3]]}, "the body has both 'instances' and 'data'; send the data once"),
    ({"columns": ["amount"], "data": [[1, 2]]}, "'data' must be a list of rows with 1 values each, as 'columns' has"),
    ({"columns": [1], "data": [[1]]}, "'columns' must be a list of names"),
    ({"columns": ["a", "a"], "data": [[1, 2]]}, "'columns' names a column twice"),
]


@pytest.mark.parametrize(("document", "text"), MISTAKES, ids=[text[:50] for _, text in MISTAKES])
def test_each_mistake_has_its_text(document, text):
    assert refusal(read, document).startswith(text)


@pytest.mark.parametrize("empty", [None, [], {}])
@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("model", [FRAUD, ROWS, FRAME, TEXT])
def test_no_data_is_answered_with_an_example(empty, wrapped, model):
    text = refusal(read, {"instances": empty} if wrapped else empty, model)
    assert text.startswith("the request holds no data; send for example ")
    assert tensors_from_document(json.loads(text.partition("for example ")[2]), model)


@pytest.mark.parametrize("empty", [{"amount": [], "time": [], "location": []}, {"columns": ["amount"], "data": []}])
def test_a_table_without_rows(empty):
    assert "no rows" in refusal(read, empty) or "no data" in refusal(read, empty)
    assert "no rows" in refusal(read, {"age": [], "city": [], "visits": []}, FRAME)


def test_a_model_that_knows_no_columns_says_so_and_shows_what_it_takes():
    assert refusal(read, [{"amount": 1, "time": 2, "location": 3}], ROWS) == (
        "unknown name 'amount': the model has only the input input FP32 [-1, 3]; "
        'send for example {"instances": [[0.0, 0.0, 0.0]]}'
    )


def test_rows_for_a_model_with_several_inputs_are_answered_with_an_example():
    text = refusal(read, [[3, "Oslo", 1]], FRAME)
    assert text.startswith("the model has several inputs, so name them: send objects with age FP32 [-1, 1]; city BYTES")
    assert read(json.loads(text.partition("for example ")[2]), FRAME)


def test_inputs_of_different_lengths():
    text = refusal(read, {"age": [1, 2], "city": ["a"], "visits": [1, 2]}, FRAME)
    assert text == "the inputs do not have as many rows as each other: 'age' has 2, 'city' has 1, 'visits' has 2"


WHOLE = [
    (1.5, "input 'n' takes whole numbers (INT8), not 1.5, at [1, 0]"),
    (None, "input 'n' takes whole numbers (INT8), not null, at [1, 0]"),
    ("7", "input 'n' takes whole numbers (INT8), not '7', at [1, 0]"),
    (float("nan"), "input 'n' takes whole numbers (INT8), not nan, at [1, 0]"),
    (float("inf"), "input 'n' takes whole numbers (INT8), not inf, at [1, 0]"),
    (128, "input 'n' has a value outside INT8, which is -128 to 127"),
    (1e300, "input 'n' has a value outside INT8, which is -128 to 127"),
]


@pytest.mark.parametrize(("value", "text"), WHOLE)
def test_whole_numbers(value, text):
    model = signature(TensorSpec("n", "INT8", (-1, 1)))
    assert read([[1], [2.0]], model) == {"n": [[1], [2]]}
    assert refusal(read, [[1], [value]], model) == text


def test_large_whole_numbers_are_exact_even_beside_floats():
    model = signature(TensorSpec("n", "INT64", (-1,)))
    assert read([2**62 + 1, 1.0], model) == {"n": [2**62 + 1, 1]}
    for value in (2**63, float(2**63)):
        assert "outside INT64" in refusal(read, [value, -1], model)


def test_flags():
    model = signature(TensorSpec("flag", "BOOL", (-1,)))
    assert read([True, 0, 1.0], model) == {"flag": [True, False, True]}
    for value in (2, None, "true", 0.5):
        assert refusal(read, [True, value], model).startswith("input 'flag' takes true and false (BOOL), not ")


@pytest.mark.parametrize("shape", [(-1, 1), (-1,), (1,), (1, 1), (), (-1, 1, 1)])
def test_a_single_value_fits_every_shape_of_one(shape):
    spec = TensorSpec("x", "FP32", shape)
    assert spec.fits(tensors_from_document({"instances": 5}, signature(spec))["x"].shape)


def test_models_that_take_a_fixed_number_of_rows_say_so():
    model = signature(TensorSpec("x", "FP32", (1, 3)))
    assert read([[1, 2, 3]], model) == read([1, 2, 3], model) == {"x": [[1, 2, 3]]}
    assert refusal(read, [[1, 2, 3], [4, 5, 6]], model) == "input 'x' takes exactly 1 row in a request, not 2"


def test_rows_are_never_taken_apart_to_fit():
    model = signature(TensorSpec("x", "FP32", (-1, 1)))
    assert refusal(read, [[1, 2], [3, 4]], model) == "each row of input 'x' takes 1 values, not 2"


def test_a_long_text_among_many_numbers_costs_no_memory():
    model = signature(TensorSpec("x", "FP32", (-1,)))
    assert "takes numbers" in refusal(read, ["x" * 1_000_000, *[1] * 1_000_000], model)


BODIES = [
    (b"", "application/json", "the body is empty; send JSON such as"),
    (b"{", "application/json", "the body is not valid JSON"),
    (b"a,b\n1,2", "text/csv", "Content-Type 'text/csv' is not understood here"),
    (b"hello", "text/plain", "this model does not take a single text; it takes X FP32 [-1, 3]"),
    (b"\x89PNG\r\n\x1a\n", "", "this model does not take a picture; it takes X FP32 [-1, 3]"),
    (b"x", "image/png", "this model does not take a picture"),
]


@pytest.mark.parametrize(("raw", "kind", "text"), BODIES)
def test_bodies_that_are_not_for_this_model(raw, kind, text):
    assert refusal(inputs_from_body, raw, kind, FRAUD).startswith(text)


@pytest.mark.parametrize(
    "kind", ["", "application/json", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded"]
)
def test_json_by_the_types_that_clients_give_it(kind):
    """curl's `-d` says it is a form, a browser's `fetch` that it is text."""
    assert inputs_from_body(b" [[1, 2, 3]]", kind, FRAUD)["X"].tolist() == [[1, 2, 3]]


def test_plain_text_is_text_for_a_model_of_texts():
    assert inputs_from_body("[é]".encode(), "text/plain", TEXT)["text"].tolist() == ["[é]".encode()]
    assert "not UTF-8" in refusal(inputs_from_body, b"\xff", "text/plain", TEXT)


def test_nan_and_infinities_as_bare_words():
    got = inputs_from_body(b"[[NaN, Infinity, -Infinity]]", "", FRAUD)["X"]
    assert np.array_equal(got, [[np.nan, np.inf, -np.inf]], equal_nan=True)


columns = st.builds(
    Column,
    name=st.uuids().map(str),
    minimum=st.none() | st.floats(0, 100),
    default=st.none(),
    categories=st.sampled_from([(), ("a", "b")]),
)
specs = st.one_of(
    st.builds(
        TensorSpec,
        name=st.sampled_from(["X", "data", "text", "é"]),
        datatype=st.sampled_from(list(DTYPES)),
        shape=st.none() | st.lists(st.sampled_from([-1, 1, 2, 3]), max_size=4).map(tuple),
    ),
    st.builds(
        lambda made, datatype: TensorSpec("table", datatype, (-1, len(made)), Tabular(tuple(made))),
        st.lists(columns, min_size=1, max_size=4, unique_by=lambda column: column.name),
        st.sampled_from(["FP32", "FP64", "INT64", "BYTES"]),
    ),
)


@given(st.lists(specs, min_size=1, max_size=3, unique_by=lambda spec: spec.name))
def test_the_example_of_every_signature_is_understood(made):
    model = Signature(tuple(made), Y)
    assert set(tensors_from_document({"instances": example_rows(model)}, model)) == {spec.name for spec in made}
