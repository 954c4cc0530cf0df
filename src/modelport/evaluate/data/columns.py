"""Which columns of a table are the model's, and which one is the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from modelport.core.meaning import Tabular
from modelport.core.nearest import did_you_mean
from modelport.core.signature import Signature, TensorSpec
from modelport.evaluate.data.batch import ColumnsError, Roles
from modelport.wire.dataframes import numbered
from modelport.wire.records import fields

#: What a label column is called as a rule, the likeliest first.
LABELS = ("label", "target", "y", "class")
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody says about the columns: the one with the truth, those to group rows by, those to leave out."""

    label: str | None = None
    slices: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """The columns of a table that a model takes: by their names, or in their order."""

    names: tuple[str, ...]
    by_name: bool


def roles_of(columns: Sequence[str], signature: Signature, asked: Asked) -> Roles:
    """The label column (the one asked for, or else by its usual names, or the last one) and the other roles.

    Raises ColumnsError for a column that is not there, or is there twice.
    """
    twice = next((name for name in columns if list(columns).count(name) > 1), None)
    if twice is not None:
        raise ColumnsError(f"the data has two columns named {twice!r}")
    for name in (*asked.slices, *asked.ignored, *([asked.label] if asked.label is not None else [])):
        if name not in columns:
            raise ColumnsError(
                f"the data has no column {name!r}{did_you_mean(name, columns)}; it has {listed(columns)}"
            )
    usable = [name for name in columns if name not in asked.ignored]
    label = asked.label if asked.label is not None else _usual_label(usable, signature)
    return Roles(label, asked.slices, asked.ignored)


def choose(columns: Sequence[str], roles: Roles, signature: Signature) -> Chosen:
    """The columns that go into the model. Raises ColumnsError naming those that are missing."""
    rest = [name for name in columns if name != roles.label and name not in roles.ignored]
    known = fields(signature)
    whole = {spec.name for spec in signature.inputs}
    present = tuple(name for name in rest if name in known or name in whole)
    if present:
        _check_missing(present, rest, signature)
        return Chosen(present, by_name=True)
    spec = _only_without_columns(rest, signature)
    wanted = _width(spec)
    without = [name for name in rest if name not in roles.slices]
    for candidate in (rest, without):
        if wanted is None or len(candidate) == wanted:
            return Chosen(tuple(candidate), by_name=False)
    raise ColumnsError(
        f"a row of the model's input {spec.describe()} has {wanted} value{'s' if wanted != 1 else ''}, but there are "
        f"{len(rest)} columns beside the label {roles.label!r}: {listed(rest)}; leave some out with --ignore"
    )


def listed(names: Sequence[str]) -> str:
    """Names for an error's text, not too many of them."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _usual_label(columns: Sequence[str], signature: Signature) -> str:
    known = fields(signature)
    folded = {name.strip().casefold(): name for name in columns if name not in known}
    for usual in LABELS:
        if usual in folded:
            return folded[usual]
    if len(columns) > 1 and columns[-1] not in known:
        return columns[-1]
    raise ColumnsError(
        f"which column has the truth is not clear: none is called {', '.join(LABELS)}, and the last is the model's; "
        f"name it with --label. The data has {listed(columns)}"
    )


def _check_missing(present: Sequence[str], rest: Sequence[str], signature: Signature) -> None:
    missing = [
        name
        for name, (spec, place) in fields(signature).items()
        if name not in present and spec.name not in present and not _may_lack(spec, place, present)
    ]
    if missing:
        others = [name for name in rest if name not in present]
        told = ", ".join(f"{name!r}{did_you_mean(name, others)}" for name in missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise ColumnsError(f"the data lacks what the model takes: {told}{more}; it has {listed(rest)}")


def _may_lack(spec: TensorSpec, place: int | None, present: Sequence[str]) -> bool:
    if isinstance(spec.meaning, Tabular) and place is not None:
        given = any(column.name in present for column in spec.meaning.columns)
        return spec.meaning.columns[place].optional if given else spec.optional
    return spec.optional


def _only_without_columns(rest: Sequence[str], signature: Signature) -> TensorSpec:
    """The input that takes all columns in their order. Raises ColumnsError where names are needed."""
    required = [spec for spec in signature.inputs if not spec.optional]
    if len(required) == 1 and (numbered(rest) or not isinstance(required[0].meaning, Tabular)):
        return required[0]
    names = list(fields(signature))
    near = did_you_mean(names[0], rest) if names else ""
    raise ColumnsError(
        f"the data has none of the model's columns{near}: the model takes {listed(names)}; the data has {listed(rest)}"
    )


def _width(spec: TensorSpec) -> int | None:
    """How many values a row has; None where it may be any number of them."""
    if spec.shape is None or -1 in spec.shape[1:]:
        return None
    return prod(spec.shape[1:])
