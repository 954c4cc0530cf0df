"""A PMML model's fields as tensors: one input for each active field, outputs as the document lists them.

Inputs have the shape [-1, 1]: numbers are FP64 (NaN is a missing value), everything else BYTES (an empty text is one).
The scores of all classes are one output with a column for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, Array, text_array
from modelport.core.errors import InvalidInputError
from modelport.core.meaning import Column, Labels, Meaning, Probabilities, Quantity, Tabular
from modelport.core.signature import TensorSpec
from modelport.runtimes.pmml.file import DataField, PmmlFile

_NUMBERS = ("double", "float", "integer", "real")
_LISTED = 20


@dataclass(frozen=True, slots=True)
class Field:
    """An input: its values for the evaluator come from `values`."""

    spec: TensorSpec
    kind: str
    valid: frozenset[str] | None

    def values(self, array: Array) -> list[Any]:
        """One value for each row, None where it is missing.

        Raises InvalidInputError for text that is not UTF-8, and for what is not among the valid values where the
        document does not say how to treat it.
        """
        flat = array.reshape(-1)
        if self.spec.datatype == BYTES:
            given: list[Any] = [item or None for item in text_array(flat, self.spec.name).tolist()]
        else:
            given = [None if value != value else value for value in flat.tolist()]  # noqa: PLR0124 - NaN
            if self.kind == "integer":
                given = [int(item) if item is not None and item.is_integer() else item for item in given]
        if self.valid is not None:
            self._check(given, self.valid)
        return given

    def _check(self, given: list[Any], valid: frozenset[str]) -> None:
        for row, value in enumerate(given):
            if value is not None and plain_text(value) not in valid:
                listed = ", ".join(sorted(valid)[:_LISTED])
                raise InvalidInputError(
                    f"row {row} of {self.spec.name!r} is {plain_text(value)[:100]!r}, which is not one of {listed}"
                )


@dataclass(frozen=True, slots=True)
class Output:
    """An output: `places` are those of its columns in what the evaluator gives for a row."""

    spec: TensorSpec
    places: tuple[int, ...]

    def array(self, rows: list[list[Any]]) -> Array:
        """The output of all rows."""
        if self.spec.datatype == BYTES:
            texts: Array = np.empty(len(rows), np.object_)
            texts[:] = [plain_text(row[self.places[0]]).encode() for row in rows]
            return texts
        numbers = [[_number(row[place]) for place in self.places] for row in rows]
        made: Array = np.array(numbers, DTYPES["FP64"]).reshape(len(rows), len(self.places))
        return made if len(self.spec.shape or ()) == 2 else made.reshape(-1)


def plain_text(value: Any) -> str:
    """A value of Java's as text: a whole number without a point, nothing for a missing one."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    number = _number(value)
    if number != number or isinstance(value, str):  # noqa: PLR0124 - NaN
        return str(value) if isinstance(value, str) else ""
    return str(int(number)) if number.is_integer() else str(value)


def fields_of(model: Any, file: PmmlFile) -> tuple[Field, ...]:
    """The inputs, in the evaluator's order."""
    return tuple(_field(str(item.name), str(item.dataType), file) for item in model.inputFields)


def outputs_of(model: Any) -> tuple[Output, ...]:
    """The outputs in the evaluator's order; the scores of classes come where the first of them does."""
    listed = list(model.outputFields)
    classes = tuple(plain_text(item) for item in model.classes) if _classifies(model) else ()
    scores = _scores(listed, classes)
    names = [str(item.name) for item in listed]
    made = []
    for place, item in enumerate(listed):
        if place == min(scores, default=-1):
            name = _unused("probabilities", names)
            made.append(Output(TensorSpec(name, "FP64", (-1, len(scores)), Probabilities(classes)), tuple(scores)))
        if place not in scores:
            made.append(_single(place, item, classes))
    return tuple(made)


def _field(name: str, evaluated: str, file: PmmlFile) -> Field:
    known = file.fields.get(name) or DataField(name)
    treatment = file.treatments.get(name, {})
    numeric = (known.kind or evaluated) in _NUMBERS
    column = Column(
        name=name,
        description="" if known.description == name else known.description,
        minimum=known.minimum if numeric else None,
        maximum=known.maximum if numeric else None,
        categories=() if numeric else tuple(known.values),
    )
    spec = TensorSpec(
        name,
        "FP64" if numeric else BYTES,
        (-1, 1),
        None if column == Column(name) else Tabular((column,)),
        optional="missingValueReplacement" in treatment,
    )
    told = treatment.get("invalidValueTreatment", "returnInvalid") != "returnInvalid"
    return Field(spec, known.kind or evaluated, None if told or not known.values else frozenset(known.values))


def _single(place: int, item: Any, classes: tuple[str, ...]) -> Output:
    feature = str(item.feature)
    text = str(item.dataType) not in _NUMBERS or (feature == "predictedValue" and bool(classes))
    meaning: Meaning | None = None
    if feature == "predictedValue":
        meaning = Labels(classes) if classes else Quantity()
    return Output(TensorSpec(str(item.name), BYTES if text else "FP64", (-1,), meaning), (place,))


def _scores(listed: list[Any], classes: tuple[str, ...]) -> list[int]:
    """The places of the probabilities of all classes, in the order of the classes; none where one is missing."""
    found = {
        plain_text(item.value): place
        for place, item in enumerate(listed)
        if str(item.feature) == "probability" and item.value is not None
    }
    return [found[name] for name in classes] if classes and set(found) == set(classes) else []


def _classifies(model: Any) -> bool:
    return str(model.functionName) == "classification"


def _unused(name: str, names: list[str]) -> str:
    while name in names:
        name = f"class_{name}"
    return name


def _number(value: Any) -> float:
    try:
        return float("nan") if value is None else float(value)
    except (TypeError, ValueError):
        return float("nan")
