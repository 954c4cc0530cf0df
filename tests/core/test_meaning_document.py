"""Meanings from documents that anybody may have written."""

import json
import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.core.meaning import (
    Audio,
    Column,
    Detection,
    Embedding,
    Forecast,
    Image,
    Labels,
    Probabilities,
    Quantity,
    Ranking,
    Tabular,
    Text,
)
from modelport.core.meaning_document import meaning_from_dict


def tabular(*columns):
    return {"kind": "tabular", "columns": list(columns)}


def image(**fields):
    return {"kind": "image", "height": 8, "width": 8, **fields}


def test_columns_by_name_or_in_full():
    full = {"name": "b", "unit": "mm", "minimum": 1, "maximum": 2.5, "default": "x", "categories": ["x", "y"]}
    assert meaning_from_dict(tabular("a", full)) == Tabular(
        (Column("a"), Column("b", unit="mm", minimum=1, maximum=2.5, default="x", categories=("x", "y")))
    )


def test_lists_become_tuples():
    assert meaning_from_dict(image(channels=3, mean=[0, 0.5, 1], std=[1, 1, 1])) == Image(
        8, 8, 3, mean=(0, 0.5, 1), std=(1, 1, 1)
    )
    assert meaning_from_dict({"kind": "labels", "labels": ["a", "b"]}) == Labels(("a", "b"))


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (None, "a meaning must be an object with a 'kind', not None"),
        (["image"], "a meaning must be an object with a 'kind', not ['image']"),
        (
            {},
            "unknown kind None; the kinds are tabular, image, text, audio, labels, probabilities, quantity, "
            "embedding, detection, ranking, forecast, classification, regression",
        ),
        ({"kind": "imgae"}, "unknown kind 'imgae' (did you mean 'image'?); the kinds are tabular, image, text, "),
        ({"kind": ["image"]}, "unknown kind ['image']; the kinds are"),
        ({"kind": "tabular"}, "kind 'tabular': 'columns' is missing"),
        ({"kind": "tabular", "columns": 5}, "kind 'tabular': 'columns' must be a list (a column each), not 5"),
        (
            {"kind": "tabular", "columns": {"a": 1}},
            "kind 'tabular': 'columns' must be a list (a column each), not {'a': 1}",
        ),
        (tabular(), "a table must have columns"),
        (tabular(3), "a column must be a name or an object with a 'name', not 3"),
        (tabular({}), "column None: 'name' is missing"),
        (tabular({"name": 3}), "column 3: 'name' must be a text, not 3"),
        (
            tabular({"name": "a", "units": "m"}),
            "column 'a': unknown field 'units' (did you mean 'unit'?); the fields are",
        ),
        (tabular({"name": "a", "minimum": "0"}), "column 'a': 'minimum' must be a finite number, not '0'"),
        (tabular({"name": "a", "minimum": True}), "column 'a': 'minimum' must be a finite number, not True"),
        (tabular({"name": "a", "maximum": float("nan")}), "column 'a': 'maximum' must be a finite number, not nan"),
        (tabular({"name": "a", "maximum": 10**400}), "column 'a': 'maximum' must be a finite number, not 1000"),
        (tabular({"name": "a", "default": []}), "column 'a': 'default' must be a finite number or a text, not []"),
        (tabular({"name": "a", "categories": "xy"}), "column 'a': 'categories' must be a list (a text each), not 'xy'"),
        (tabular({"name": "a", "categories": [1]}), "column 'a': 'categories' must be a list (a text each), not [1]"),
        (tabular({"name": "a", "minimum": 2, "maximum": 1}), "column 'a': minimum 2 is over maximum 1"),
        (
            tabular({"name": "a", "categories": ["x"], "default": "z"}),
            "column 'a': default 'z' is none of its categories",
        ),
        (tabular("a", "b", "a"), "two columns are named 'a'; each must have its own name"),
        (tabular(""), "a column must have a name, not an empty text"),
        ({"kind": "labels", "labels": ["x", "x"]}, "two labels are named 'x'; each must have its own name"),
        ({"kind": "probabilities", "labels": [0, 1]}, "kind 'probabilities': 'labels' must be a list (a text each)"),
        ({"kind": "image", "height": 8}, "kind 'image': 'width' is missing"),
        (image(width=8.5), "kind 'image': 'width' must be a whole number, not 8.5"),
        (image(width=0), "'width' must be 1 to 65536 pixels, not 0"),
        (image(height=1 << 40), "'height' must be 1 to 65536 pixels, not"),
        (image(channels=4), "kind 'image': 'channels' must be 1 or 3, not 4"),
        (image(channels=True), "kind 'image': 'channels' must be 1 or 3, not True"),
        (image(layout="NCHW"), "kind 'image': 'layout' must be 'HW' or 'HWC' or 'CHW' or 'flat', not 'NCHW'"),
        (image(channels=3, layout="HW"), "the layout 'HW' has one channel, not 3"),
        (image(ink="red"), "kind 'image': 'ink' must be 'light' or 'dark', not 'red'"),
        (image(mean=[0, 0]), "'mean' has 2 numbers for 1 channels"),
        (image(channels=3, std=[1, 0, 1]), "'std' must not be 0"),
        (
            {"kind": "text", "labels": []},
            "kind 'text': unknown field 'labels'; the fields are tokenizer, max_length, padding, ",
        ),
        ({"kind": "quantity", "unit": "x" * 50, "description": ["y" * 500]}, "'description' must be a text, not ['yyy"),
    ],
)
def test_malformed_meanings(document, says):
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        meaning_from_dict(document)
    assert len(str(caught.value)) < 300


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
fields = st.dictionaries(
    st.sampled_from(["columns", "labels", "height", "width", "channels", "mean", "std", "unit", "scale", "layout"]),
    json_values,
    max_size=5,
)


