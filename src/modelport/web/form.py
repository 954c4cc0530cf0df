"""A form made from a signature: one section per input, with the kind of control that its meaning asks for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from math import prod
from typing import Any

from modelport.core.datatypes import BYTES
from modelport.core.meaning import Audio, Image, Tabular, Text
from modelport.core.signature import Signature, TensorSpec, shape_text
from modelport.web.fields import Field, Group, column_field, grouped, scalar_field
from modelport.web.words import tensor_words

#: A table with more columns than this is written as JSON: nobody fills in such a form.
_MOST_FIELDS = 400
#: A tensor with more elements than this is not written out as an example.
_MOST_ELEMENTS = 4096


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a form. `kind` is `fields`, `image`, `audio`, `text` or `json`, `tensors` what it fills."""

    kind: str
    title: str
    tensors: tuple[TensorSpec, ...]
    note: str = ""
    groups: list[Group] = field(default_factory=list)
    image: Image | None = None
    example: str = ""

    @property
    def size(self) -> int:
        """How many fields there are."""
        return sum(len(group.fields) for group in self.groups)

    @property
    def rows(self) -> int:
        """How many lines a text area needs to show the example, within reason."""
        return min(max(self.example.count("\n") + 2, 4), 16)

    @property
    def optional(self) -> bool:
        """Whether it may be left empty."""
        return all(spec.optional for spec in self.tensors)


def form_sections(signature: Signature) -> list[Section]:
    """The sections in the order of the inputs; inputs that take one value a row share one section."""
    sections: list[Section] = []
    scalars = tuple(spec for spec in signature.inputs if _is_scalar(spec))
    if len(scalars) > _MOST_FIELDS or _is_one_text(signature):
        scalars = ()
    for spec in signature.inputs:
        if spec not in scalars:
            sections.append(_section(spec))
        elif spec is scalars[0]:
            sections.append(_scalar_section(scalars))
    return sections


def example_value(spec: TensorSpec) -> Any:
    """A valid value of the tensor: zeros (false, an empty text) of its shape, with one row where any number will do."""
    element: Any = {"BOOL": False, BYTES: ""}.get(spec.datatype, 0)
    value = element
    for length in reversed((1,) if spec.shape is None else spec.shape):
        value = [value] * (1 if length == -1 else length)
    return value


def example_text(spec: TensorSpec) -> str:
    """`example_value` as JSON, one innermost list a line; empty where it would be too long to show."""
    if isinstance(spec.meaning, Tabular):
        return json.dumps([{item.key: _example_json(item) for item in _fields(spec, spec.meaning)}], indent=2)
    if spec.shape is not None and prod(max(length, 1) for length in spec.shape) > _MOST_ELEMENTS:
        return ""
    return _lines(example_value(spec), "")


def _section(spec: TensorSpec) -> Section:
    match spec.meaning:
        case Tabular() as table if len(table.columns) <= _MOST_FIELDS:
            fields = _fields(spec, table)
            return Section("fields", spec.name, (spec,), tensor_words(spec), groups=grouped(fields))
        case Image() as image:
            return Section("image", spec.name, (spec,), tensor_words(spec), image=image)
        case Audio():
            return Section("audio", spec.name, (spec,), tensor_words(spec))
        case Text():
            return Section("text", spec.name, (spec,), "UTF-8 text")
        case None if _is_scalar(spec) and spec.datatype == BYTES:
            return Section("text", spec.name, (spec,), spec.describe())
        case _:
            return Section(
                "json", spec.name, (spec,), f"{spec.datatype} {shape_text(spec.shape)}", example=example_text(spec)
            )


def _scalar_section(specs: tuple[TensorSpec, ...]) -> Section:
    fields = [scalar_field(spec) for spec in specs]
    title = specs[0].name if len(specs) == 1 else "Values"
    note = "" if len(specs) == 1 else f"{len(specs)} inputs of one value each"
    return Section("fields", title, specs, note, groups=grouped(fields))


def _fields(spec: TensorSpec, table: Tabular) -> list[Field]:
    return [column_field(column, spec) for column in table.columns]


def _is_one_text(signature: Signature) -> bool:
    """Whether a text is all that it takes: that gets a text area rather than a field."""
    return len(signature.inputs) == 1 and signature.inputs[0].datatype == BYTES


def _is_scalar(spec: TensorSpec) -> bool:
    return spec.meaning is None and spec.shape in ((-1,), (-1, 1), (1,), (1, 1))


def _example_json(item: Field) -> Any:
    if item.boolean:
        return item.example == "true"
    return json.loads(item.example) if item.control == "number" else item.example


def _lines(value: Any, indent: str) -> str:
    if not isinstance(value, list) or not value or not isinstance(value[0], list):
        return indent + json.dumps(value)
    inner = ",\n".join(_lines(item, indent + "  ") for item in value)
    return f"{indent}[\n{inner}\n{indent}]"
