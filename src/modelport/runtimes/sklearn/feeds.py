"""Tensors → what an estimator takes: an array, a DataFrame, a list of texts.

Each feed makes something new from its inputs: estimators may write to what they are given, and may give it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, text_array
from modelport.core.declared import DeclaredTensor
from modelport.core.errors import InvalidInputError, MissingExtraError
from modelport.core.meaning import Column, Tabular, Text
from modelport.core.signature import TensorSpec
from modelport.runtimes.sklearn.boosters import booster_kinds, booster_names
from modelport.runtimes.sklearn.columns import (
    TEXT,
    ColumnKind,
    Kinds,
    dropped_columns,
    fitted_in_single_precision,
    kinds_of,
    takes_texts,
)
from modelport.runtimes.tables import Arrays, table_of

#: The input of a model that takes one matrix, and of one that takes texts.
MATRIX, TEXTS = "X", "text"


class Feed(Protocol):
    """Makes an estimator's argument."""

    specs: tuple[TensorSpec, ...]

    def rows(self, inputs: Arrays) -> Any:
        """The argument for inputs that fit `specs`."""

    def samples(self) -> list[Any]:
        """Arguments of two rows each that the estimator may take, the likelier first."""


def feed_of(estimator: Any, declared: Sequence[DeclaredTensor]) -> Feed:
    """How to feed an estimator: as what it learned from, or as its owner declares."""
    if takes_texts(estimator):
        return TextFeed()
    names = [str(name) for name in getattr(estimator, "feature_names_in_", ())] or booster_names(estimator)
    width = len(names) or int(getattr(estimator, "n_features_in_", 1 if hasattr(estimator, "X_thresholds_") else -1))
    kinds = booster_kinds(estimator) or kinds_of(estimator)
    own = {item.name: item for item in declared}
    columns = names or [f"x{place}" for place in range(width)]
    if own.keys() & set(columns) or any(map(_is_special, kinds.values())):
        left_out = {place for place in dropped_columns(estimator) if columns[place] not in own} if names else set()
        places = [place for place in range(len(columns)) if place not in left_out]
        return ColumnFeed(
            [columns[place] for place in places],
            [_declared_kind(kinds.get(place), own.get(columns[place])) for place in places],
            named=bool(names),
        )
    datatype = "FP32" if fitted_in_single_precision(estimator) else "FP64"
    return MatrixFeed(own.get(MATRIX, DeclaredTensor(MATRIX)).spec(datatype, (-1, width)), names, kinds)


def _is_special(kind: ColumnKind) -> bool:
    """Whether a column can't stand in a matrix of numbers."""
    return kind.datatype == BYTES or kind.frame_categories is not None


class MatrixFeed:
    """One matrix of numbers; a DataFrame where the estimator knows its columns by name."""

    specs: tuple[TensorSpec, ...]

    def __init__(self, spec: TensorSpec, names: list[str], kinds: Kinds) -> None:
        self.specs = (replace(spec, meaning=table_of(names)),)
        self._names = _index(names) if names else None
        self._kinds = kinds

    def rows(self, inputs: Arrays) -> Any:
        """A matrix, or a DataFrame."""
        return self._framed(np.array(inputs[MATRIX], order="C"))

    def samples(self) -> list[Any]:
        """Values that encoders know, elsewhere zeros, ones and numbers between."""
        shape = [2 if size == -1 else size for size in self.specs[0].shape or ()]
        between = np.linspace(0.1, 0.9, int(np.prod(shape))).reshape(shape)
        found = [np.zeros(shape), np.ones(shape), between]
        for array in found:
            for place, kind in self._kinds.items():
                array[:, place] = kind.sample
        dtype = DTYPES[self.specs[0].datatype]
        return [self._framed(array.astype(dtype)) for array in found]

    def _framed(self, array: Any) -> Any:
        return array if self._names is None else _pandas().DataFrame(array, columns=self._names, copy=False)


class TextFeed:
    """A list of texts."""

    specs: tuple[TensorSpec, ...] = (TensorSpec(TEXTS, BYTES, (-1,), Text()),)

    def rows(self, inputs: Arrays) -> Any:
        """A list of str. Raises InvalidInputError for bytes that are no UTF-8."""
        return text_array(inputs[TEXTS], TEXTS).tolist()

    def samples(self) -> list[Any]:
        """Two texts."""
        return [["one text", "another"]]


