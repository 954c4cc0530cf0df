"""CSV as SageMaker's and MLflow's clients write it."""

import numpy as np
import pytest
from hosted_cases import ALL, COLUMNS, NAMED, NAMELESS, PIXELS, TEXT, WHOLE
from hypothesis import given
from hypothesis import strategies as st
from wire_cases import one_input, refusal

from modelport.core.errors import ModelportError
from modelport.wire import csv_tables
from modelport.wire.csv_tables import CsvTable, csv_from_rows


def read(text, signature, header=False):
    found = CsvTable(text if isinstance(text, bytes) else text.encode()).tensors(signature, header)
    return {name: array.tolist() for name, array in found.items()}


@pytest.mark.parametrize("text", ["1,2,3\n4,5,6\n", "1,2,3\r\n4,5,6", "\ufeff1, 2,3\n\n4,5,6\n", '"1","2","3"\n4,5,6'])
def test_rows_of_numbers(text):
    assert read(text, NAMELESS) == {"X": [[1, 2, 3], [4, 5, 6]]}


def test_one_row_without_a_line_feed():
    assert read("1,2,3", NAMELESS) == {"X": [[1, 2, 3]]}


def test_missing_values_are_nan():
    [row, _] = read("1,,NA\n1,2,3", NAMELESS)["X"]
    assert row[0] == 1
    assert np.isnan(row[1:]).all()


def test_columns_by_name_in_any_order_and_categories_by_text_or_number():
    assert read("c,b,a\ny,2,1\n0,4,3", NAMED, header=True) == {"X": [[1, 2, 1], [3, 4, 0]]}


def test_columns_by_their_order_where_there_is_no_header():
    assert read("1,2,x\n3,4,y", NAMED) == {"X": [[1, 2, 0], [3, 4, 1]]}
    assert read("30,Bern\n40,Rom", COLUMNS) == {"age": [[30], [40]], "city": [[b"Bern"], [b"Rom"]]}


def test_names_that_a_model_without_names_cannot_know_are_passed_over():
    assert read("petal,sepal,other\n1,2,3", NAMELESS, header=True) == {"X": [[1, 2, 3]]}


def test_texts_keep_commas_quotes_and_lines():
    assert read('"a, ""b""\nc"\nplain', TEXT) == {"text": [b'a, "b"\nc', b"plain"]}
    assert read("text\n12\nNA", TEXT, header=True) == {"text": [b"12", b"NA"]}


def test_whole_numbers_stay_exact():
    signature = one_input("INT64", (-1, 2))
    assert read("9223372036854775807,-5", signature) == {"x": [[2**63 - 1, -5]]}


def test_pixels_of_a_picture_are_one_line():
    assert read("1,2,3,4", PIXELS) == {"x": [[[[1], [2]], [[3], [4]]]]}


@pytest.mark.parametrize(
    ("text", "signature", "words"),
    [
        ("", NAMELESS, "no rows"),
        ("\n\n", NAMELESS, "no rows"),
        (b"\xff\xfe1", NAMELESS, "not UTF-8"),
        ("1,2,3\n4,5", NAMELESS, "not all of one length"),
        ("1,2\n3,4", NAMELESS, "each row of input 'X' takes 3 values, not 2"),
        ("1,2,abc", NAMELESS, "'abc' where a number should be"),
        ("1,2,1e999", NAMELESS, "'1e999' where a number should be"),
        ("1,2,1e39", NAMELESS, "outside"),
        ("1.5,2", WHOLE, "whole numbers"),
        ("1,2,z", NAMED, "no category 'z'"),
        ("1,2", NAMED, "takes 3 values, not 2"),
        ('"1,2,3', NAMED, ""),
    ],
)
def test_what_does_not_fit_is_refused(text, signature, words):
    assert words in refusal(read, text, signature)


def test_a_header_alone_is_refused():
    assert "no rows below it" in refusal(read, "a,b,c", NAMED, True)


def test_cells_are_bounded_where_they_become_objects(monkeypatch):
    monkeypatch.setattr(csv_tables, "_MOST_CELLS", 5)
    assert "more than 5 cells" in refusal(read, "1,2\n3,4\n5,6", WHOLE)


@pytest.mark.parametrize(
    ("text", "signature", "expected"),
    [
        ("1,2,3\n4,5,6", NAMELESS, False),
        ("a,b,c\n4,5,6", NAMELESS, True),
        ("a,b,c", NAMELESS, False),
        ("0,1,2\n4,5,6", NAMELESS, True),
        ("1,,3\n4,5,6", NAMELESS, False),
        ("a,b,c\n1,2,x", NAMED, True),
        ("1,2,x\n1,2,x", NAMED, False),
        ("age,city\n1,x", COLUMNS, True),
        ("text\ngood", TEXT, True),
        ("good\nbad", TEXT, False),
    ],
)
def test_a_header_is_told_from_data(text, signature, expected):
    assert CsvTable(text.encode()).has_header(signature, numbers_are_names=True) is expected


def test_numbers_as_names_are_data_for_sagemaker():
    assert not CsvTable(b"0,1,2\n4,5,6").has_header(NAMELESS, numbers_are_names=False)


def test_written_rows_are_quoted_where_needed():
    assert csv_from_rows([["a,b", 1.5, None], ["ü", 2, True]]) == '"a,b",1.5,\nü,2,True\n'.encode()


@given(
    text=st.text(st.sampled_from('01.,;"\n\r abxy-eE+_N\ufeff'), max_size=40) | st.text(max_size=30),
    header=st.booleans(),
)
def test_any_text_is_read_or_refused(text, header):
    for signature in ALL:
        try:
            table = CsvTable(text.encode("utf-8", "surrogatepass"))
            table.has_header(signature, numbers_are_names=header)
            signature.check_inputs(table.tensors(signature, header))
        except ModelportError:
            pass