@settings(max_examples=300, deadline=None)
@given(
    json_values
    | st.builds(
        lambda kind, more: {"kind": kind, **more},
        st.sampled_from(["tabular", "image", "text", "labels", "probabilities", "quantity"]),
        fields,
    )
)
def test_no_document_raises_anything_else(document):
    with suppress(ValueError):
        json.dumps(repr(meaning_from_dict(document)))


@pytest.mark.parametrize(
    ("document", "meaning"),
    [
        ({"kind": "classification", "labels": ["a", "b"], "top_k": 1}, Probabilities(("a", "b"), 1)),
        ({"kind": "regression", "unit": "mm"}, Quantity("mm")),
        ({"kind": "audio", "rate": 16000}, Audio(16000)),
        ({"kind": "text", "tokenizer": "t.json", "max_length": 8, "padding": "fixed"}, Text("t.json", 8, "fixed")),
        ({"kind": "text", "padding": False, "truncation": False}, Text("", 0, False, False)),
        ({"kind": "embedding", "metric": "cosine"}, Embedding("cosine")),
        (
            {"kind": "detection", "scores": "s", "labels": ["cat"], "form": "xywh"},
            Detection("s", "", "", ("cat",), 0, "xywh"),
        ),
        ({"kind": "ranking", "items": ["a"], "top_k": 3}, Ranking(("a",), "", 3)),
        ({"kind": "forecast", "step": "1h", "start": "2026-01-01T00:00Z"}, Forecast("1h", "", "2026-01-01T00:00Z")),
    ],
)
def test_kinds_and_their_synonyms(document, meaning):
    assert meaning_from_dict(document) == meaning


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"kind": "audio", "rate": 1}, "'rate' must be 1000 to 768000, not 1"),
        ({"kind": "audio", "rate": 8000, "channels": 2}, "the layout 'T' has one channel, not 2"),
        ({"kind": "text", "padding": "fixed"}, "the padding 'fixed' needs 'max_length'"),
        ({"kind": "text", "padding": "longest"}, "'padding' must be 'fixed' or true or false, not 'longest'"),
        ({"kind": "text", "max_length": -1}, "'max_length' must be 0 to 2147483648, not -1"),
        ({"kind": "ranking", "items": ["a", "a"]}, "two items are named 'a'"),
        ({"kind": "forecast", "step": "1 fortnight"}, "'step' must be a time such as 15min, 1h"),
        ({"kind": "forecast", "step": "0h"}, "'step' must be a time such as 15min, 1h"),
        ({"kind": "forecast", "start": "2026-01-01"}, "'start' needs 'step'"),
        ({"kind": "forecast", "start": "soon", "step": "1d"}, "'start' must be a date or a time"),
        (tabular({"name": "a", "optional": True}), "column 'a': it is optional, so it must have a default"),
        (tabular({"name": "a", "strict": True}), "column 'a': it is strict, so it must have a minimum or a maximum"),
        (tabular({"name": "a", "type": "integer", "categories": ["x"]}), "column 'a': its categories are texts"),
        (tabular({"name": "a", "type": "integer", "default": "x"}), "column 'a': its default is a text"),
    ],
)
def test_fields_that_contradict_each_other(document, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        meaning_from_dict(document)
