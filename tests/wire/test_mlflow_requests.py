"""MLflow's scoring requests: those that its own client builds, and those of its documentation."""

import pytest
from hosted_cases import NAMED, NAMELESS, TEXT, answer, read, refused

from modelport.core.errors import Kind
from modelport.wire.mlflow import Mlflow

MLFLOW = Mlflow()
ROW = {"X": [[1, 2, 0]]}
COLUMNS = ["a", "b", "c"]


@pytest.mark.parametrize(
    "document",
    [
        {"dataframe_split": {"columns": COLUMNS, "data": [[1, 2, 0]]}},
        {"dataframe_split": {"index": [0], "columns": ["c", "b", "a"], "data": [["x", 2, 1]]}},
        {"dataframe_records": [{"a": 1, "b": 2, "c": "x"}]},
        {"instances": [{"a": 1, "b": 2, "c": 0}]},
        {"instances": [[1, 2, 0]]},
        {"inputs": {"a": [1], "b": [2], "c": ["x"]}},
        {"inputs": {"X": [[1, 2, 0]]}},
        {"inputs": [[1, 2, 0]], "params": {"temperature": 0.5}},
    ],
)
def test_a_row_in_every_format(document):
    assert read(MLFLOW, NAMED, document) == ROW


@pytest.mark.parametrize(
    "document",
    [
        {"dataframe_split": {"columns": ["p", "q", "r"], "data": [[1, 2, 0]]}},
        {"dataframe_records": [{"p": 1, "q": 2, "r": 0}]},
        {"instances": [{"p": 1, "q": 2, "r": 0}]},
    ],
)
def test_names_that_the_model_cannot_know(document):
    assert read(MLFLOW, NAMELESS, document) == ROW


def test_csv_has_a_header():
    assert read(MLFLOW, NAMED, b"a,b,c\n1,2,x\n", "text/csv") == ROW
    assert read(MLFLOW, TEXT, b"review\ngood\n", "text/csv; charset=utf-8") == {"text": [b"good"]}
    assert read(MLFLOW, NAMELESS, b"1,2,0", "text/csv; header=absent") == ROW


def test_what_its_own_client_builds():
    builders = pytest.importorskip("mlflow.utils.proto_json_utils")
    pandas, numpy = pytest.importorskip("pandas"), pytest.importorskip("numpy")
    frame = pandas.DataFrame([[1.0, 2.0, 0.0]], columns=COLUMNS)
    unnamed = pandas.DataFrame([[1.0, 2.0, 0.0]])
    for data in (frame, unnamed, numpy.array([[1.0, 2, 0]]), [[1.0, 2.0, 0.0]]):
        body = builders.dump_input_data(data, params={"max_tokens": 3}).encode()
        assert read(MLFLOW, NAMED, body) == ROW
        assert read(MLFLOW, NAMELESS, body) == ROW


def test_answers():
    assert answer(MLFLOW, NAMELESS, {"inputs": [[1, 2, 3]]}) == {"predictions": [0]}
    both = {"label": "no", "scores": {"no": 0, "yes": 1}}
    assert answer(MLFLOW, NAMED, {"inputs": [[1, 2, 0]]}) == {"predictions": [both]}
    assert answer(MLFLOW, NAMED, {"inputs": [[1, 2, 0]], "params": {"outputs": ["label"]}}) == {"predictions": ["no"]}


@pytest.mark.parametrize(
    ("body", "kind", "wanted", "words"),
    [
        ([[1, 2, 3]], "application/json", Kind.INVALID_INPUT, "must be a JSON object with one of"),
        ({}, "application/json", Kind.INVALID_INPUT, "exactly one of dataframe_split"),
        ({"data": [[1]]}, "application/json", Kind.INVALID_INPUT, "it has 'data'"),
        ({"inputs": [[1]], "instances": [[1]]}, "application/json", Kind.INVALID_INPUT, "'instances' and 'inputs'"),
        ({"inputs": [[1, 2, 3]], "params": [1]}, "application/json", Kind.INVALID_INPUT, "'params' must be an object"),
        (b"{", "application/json", Kind.INVALID_INPUT, "not valid JSON"),
        (b"{}", "application/json; charset=latin-1", Kind.UNSUPPORTED, "send UTF-8"),
        (b"x", "application/xml", Kind.UNSUPPORTED, "send application/json or text/csv"),
        (b"a,b,c\n", "text/csv", Kind.INVALID_INPUT, "no rows below it"),
    ],
)
def test_what_is_refused(body, kind, wanted, words):
    error = refused(MLFLOW, NAMELESS, body, kind)
    assert error.kind is wanted
    assert words in str(error)
