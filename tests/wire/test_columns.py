"""Tables whose columns declare what they take."""

import json

import numpy as np
import pytest
from wire_cases import refusal

from modelport.core.meaning import Column, Tabular
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.csv_tables import CsvTable
from modelport.wire.plain import inputs_from_body
from modelport.wire.tensorflow_serving_quick import quick_reader

TABLE = Tabular(
    (
        Column("rooms", type="integer", minimum=1, maximum=20, strict=True),
        Column("garden", type="boolean"),
        Column("area", unit="m²", minimum=10, strict=True, default=80, optional=True),
        Column("heating", categories=("gas", "wood"), default="gas", optional=True),
    )
)
SIGNATURE = Signature((TensorSpec("x", "FP32", (-1, 4), TABLE),), (TensorSpec("y", "FP32", (-1,)),))


def read(document):
    return inputs_from_body(json.dumps(document).encode(), "", SIGNATURE)["x"].tolist()


def test_cells_become_numbers():
    assert read({"rooms": 3, "garden": True, "area": 50.5, "heating": "wood"}) == [[3, 1, 50.5, 1]]
    assert read([[3.0, 0, 50, "gas"], [1, False, 10, 1]]) == [[3, 0, 50, 0], [1, 0, 10, 1]]


def test_an_optional_column_has_its_default():
    assert read({"rooms": 3, "garden": 1}) == [[3, 1, 80, 0]]
    assert read([{"rooms": 3, "garden": 1, "area": None}, {"rooms": 4, "garden": 0, "heating": "wood"}]) == [
        [3, 1, 80, 0],
        [4, 0, 80, 1],
    ]


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"garden": 1}, "missing column 'rooms'"),
        ({"area": 20}, "missing column 'rooms', 'garden'"),
        ({"rooms": 2.5, "garden": 1}, "column 'rooms' takes a whole number, not 2.5"),
        ({"rooms": 2, "garden": 2}, "column 'garden' takes true or false, not 2"),
        ({"rooms": 2, "garden": "yes"}, "column 'garden' takes a number, not 'yes'"),
        ({"rooms": 21, "garden": 1}, "column 'rooms' takes 1 to 20, not 21"),
        ({"rooms": 2, "garden": 1, "area": 9.5}, "column 'area' takes 10 m² or more, not 9.5"),
        ([[2, 1, 20, 0], [0, 1, 20, 0]], "column 'rooms' takes 1 to 20, not 0, in row 1"),
        ([[2.5, 1, 20, 0]], "column 'rooms' takes a whole number, not 2.5"),
        ({"rooms": 2, "garden": 1, "heating": "oil"}, "column 'heating' has no category 'oil'"),
    ],
)
def test_what_a_column_does_not_take(document, says):
    assert says in refusal(read, document)


def test_missing_values_are_not_outside_of_a_range():
    table = Tabular((Column("a", minimum=0, strict=True),))
    signature = Signature((TensorSpec("x", "FP32", (-1, 1), table),), ())
    assert np.isnan(inputs_from_body(b'{"a": null}', "", signature)["x"]).all()


def test_the_quick_ways_look_too():
    assert "takes 1 to 20, not 99" in refusal(CsvTable(b"99,1,20,0\n").tensors, SIGNATURE, False)
    assert quick_reader(SIGNATURE)(b'{"instances": [[99, 1, 20, 0]]}') is None