class ColumnFeed:
    """An input for each column: a table of numbers, categories and texts. An empty text is a missing value."""

    def __init__(self, names: list[str], kinds: list[ColumnKind], *, named: bool) -> None:
        """`named`: the estimator knows its columns by name, and takes a DataFrame; else by place."""
        self.specs = tuple(_column_spec(name, kind) for name, kind in zip(names, kinds, strict=True))
        self._kinds = kinds
        self._named = named
        if named:
            _pandas()

    def rows(self, inputs: Arrays) -> Any:
        """A DataFrame, or an array of objects."""
        return self._table(
            [_cells(inputs[spec.name], spec, kind) for spec, kind in zip(self.specs, self._kinds, strict=True)]
        )

    def samples(self) -> list[Any]:
        """Values that the estimator was fitted on."""
        zeros = [_sample(spec, kind, 0) for spec, kind in zip(self.specs, self._kinds, strict=True)]
        ones = [_sample(spec, kind, 1) for spec, kind in zip(self.specs, self._kinds, strict=True)]
        return [self._table(zeros), self._table(ones)]

    def _table(self, columns: list[Any]) -> Any:
        if self._named:
            names = [spec.name for spec in self.specs]
            return _pandas().DataFrame(dict(zip(names, columns, strict=True)))
        table = np.empty((len(columns[0]), len(columns)), np.object_)
        for place, column in enumerate(columns):
            table[:, place] = column
        return table


def _declared_kind(kind: ColumnKind | None, declared: DeclaredTensor | None) -> ColumnKind:
    """What the owner says about a column's type is worth more than what the estimator shows."""
    known = kind or ColumnKind("FP64")
    if declared is None or declared.datatype is None or declared.datatype == known.datatype:
        return known
    sample = "" if declared.datatype == BYTES else 0
    return ColumnKind(declared.datatype, sample)


def _column_spec(name: str, kind: ColumnKind) -> TensorSpec:
    if kind is TEXT:
        return TensorSpec(name, kind.datatype, (-1,), Text())
    table = Tabular((Column(name, categories=kind.categories),)) if kind.categories else None
    return TensorSpec(name, kind.datatype, (-1,), table)


def _cells(array: Any, spec: TensorSpec, kind: ColumnKind) -> Any:
    if kind.frame_categories is not None:
        values = text_array(array, spec.name) if spec.datatype == BYTES else array
        return _categorical(spec.name, values, kind.frame_categories)
    if spec.datatype != BYTES:
        return np.array(array)
    texts = text_array(array, spec.name)
    if not kind.text and "" not in kind.categories:
        texts[texts == ""] = kind.missing
    return texts


def _categorical(name: str, values: Any, categories: list[Any]) -> Any:
    """A column of pandas' categorical type; what is not among the categories is an error, except no value at all."""
    unknown = [value for value in values.tolist() if value not in categories and value != ""]
    if unknown:
        listed = ", ".join(map(str, categories[:40]))
        raise InvalidInputError(f"column {name!r} has no category {unknown[0]!r}; it takes: {listed}")
    return _pandas().Categorical([value if value in categories else None for value in values.tolist()], categories)


def _sample(spec: TensorSpec, kind: ColumnKind, number: int) -> Any:
    if kind.frame_categories is not None:
        return _pandas().Categorical([kind.sample] * 2, kind.frame_categories)
    if spec.datatype == BYTES:
        column = np.empty(2, np.object_)
        column[:] = kind.sample
        return column
    return np.full(2, kind.sample or number, DTYPES[spec.datatype])


def _index(names: list[str]) -> Any:
    return _pandas().Index(names)


def _pandas() -> Any:
    try:
        import pandas  # noqa: PLC0415 - only models that learned from a DataFrame need it
    except ModuleNotFoundError:
        raise MissingExtraError(
            "the model learned from a DataFrame and needs 'pandas', which is not installed: "
            "pip install 'modelport[sklearn]'"
        ) from None
    return pandas
