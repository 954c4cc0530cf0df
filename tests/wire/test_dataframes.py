"""Data frames in pandas' orientations, with names that a model knows and names that it does not."""

import pytest
from hosted_cases import COLUMNS, NAMED, NAMELESS, PIXELS
from wire_cases import refusal

from modelport.wire.dataframes import tensors_from_frame_records, tensors_from_split


def split(signature, rows, columns=None, **more):
    frame = {"data": rows, **({} if columns is None else {"columns": columns}), **more}
    return {name: array.tolist() for name, array in tensors_from_split(frame, signature).items()}


def records(signature, rows):
    return {name: array.tolist() for name, array in tensors_from_frame_records(rows, signature).items()}


def test_known_names_go_by_name():
    assert split(NAMED, [[1, 2, "y"]], ["b", "a", "c"], index=[7]) == {"X": [[2, 1, 1]]}
    assert split(COLUMNS, [["Bern", 30]], ["city", "age"]) == {"age": [[30]], "city": [[b"Bern"]]}
    assert records(NAMED, [{"c": 0, "b": 2, "a": 1}]) == {"X": [[1, 2, 0]]}


def test_names_that_a_model_without_names_cannot_know_go_by_order():
    assert split(NAMELESS, [[1, 2, 3]], ["p", "q", "r"]) == {"X": [[1, 2, 3]]}
    assert records(NAMELESS, [{"p": 1, "q": 2, "r": 3}]) == {"X": [[1, 2, 3]]}


def test_numbers_as_names_go_by_order():
    assert split(NAMED, [[1, 2, 0]], [0, 1, 2]) == {"X": [[1, 2, 0]]}
    assert split(NAMED, [[1, 2, 0]]) == {"X": [[1, 2, 0]]}


def test_wrong_names_of_a_model_with_names_are_told():
    assert "unknown column 'd'" in refusal(split, NAMED, [[1, 2, 3]], ["a", "b", "d"])
    assert "unknown column 'p'" in refusal(split, NAMED, [[1, 2, 3]], ["p", "q", "r"])


def test_a_single_row_needs_no_list_around_it():
    assert split(NAMED, [1, 2, 0], ["a", "b", "c"]) == {"X": [[1, 2, 0]]}


def test_a_row_of_pixels_is_unfolded():
    assert split(PIXELS, [[1, 2, 3, 4]]) == {"x": [[[[1], [2]], [[3], [4]]]]}


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ([], "object with 'columns' and 'data'"),
        ({"columns": ["a"]}, "object with 'columns' and 'data'"),
        ({"data": 5}, "list of rows"),
        ({"data": [[1]], "columns": 5}, "list of names"),
        ({"data": [[1]], "columns": [None]}, "must be a text"),
        ({"data": [[1]], "dtypes": 1}, "no 'dtypes'"),
        ({"data": [[1, 2], [3]]}, "row 1 has 1"),
        ({"data": [[1, 2], 3]}, "row 1 is 3"),
        ({"data": [[1, 2]], "columns": ["a", "b", "c"]}, "3 column names, but the rows have 2"),
        ({"data": [[1, 2]], "columns": ["a", "a"]}, "comes twice"),
        ({"data": []}, "no"),
    ],
)
def test_what_is_no_data_frame_is_refused(frame, words):
    assert words in refusal(tensors_from_split, frame, NAMED)


def test_records_are_objects():
    assert "a list of objects" in refusal(tensors_from_frame_records, [[1, 2, 3]], NAMED)
    assert "a list of objects" in refusal(tensors_from_frame_records, {"a": 1}, NAMED)
