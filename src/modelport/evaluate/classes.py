"""Names of classes, and their order: what the data calls a class and what the model calls it are brought together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from modelport.core.errors import InvalidInputError
from modelport.evaluate.metrics.weights import Floats, Ints

#: More classes than this are a sign of numbers that are taken for classes.
MOST = 1000
_WHOLE = re.compile(r"([+-]?\d+)\.0+")


def class_name(value: Any) -> str:
    """What a class is called, however it is written: 1, 1.0 and "1" are the same, and so are True and "true"."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = str(value).strip()
    if text.casefold() in ("true", "false"):
        return text.casefold()
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


class Codes:
    """Names as numbers, in the order in which they were first seen: a million labels take 8 MB."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._known: dict[str, int] = {}
        self._parts: list[Ints] = []

    def add(self, names: Iterable[str]) -> None:
        """Take the next rows."""
        self._parts.append(np.array([self._code(name) for name in names], np.int64))

    @property
    def values(self) -> Ints:
        """Each row's place in `names`."""
        return np.concatenate(self._parts) if self._parts else np.empty(0, np.int64)

    def placed(self, classes: Sequence[str]) -> Ints:
        """Each row's place in `classes`, which has all names."""
        places = {name: place for place, name in enumerate(classes)}
        return np.array([places[name] for name in self.names], np.int64)[self.values]

    def renamed(self, names: Sequence[str]) -> None:
        """Call the names otherwise, each by the one at its place."""
        self.names = list(names)

    def _code(self, name: str) -> int:
        code = self._known.get(name)
        if code is None:
            code = self._known[name] = len(self.names)
            self.names.append(name)
            if code >= MOST:
                raise InvalidInputError(
                    f"there are more than {MOST} different classes (such as {name!r}): if the label is a number to be "
                    "predicted, say --task regression"
                )
        return code


def match(truth: Codes, known: Sequence[str]) -> bool:
    """Call true classes that are places in the model's list by their names; gives whether that was needed.

    It is where none of the data's classes is one that the model knows, and all are whole numbers that count them.
    """
    if not known or set(truth.names) & set(known):
        return False
    if not all(name.isdigit() and int(name) < len(known) for name in truth.names):
        return False
    truth.renamed([known[int(name)] for name in truth.names])
    return True


def translate(theirs: Sequence[str], common: Sequence[str]) -> dict[str, str] | None:
    """What another model's classes are called among the common ones; None where that can't be told.

    Models that share a name share them all. Where one side counts its classes (0, 1, 2 …), places stand for names.
    """
    if not theirs or not common or set(theirs) & set(common):
        return {}
    counted = list(map(str, range(len(common))))
    if len(theirs) == len(common) and counted in (list(theirs), list(common)):
        return dict(zip(theirs, common, strict=True))
    return None


def order(known: Sequence[str], *others: Iterable[str]) -> tuple[str, ...]:
    """All classes: the model's in its order, then the others by name."""
    rest = sorted({name for names in others for name in names} - set(known), key=_natural)
    return (*known, *rest)


def spread(scores: Floats, columns: Sequence[str], classes: Sequence[str]) -> Floats:
    """Scores by `columns` as scores by `classes`; a class without a column has 0."""
    made = np.zeros((len(scores), len(classes)))
    made[:, [classes.index(name) for name in columns]] = scores
    return made


def _natural(name: str) -> tuple[int, float, str]:
    """Numbers by their size, before texts."""
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name
