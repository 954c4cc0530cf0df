"""What a gate's text becomes, and what is said about one that can't be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelport.core.errors import InvalidInputError
from modelport.evaluate.gates.gate import METRICS, Condition, MetricRef, Number, Operation, Rule, Same, references_of
from modelport.evaluate.gates.reading import read_gate


def ref(text, **more):
    gate = read_gate(f"{text} > 0")
    assert isinstance(gate, Rule)
    found = gate.left
    assert isinstance(found, MetricRef)
    assert found.text == text
    return found


def test_a_metric_and_a_number():
    gate = read_gate(" accuracy >= 0.9 ")
    assert gate == Rule("accuracy >= 0.9", MetricRef("accuracy", text="accuracy"), ">=", Number(0.9, "0.9"))


def test_a_reference_by_itself_and_with_a_metric():
    gate = read_gate("rmse <= 1.05 * production")
    assert gate.right == Operation("*", Number(1.05, "1.05"), Same("production", 15))
    named = read_gate("accuracy >= production.recall").right
    assert (named.of, named.name) == ("production", "recall")
    assert references_of(gate) == {"production"}
    assert references_of(read_gate("accuracy > 0.9")) == frozenset()
    assert references_of(read_gate("signature compatible")) == {"production"}


def test_other_names_for_references():
    assert read_gate("f1 >= staging", references=("staging",)).right == Same("staging", 6)
    with pytest.raises(InvalidInputError, match="no metric 'staging'"):
        read_gate("f1 >= staging")


@pytest.mark.parametrize("word", ["0", "malignant", "a1", "3d", "naïve"])
def test_a_class_behind_the_dot(word):
    found = ref(f"f1.{word}")
    assert (found.name, found.part, found.quoted) == ("f1", word, False)


def test_a_class_with_spaces_and_one_called_like_a_bound():
    assert ref('recall."benign tumour"').part == "benign tumour"
    low = ref('f1."low".low')
    assert (low.part, low.quoted, low.bounds) == ("low", True, ("low",))


def test_bounds_and_averages():
    assert ref("accuracy.low").bounds == ("low",)
    assert ref("f1.weighted.high").part == "weighted"
    assert ref("accuracy.difference.low").bounds == ("difference", "low")
    assert ref("f1.macro").part is None


@pytest.mark.parametrize(
    "text", ["slice[country=FI].accuracy", "slice[country = FI].accuracy", "slice[\"country\"='FI'].accuracy"]
)
def test_a_slice(text):
    assert ref(text).slice == ("country", "FI")


def test_a_slice_of_a_value_with_signs_in_it():
    assert ref("slice[age='18-25] = x'].f1.a.low").slice == ("age", "18-25] = x")


def test_percents_signs_of_print_and_precedence():
    assert read_gate("disagreement ≤ 2%").right == Number(0.02, "2%")
    assert read_gate("accuracy ≥ production − 0.01").right.sign == "-"
    gate = read_gate("accuracy > 1 - 2 * (0.5 - 0.25) / 2")
    assert gate.right.sign == "-"
    assert gate.right.right.sign == "/"
    assert read_gate("bias > -1").right == Operation("-", Number(0.0, "0"), Number(1.0, "1"))


def test_conditions():
    assert read_gate("golden == ok") == Condition("golden == ok", "golden")
    assert read_gate("golden ok").what == "golden"
    assert read_gate("signature compatible") == Condition("signature compatible", "signature", "production")
    assert read_gate("signature == compatible with other").of == "other"


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_can_be_named(name):
    assert ref(name).name == name


WRONG = {
    "": ("a gate is empty", 1),
    "acuracy >= 0.9": ("there is no metric 'acuracy' (did you mean 'accuracy'?)", 1),
    "accuracy >= prodction": ("there is no metric 'prodction' (did you mean 'production'?)", 13),
    "accuracy": ("here one of >= <= == != > < is needed", 9),
    "accuracy = 0.9": ("'=' means nothing here; two of them compare: ==", 10),
    "accuracy >= ": ("here a metric or a number is needed", 12),
    "accuracy >= 0.9 and f1 > 0.5": ("the gate should end before 'and'; give several gates instead", 17),
    "accuracy >= 0.9 0.8": ("the gate should end before '0.8'", 17),
    "accuracy.hihg > 0.9": ("accuracy has no part 'hihg' (did you mean 'high'?)", 10),
    "accuracy.low.high > 1": ("the bounds are", 19),
    "f1.a.b > 1": ("behind the dot a class, low, high or difference is needed", 6),
    "f1. > 1": ("behind the dot a class", 5),
    "slice[country].f1 > 1": ("a slice is written slice[COLUMN=VALUE].METRIC", 6),
    "slice[country=FI] > 1": ("here '.' is needed", 19),
    "slice.f1 > 1": ("a slice is written", 6),
    "(accuracy > 0.9": ("here ')' is needed", 11),
    "golden == fine": ("'golden' is followed by == ok", 11),
    "signature broken": ("'signature' is followed by == compatible", 11),
    "signature compatible with prod": ("no version is called 'prod'", 27),
    "0.9 <= production": ("so one metric must be there", 8),
    "accuracy + f1 >= production": ("so one metric must be there; or write production.accuracy", 18),
    "disagreement <= production": ("so one metric must be there", 17),
    "accuracy >= 0.9; rm": ("';' means nothing here", 16),
    "__import__('os') > 1": ("there is no metric '__import__'", 1),
    "accuracy >= " + "(" * 30 + "1": ("too many parentheses", 33),
}


@pytest.mark.parametrize(("text", "said"), WRONG.items(), ids=list(WRONG))
def test_a_gate_that_is_wrong_is_told_where_and_why(text, said):
    why, place = said
    with pytest.raises(InvalidInputError) as told:
        read_gate(text)
    lines = str(told.value).splitlines()
    assert lines[0].startswith(f"gate, character {place}: ")
    assert why in lines[0]
    assert lines[1:] == [f"  {text.strip()}", f"  {' ' * (place - 1)}^"]


def test_a_gate_that_is_too_long():
    with pytest.raises(InvalidInputError, match="at most 500 characters, not 501"):
        read_gate("a" * 501)


PIECES = [
    "accuracy",
    "production",
    ".",
    "low",
    ">=",
    "(",
    ")",
    "+",
    "-",
    "*",
    "/",
    "0.9",
    "%",
    "slice[a=b]",
    '"x"',
    "f1",
    " ",
    "é",
    "\x01",
]


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=60))
def test_whatever_comes_is_read_or_refused(text):
    try:
        gate = read_gate(text)
    except InvalidInputError:
        return
    assert gate.text == text.strip()
