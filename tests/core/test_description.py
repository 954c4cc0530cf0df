"""Signatures as plain documents, there and back."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.core.datatypes import DTYPES
from modelport.core.description import signature_from_dict, signature_to_dict
from modelport.core.meaning import Column, Image, Labels, Probabilities, Quantity, Tabular, Text
from modelport.core.meaning_document import meaning_from_dict
from modelport.core.signature import Signature, TensorSpec

names = st.text(min_size=1, max_size=8)
unique_names = st.lists(names, max_size=4, unique=True).map(tuple)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
columns = st.builds(Column, name=names, description=st.text(max_size=5), unit=st.text(max_size=3), default=numbers)
meanings = st.one_of(
    st.lists(columns, min_size=1, max_size=4, unique_by=lambda column: column.name).map(tuple).map(Tabular),
    st.builds(Image, height=st.integers(1, 99), width=st.integers(1, 99), ink=st.sampled_from([None, "light", "dark"])),
    st.just(Text()),
    st.builds(Labels, unique_names),
    st.builds(Probabilities, unique_names),
    st.builds(Quantity, unit=st.text(max_size=3)),
)
shapes = st.none() | st.lists(st.integers(-1, 99), max_size=4).map(tuple)
specs = st.builds(TensorSpec, names, st.sampled_from(list(DTYPES)), shapes, st.none() | meanings, st.booleans())
tensors = st.lists(specs, max_size=3, unique_by=lambda spec: spec.name).map(tuple)


@settings(max_examples=200, deadline=None)
@given(st.builds(Signature, tensors, tensors, st.booleans()))
def test_there_and_back(signature):
    document = json.loads(json.dumps(signature_to_dict(signature)))
    assert signature_from_dict(document) == signature


@settings(max_examples=100, deadline=None)
@given(meanings)
def test_meanings_as_dataclasses_write_them(meaning):
    assert meaning_from_dict(asdict(meaning)) == meaning


def test_what_says_nothing_is_left_out():
    column = Column("a", minimum=0.0)
    signature = Signature((TensorSpec("x", "FP32", (-1, 1), Tabular((column,))),), (TensorSpec("y", "BYTES", None),))
    assert signature_to_dict(signature) == {
        "inputs": [
            {
                "name": "x",
                "datatype": "FP32",
                "shape": [-1, 1],
                "meaning": {"columns": [{"name": "a", "minimum": 0.0}], "kind": "tabular"},
            }
        ],
        "outputs": [{"name": "y", "datatype": "BYTES", "shape": None}],
    }


@pytest.mark.parametrize("document", [{}, {"inputs": []}, {"inputs": [{}], "outputs": []}])
def test_a_document_that_lacks_something(document):
    with pytest.raises(KeyError):
        signature_from_dict(document)
