"""Whether clients of one signature can go on unchanged with another: what they would notice, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelport.core.meaning import Labels, Probabilities, Tabular
from modelport.core.signature import Shape, Signature, TensorSpec, shape_text


def incompatibilities(old: Signature, new: Signature) -> tuple[str, ...]:
    """What a client of `old` would notice with `new`; nothing where every request and every answer stays good.

    A new version may take more (an optional input, any length where there was one) and give more (another output).
    """
    return (*_inputs(old, new), *_outputs(old, new), *_rows(old, new))


def _inputs(old: Signature, new: Signature) -> Iterator[str]:
    before = {spec.name: spec for spec in old.inputs}
    after = {spec.name: spec for spec in new.inputs}
    added = [spec for spec in new.inputs if spec.name not in before]
    for name, spec in before.items():
        if name not in after:
            yield _gone("input", spec, added)
        else:
            yield from _input(spec, after[name])
    for spec in added:
        if not spec.optional:
            yield f"the new input {spec.describe()} must be given"


def _outputs(old: Signature, new: Signature) -> Iterator[str]:
    before = {spec.name: spec for spec in old.outputs}
    after = {spec.name: spec for spec in new.outputs}
    added = [spec for spec in new.outputs if spec.name not in before]
    for name, spec in before.items():
        if name not in after:
            yield _gone("output", spec, added)
        else:
            yield from _output(spec, after[name])


def _rows(old: Signature, new: Signature) -> Iterator[str]:
    if old.rowwise and not new.rowwise:
        yield "rows no longer stand for themselves: requests with several rows would be answered as a whole"


def _gone(what: str, spec: TensorSpec, added: Sequence[TensorSpec]) -> str:
    alike = [other.name for other in added if (other.datatype, other.shape) == (spec.datatype, spec.shape)]
    renamed = f" (it seems to be called {alike[0]!r} now)" if len(alike) == 1 else ""
    return f"{what} {spec.name!r} is gone{renamed}"


def _input(old: TensorSpec, new: TensorSpec) -> Iterator[str]:
    if old.optional and not new.optional:
        yield f"input {old.name!r} could be left out, and must be given now"
    if old.datatype != new.datatype:
        yield f"input {old.name!r} was {old.datatype}, and is {new.datatype} now"
    if not _within(old.shape, new.shape):
        yield f"input {old.name!r} took {shape_text(old.shape)}, and takes {shape_text(new.shape)} now"
    if isinstance(old.meaning, Tabular) and isinstance(new.meaning, Tabular):
        yield from _columns(old.name, old.meaning, new.meaning)
    elif old.meaning is not None and new.meaning is not None and old.meaning.kind != new.meaning.kind:
        yield f"input {old.name!r} meant {old.meaning.kind}, and means {new.meaning.kind} now"


def _output(old: TensorSpec, new: TensorSpec) -> Iterator[str]:
    if old.datatype != new.datatype:
        yield f"output {old.name!r} was {old.datatype}, and is {new.datatype} now"
    if not _within(new.shape, old.shape):
        yield f"output {old.name!r} had the shape {shape_text(old.shape)}, and has {shape_text(new.shape)} now"
    before, after = old.meaning, new.meaning
    if isinstance(before, Labels | Probabilities) and isinstance(after, Labels | Probabilities):
        if before.labels and before.labels != after.labels[: len(before.labels)]:
            yield f"output {old.name!r} had the labels {_few(before.labels)}, and has {_few(after.labels)} now"
    elif before is not None and after is not None and before.kind != after.kind:
        yield f"output {old.name!r} meant {before.kind}, and means {after.kind} now"


def _columns(tensor: str, old: Tabular, new: Tabular) -> Iterator[str]:
    before = {column.name: column for column in old.columns}
    after = {column.name: column for column in new.columns}
    gone = [name for name in before if name not in after]
    for name in gone:
        yield f"column {name!r} of input {tensor!r} is gone"
    for name, column in after.items():
        if name not in before and not column.optional:
            yield f"the new column {name!r} of input {tensor!r} must be given"
    kept = [name for name in before if name in after]
    if kept != [name for name in after if name in before]:
        yield f"the columns of input {tensor!r} have another order: rows sent as plain lists would be misread"
    for name in kept:
        lost = [item for item in before[name].categories if item not in after[name].categories]
        if lost and after[name].categories:
            yield f"column {name!r} of input {tensor!r} no longer takes {_few(lost)}"
        if before[name].optional and not after[name].optional:
            yield f"column {name!r} of input {tensor!r} could be left out, and must be given now"


def _within(narrow: Shape, wide: Shape) -> bool:
    """Whether every array of the first shape is one of the second."""
    if wide is None:
        return True
    if narrow is None or len(narrow) != len(wide):
        return False
    return all(free in (-1, size) for size, free in zip(narrow, wide, strict=True))


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
