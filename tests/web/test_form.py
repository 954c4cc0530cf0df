"""From signatures to sections, fields, groups and examples."""

from __future__ import annotations

import json

import fake_catalog as fake
import numpy as np
import pytest

from modelport.core.datatypes import DTYPES
from modelport.core.meaning import Audio, Column, Image, Quantity, Tabular
from modelport.core.signature import Signature, TensorSpec
from modelport.web.fields import Field, column_field, grouped
from modelport.web.form import example_text, example_value, form_sections
from modelport.web.words import cost_text, number_text, tensor_words, tensors_words, time_text

TABLE = fake.tensor("X", (-1, 2))


def sections(*inputs):
    return form_sections(Signature(inputs, (fake.tensor("y", (-1,)),)))


def fields(*names):
    return [Field(name, "X", "number", "0") for name in names]


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (fake.tensor("X", (-1, 1), Tabular((Column("a"),))), "fields"),
        (fake.tensor("X", (-1, 8, 8), Image(8, 8, layout="HW")), "image"),
        (fake.tensor("X", (-1,), datatype="BYTES"), "text"),
        (fake.tensor("X", (-1, 1)), "fields"),
        (fake.tensor("X", (-1, 3)), "json"),
        (fake.tensor("X", None), "json"),
        (fake.tensor("X", ()), "json"),
        (fake.tensor("X", (-1,), Quantity()), "json"),
        (fake.tensor("X", (-1, 401), Tabular(tuple(Column(f"c{n}") for n in range(401)))), "json"),
    ],
)
def test_the_meaning_chooses_the_control(spec, kind):
    assert [section.kind for section in sections(spec)] == [kind]


def test_inputs_of_one_value_share_a_section_in_place_of_the_first():
    found = sections(
        fake.tensor("rows", (-1, 3)),
        fake.tensor("a", (-1, 1)),
        fake.tensor("grid", (2, 2)),
        fake.tensor("b", (-1,), datatype="BYTES"),
    )
    assert [section.title for section in found] == ["rows", "Values", "grid"]
    assert [spec.name for spec in found[1].tensors] == ["a", "b"]
    assert [item.control for item in found[1].groups[0].fields] == ["number", "text"]


def test_columns_are_grouped_by_the_word_that_runs_of_them_share():
    (section,) = sections(*fake.breast_cancer().versions[0].signature.inputs)
    assert [(group.heading, len(group.fields)) for group in section.groups] == [
        ("mean", 10),
        ("error", 10),
        ("worst", 10),
    ]
    assert section.size == 30


def test_names_without_shared_words_stay_together():
    assert [group.heading for group in grouped(fields("age", "sex", "bmi", "bp"))] == [""]
    assert [group.heading for group in grouped(fields("s1", "s2", "s3", "s4"))] == [""]
    assert [group.heading for group in grouped(fields("a x", "a y", "a z"))] == [""]
    mixed = grouped(fields("in_a", "in_b", "in_c", "age", "out_a", "out_b", "out_c"))
    assert [(group.heading, len(group.fields)) for group in mixed] == [("in", 3), ("", 1), ("out", 3)]


@pytest.mark.parametrize(
    ("column", "example", "span"),
    [
        (Column("a", default=0.1), "0.1", ""),
        (Column("a", default=3.0), "3", ""),
        (Column("a", minimum=0, maximum=1 / 3), "0.1667", "0 – 0.3333"),
        (Column("a", minimum=5), "5", "from 5"),
        (Column("a", maximum=5), "0", "up to 5"),
        (Column("a"), "0", ""),
        (Column("a", categories=("low", "high")), "low", ""),
        (Column("a", categories=("low", "high"), default="high"), "high", ""),
    ],
)
def test_a_field_is_filled_with_the_default_or_something_likely(column, example, span):
    made = column_field(column, TABLE)
    assert (made.example, made.span) == (example, span)


def test_whole_numbers_step_by_one():
    made = column_field(Column("a", minimum=0, maximum=5), fake.tensor("X", (-1, 1), datatype="INT64"))
    assert (made.step, made.example) == ("1", "2")


@pytest.mark.parametrize("datatype", sorted(DTYPES))
@pytest.mark.parametrize("shape", [(-1, 3), (2, 2), (), (-1,), None, (2, 0), (-1, 2, 2)])
def test_examples_fit_the_signature(datatype, shape):
    spec = fake.tensor("X", shape, datatype=datatype)
    value = json.loads(example_text(spec))
    assert value == example_value(spec)
    assert spec.fits(np.array(value, DTYPES[datatype]).shape)


def test_an_example_of_a_huge_tensor_is_not_written_out():
    assert example_text(fake.tensor("X", (-1, 3, 224, 224))) == ""


def test_words():
    assert number_text(14.0) == "14"
    assert number_text(1e300) == "1e+300"
    assert cost_text(0.0142) == "14.2 µs"
    assert cost_text(12.345) == "12.3 ms"
    assert cost_text(2500) == "2.5 s"
    assert time_text(0) == "1970-01-01 00:00:00 UTC"
    assert tensor_words(fake.tensor("x", (-1, 3))) == "x FP32 [-1, 3]"
    assert tensors_words(tuple(fake.tensor(f"x{n}", (-1,)) for n in range(4))) == "4 tensors"
    assert tensors_words(()) == "nothing"


def test_columns_of_whole_numbers_step_by_one_and_begin_with_one():
    table = Tabular((Column("rooms", type="integer", minimum=1, maximum=4), Column("area", minimum=1, maximum=4)))
    [section] = form_sections(Signature((TensorSpec("x", "FP32", (-1, 2), table),), ()))
    rooms, area = section.groups[0].fields
    assert (rooms.step, rooms.example) == ("1", "2")
    assert (area.step, area.example) == ("any", "2.5")


def test_a_recording_has_a_section_of_its_own():
    [section] = form_sections(Signature((TensorSpec("sound", "FP32", (-1, -1), Audio(16000)),), ()))
    assert (section.kind, section.note) == ("audio", "mono recording at 16000 Hz")
