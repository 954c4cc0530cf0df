"""The labelled fields of a form: one per column of a table, or one per input that takes a single value a row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from modelport.core.datatypes import BYTES, INTEGERS
from modelport.core.meaning import Column
from modelport.core.signature import TensorSpec
from modelport.web.words import number_text, rough_number


@dataclass(frozen=True, slots=True)
class Field:
    """One control: a `number`, `select` or `text`. `key` is what a request calls it, `example` its first value."""

    key: str
    tensor: str
    control: str
    example: str
    unit: str = ""
    description: str = ""
    minimum: str = ""
    maximum: str = ""
    span: str = ""
    step: str = "any"
    choices: tuple[str, ...] = ()
    boolean: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Fields under one heading; the empty heading is for those that belong to no group."""

    heading: str
    fields: list[Field] = field(default_factory=list)


def column_field(column: Column, spec: TensorSpec) -> Field:
    """The field of one column of a table."""
    return Field(
        key=column.name,
        tensor=spec.name,
        control=_control(column, spec.datatype),
        example=_example(column, spec.datatype),
        unit=column.unit,
        description=column.description,
        minimum=_number(column.minimum),
        maximum=_number(column.maximum),
        span=_span(column),
        step="1" if _is_whole(column, spec.datatype) else "any",
        choices=column.categories or _booleans(spec.datatype),
        boolean=spec.datatype == "BOOL" and not column.categories,
    )


def scalar_field(spec: TensorSpec) -> Field:
    """The field of an input that takes one value a row."""
    return Field(
        key=spec.name,
        tensor=spec.name,
        control=_control(Column(spec.name), spec.datatype),
        example=_example(Column(spec.name), spec.datatype),
        description=f"{spec.datatype}, optional" if spec.optional else spec.datatype,
        step="1" if spec.datatype in INTEGERS else "any",
        choices=_booleans(spec.datatype),
        boolean=spec.datatype == "BOOL",
        optional=spec.optional,
    )


def grouped(fields: list[Field]) -> list[Group]:
    """Fields in their order, cut into runs of three or more that share their first or last word."""
    groups: list[Group] = []
    at = 0
    while at < len(fields):
        length, heading = max(_run(fields[at:], 0), _run(fields[at:], -1))
        if length < 3:
            length, heading = 1, ""
        if not groups or heading or groups[-1].heading:
            groups.append(Group(heading))
        groups[-1].fields.extend(fields[at : at + length])
        at += length
    loose = sum(len(group.fields) for group in groups if not group.heading)
    worthwhile = len(groups) > 1 and loose * 2 <= len(fields)
    return groups if worthwhile else [Group("", fields)]


def _run(fields: list[Field], word: int) -> tuple[int, str]:
    """How many of the leading fields share that word of the first one, and the word; a lone word is no group."""
    words = _words(fields[0].key)
    if len(words) < 2:
        return 0, ""
    length = _leading(_words(item.key)[word:][:1] == words[word:][:1] for item in fields)
    return length, words[word]


def _leading(truths: Iterable[bool]) -> int:
    length = 0
    for truth in truths:
        if not truth:
            break
        length += 1
    return length


def _words(name: str) -> list[str]:
    for mark in "_-./":
        name = name.replace(mark, " ")
    return name.split()


def _control(column: Column, datatype: str) -> str:
    if column.categories or datatype == "BOOL":
        return "select"
    return "text" if datatype == BYTES else "number"


def _example(column: Column, datatype: str) -> str:
    """The default; else the first category, the middle of the range, or zero."""
    if column.default is not None:
        return _number(column.default)
    if column.categories or datatype == "BOOL":
        return (column.categories or _booleans(datatype))[0]
    if datatype == BYTES:
        return ""
    low, high = column.minimum, column.maximum
    middle = (low + high) / 2 if low is not None and high is not None else low or 0.0
    return number_text(round(middle)) if _is_whole(column, datatype) else rough_number(middle)


def _is_whole(column: Column, datatype: str) -> bool:
    return datatype in INTEGERS or column.type in ("integer", "boolean")


def _span(column: Column) -> str:
    """The usual range as a hint: `6.981 – 28.11`."""
    if column.minimum is None and column.maximum is None:
        return ""
    if column.maximum is None:
        return f"from {rough_number(column.minimum or 0.0)}"
    if column.minimum is None:
        return f"up to {rough_number(column.maximum)}"
    return f"{rough_number(column.minimum)} – {rough_number(column.maximum)}"


def _number(value: float | str | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else number_text(value)


def _booleans(datatype: str) -> tuple[str, ...]:
    return ("false", "true") if datatype == "BOOL" else ()
