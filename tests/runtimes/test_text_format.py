"""Protobuf's text format."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.core.errors import InvalidModelError
from modelport.runtimes.repositories.text_format import parse


def test_fields_lists_messages_and_comments():
    text = """
    # a comment
    name: "one" 'two'; n: 3, hex: 0x10 f: -1.5e-3 on: true off: false kind: KIND_CPU
    dims: [ 1, -1 ] dims: 7
    inner { a: 1 } inner: < a: 2 b: "}\\n\\"" >
    list: [ { a: 1 }, { a: 2 } ] empty: [] none {}
    """
    assert parse(text, "x") == {
        "name": ["onetwo"], "n": [3], "hex": [16], "f": [-0.0015], "on": [True], "off": [False], "kind": ["KIND_CPU"],
        "dims": [1, -1, 7],
        "inner": [{"a": [1]}, {"a": [2], "b": ['}\n"']}],
        "list": [{"a": [1]}, {"a": [2]}], "empty": [], "none": [{}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('a: 1\nb { c: "x"', "x, line 2: it ends too soon"),
        ("a: 1\n}", "x, line 2: a field's name is expected, not '}'"),
        ("a:\n:", "x, line 2: a value is expected, not ':'"),
        ("a 1", "x, line 1: a value is expected, not '1'"),
        ("a: [1 2]", "x, line 1: ',' or ']' is expected, not '2'"),
        ('a: "open', "x, line 1: '\"' can't be read"),
        ("a: €", "x, line 1: '€' can't be read"),
        (r'a: "\x"', 'x, line 1: the text "\\x" can\'t be read'),
        ("a { " * 100, "x, line 1: messages are nested too deep"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, says):
    with pytest.raises(InvalidModelError) as caught:
        parse(text, "x")
    assert says in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(st.text("ab1:{}[]<>\"'\\-., \n#", max_size=40))
def test_any_text_is_read_or_refused(text):
    with suppress(InvalidModelError):
        assert isinstance(parse(text, "x"), dict)
