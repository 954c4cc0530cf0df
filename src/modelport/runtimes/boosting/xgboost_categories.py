"""The names of categories that an XGBoost file carries: since 3.1 those of the DataFrame that it learned from."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any


def column_categories(booster: Any) -> dict[int, tuple[str, ...]]:
    """The place of each column of categories that the file names → their names, in the order of their numbers."""
    if "c" not in (booster.feature_types or ()):
        return {}  # the model need not be written out for nothing
    document = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]
    model = document.get("model") or document.get("gbtree", {}).get("model", {})
    columns = (model.get("cats") or {}).get("enc", [])
    return {place: names for place, names in enumerate(map(_names, columns)) if names}


def _names(column: dict[str, Any]) -> tuple[str, ...]:
    """Texts lie one behind the other, cut at `offsets`; numbers in a list.

    XGBoost counts letters there where it should count bytes: with letters beyond ASCII the names are lost.
    """
    values = column.get("values", [])
    if "offsets" not in column:
        return tuple(map(str, values))
    if any(not 0 <= value < 128 for value in values):
        return ()
    text, ends = bytes(values).decode(), column["offsets"]
    return tuple(text[start:end] for start, end in pairwise(ends))
