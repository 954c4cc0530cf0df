"""Names of models and versions."""

import pytest

from modelport.core.errors import InvalidInputError
from modelport.core.nearest import did_you_mean
from modelport.core.references import ModelRef, check_model_name, parse_version


@pytest.mark.parametrize("name", ["a", "fraud", "Fraud-2.1_x", "_", "two words", "a" * 200, "ends-", "1"])
def test_names(name):
    assert check_model_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", " a", "a ", ".", "..", "a.", ".a", "-a", "a/b", "a\\b", "a\n", "a\0", "ü", "a" * 201, "a@1", "a:b", "%2e"],
)
def test_names_that_can_not_be(name):
    with pytest.raises(InvalidInputError) as caught:
        check_model_name(name)
    assert str(caught.value).startswith(f"{name!r} can't be a model's name: 1 to 200 letters, digits, ")


@pytest.mark.parametrize(("text", "version"), [("1", 1), ("007", 7), ("999999999999999999", 10**18 - 1)])
def test_versions(text, version):
    assert parse_version(text) == version


@pytest.mark.parametrize("text", ["", "0", "-1", "+1", "1.0", " 1", "1\n", "v1", "²", "１", "1_0", "9" * 19, "latest"])
def test_versions_that_can_not_be(text):
    with pytest.raises(InvalidInputError) as caught:
        parse_version(text)
    assert str(caught.value) == f"{text!r} is not a version: versions are numbered 1, 2, 3 …"


def test_references_in_words():
    assert [str(ref) for ref in (ModelRef("fraud"), ModelRef("fraud", 3))] == ["fraud", "fraud@3"]


@pytest.mark.parametrize(
    ("name", "guess"),
    [("amuont", " (did you mean 'Amount'?)"), ("AMOUNT", " (did you mean 'Amount'?)"), ("zzz", ""), ("", "")],
)
def test_the_nearest_name(name, guess):
    assert did_you_mean(name, ["Amount", "time"]) == guess
    assert did_you_mean(name, []) == ""


def test_the_nearest_of_many_long_names_is_found_quickly():
    assert did_you_mean("x" * 1_000_000, [f"column {index}" for index in range(1000)]) == ""
