"""A meaning from its plain form (dicts, lists, numbers, text), as `dataclasses.asdict` and JSON write it.

What comes in was written by people and tools that know nothing of these classes, so that each field is checked: a page
that is made from a meaning, and a picture that is scaled by one, can rely on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import MISSING, fields
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from modelport.core.meaning import (
    Audio,
    Column,
    Detection,
    Embedding,
    Forecast,
    Image,
    Labels,
    Meaning,
    Probabilities,
    Quantity,
    Ranking,
    Tabular,
    Text,
)
from modelport.core.nearest import did_you_mean
from modelport.core.steps import later

_KINDS: dict[str, type[Any]] = {
    "tabular": Tabular,
    "image": Image,
    "text": Text,
    "audio": Audio,
    "labels": Labels,
    "probabilities": Probabilities,
    "quantity": Quantity,
    "embedding": Embedding,
    "detection": Detection,
    "ranking": Ranking,
    "forecast": Forecast,
}
#: Other words for kinds: a classification is told by its scores, a regression by its quantity.
_SYNONYMS = {"classification": "probabilities", "regression": "quantity"}
_HINTS: dict[type[Any], dict[str, Any]] = {kind: get_type_hints(kind) for kind in (*_KINDS.values(), Column)}

_WORDS = {
    float: "a finite number",
    int: "a whole number",
    str: "a text",
    bool: "true or false",
    Column: "a column",
}


def meaning_from_dict(document: Any) -> Meaning:
    """Read a meaning. Raises ValueError naming what is wrong, whatever the document is."""
    if not isinstance(document, dict):
        raise ValueError(f"a meaning must be an object with a 'kind', not {_shown(document)}")
    kind = document.get("kind")
    kind = _SYNONYMS.get(kind, kind) if isinstance(kind, str) else kind
    if not isinstance(kind, str) or kind not in _KINDS:
        known = (*_KINDS, *_SYNONYMS)
        near = did_you_mean(kind, known) if isinstance(kind, str) else ""
        raise ValueError(f"unknown kind {_shown(kind)}{near}; the kinds are {', '.join(known)}")
    given = {**document, "kind": kind}
    if kind == "tabular" and isinstance(given.get("columns"), list | tuple):
        given["columns"] = [_column(item) for item in given["columns"]]
    meaning = cast("Meaning", _make(_KINDS[kind], given, f"kind {kind!r}"))
    _check_values(meaning)
    return meaning


def _column(item: Any) -> Column:
    """A column, or only its name."""
    if isinstance(item, str):
        item = {"name": item}
    if not isinstance(item, dict):
        raise ValueError(f"a column must be a name or an object with a 'name', not {_shown(item)}")
    column: Column = _make(Column, item, f"column {_shown(item.get('name'))}")
    if column.minimum is not None and column.maximum is not None and column.minimum > column.maximum:
        raise ValueError(f"column {column.name!r}: minimum {column.minimum} is over maximum {column.maximum}")
    if column.categories and column.default is not None and column.default not in column.categories:
        raise ValueError(f"column {column.name!r}: default {column.default!r} is none of its categories")
    _check_column(column)
    return column


def _check_column(column: Column) -> None:
    """Raise ValueError where the fields of a column contradict each other."""
    where = f"column {column.name!r}"
    if column.optional and column.default is None:
        raise ValueError(f"{where}: it is optional, so it must have a default")
    if column.strict and column.minimum is None and column.maximum is None:
        raise ValueError(f"{where}: it is strict, so it must have a minimum or a maximum")
    if column.categories and column.type not in (None, "text"):
        raise ValueError(f"{where}: its categories are texts, so it can't be of the type {column.type!r}")
    if isinstance(column.default, str) and column.type not in (None, "text"):
        raise ValueError(f"{where}: its default is a text, so it can't be of the type {column.type!r}")


def _make(kind: type[Any], given: dict[str, Any], where: str) -> Any:
    hints = _HINTS[kind]
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in hints:
            near = did_you_mean(str(name), hints)
            raise ValueError(f"{where}: unknown field {_shown(name)}{near}; the fields are {', '.join(hints)}")
        values[name] = tuple(value) if isinstance(value, list) else value
        if not _is(values[name], hints[name]):
            raise ValueError(f"{where}: {name!r} must be {_words(hints[name])}, not {_shown(value)}")
    for field in fields(kind):
        if field.default is MISSING and field.name not in values:
            raise ValueError(f"{where}: {field.name!r} is missing")
    return kind(**values)


def _is(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_is(value, item) for item in inner)
    if origin is Literal:
        return any(value == item and type(value) is type(item) for item in inner)
    if origin is tuple:
        return isinstance(value, tuple) and all(_is(item, inner[0]) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int that no float holds
        return False


def _words(hint: Any) -> str:
    """A type as error messages call it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_words(item) for item in inner if item is not type(None))
    if origin is Literal:
        return " or ".join(repr(item) for item in inner if item is not None)
    if origin is tuple:
        return f"a list ({_words(inner[0])} each)"
    return _WORDS.get(hint, str(hint))


def _check_values(meaning: Meaning) -> None:
    """Raise ValueError for values that are of the right type and still can't be meant."""
    for name in ("top_k", "max_length", "samples"):
        _check_range(name, getattr(meaning, name, 0), 0, 1 << 31)
    match meaning:
        case Tabular(columns=columns):
            if not columns:
                raise ValueError("a table must have columns")
            _check_names((column.name for column in columns), "column")
        case Image():
            _check_image(meaning)
        case Audio():
            _check_audio(meaning)
        case Text(padding="fixed", max_length=0):
            raise ValueError("the padding 'fixed' needs 'max_length', the length of each text in tokens")
        case Labels(labels=names) | Probabilities(labels=names) | Detection(labels=names):
            _check_names(names, "label")
        case Ranking(items=names):
            _check_names(names, "item")
        case Forecast():
            _check_forecast(meaning)


def _check_audio(audio: Audio) -> None:
    _check_range("rate", audio.rate, 1000, 768_000)
    if audio.layout == "T" and audio.channels != 1:
        raise ValueError("the layout 'T' has one channel, not 2; 'CT' and 'TC' have an axis for them")


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name!r} must be {low} to {high}, not {value}")


def _check_forecast(forecast: Forecast) -> None:
    if forecast.start and not forecast.step:
        raise ValueError("'start' needs 'step', the time from one value to the next")
    if forecast.step:
        later(forecast.start or "2000-01-01", forecast.step, 1)


def _check_image(image: Image) -> None:
    for name in ("height", "width"):
        if not 1 <= getattr(image, name) <= 1 << 16:
            raise ValueError(f"{name!r} must be 1 to 65536 pixels, not {getattr(image, name)}")
    for name in ("mean", "std"):
        values = getattr(image, name)
        if values and len(values) != image.channels:
            raise ValueError(f"{name!r} has {len(values)} numbers for {image.channels} channels")
    if image.layout == "HW" and image.channels != 1:
        raise ValueError("the layout 'HW' has one channel, not 3; 'HWC' and 'CHW' have an axis for them")
    if 0 in image.std:
        raise ValueError("'std' must not be 0: pixels are divided by it")


def _check_names(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if not name:
            raise ValueError(f"a {what} must have a name, not an empty text")
        if name in seen:
            raise ValueError(f"two {what}s are named {name!r}; each must have its own name")
        seen.add(name)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
