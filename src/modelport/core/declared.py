"""What a model's owner declares about its tensors, where the file does not say it or says it worse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from modelport.core.datatypes import DTYPES
from modelport.core.meaning import Column, Labels, Meaning, Probabilities, Tabular
from modelport.core.meaning_document import meaning_from_dict
from modelport.core.nearest import did_you_mean
from modelport.core.signature import Shape, Signature, TensorSpec

_OWN = ("datatype", "shape")
#: Declares the only input, whatever that is called: for tools that know what it means, and not its name.
ANY = "*"


@dataclass(frozen=True, slots=True)
class DeclaredTensor:
    """One input or output by name; what is None is not declared. `shape` () is a scalar.

    `shared`: it is declared of several models, so that nothing is wrong where this one has no such tensor.
    """

    name: str
    datatype: str | None = None
    shape: Shape = None
    meaning: Meaning | None = None
    shared: bool = False

    def spec(self, datatype: str = "FP32", shape: Shape = (-1,)) -> TensorSpec:
        """The whole specification; what is not declared is what the arguments say."""
        return TensorSpec(
            self.name, self.datatype or datatype, shape if self.shape is None else self.shape, self.meaning
        )


def declared_tensors(tables: Any) -> tuple[DeclaredTensor, ...]:
    """Read `{"x": {"datatype": "FP32", "shape": [-1, 30], "kind": "tabular", "columns": [...]}}`, in the order given.

    Raises ValueError naming what is wrong.
    """
    if not isinstance(tables, Mapping):
        raise ValueError("must be tables by tensor name, such as [inputs.x]")
    return tuple(_declared(str(name), table) for name, table in tables.items())


def _declared(name: str, table: Any) -> DeclaredTensor:
    if not isinstance(table, Mapping):
        raise ValueError(f"{name!r} must be a table with datatype, shape or kind, not {table!r}")
    datatype, shape = table.get("datatype"), table.get("shape")
    if datatype is not None and datatype not in DTYPES:
        near = did_you_mean(str(datatype), DTYPES)
        raise ValueError(f"{name!r}: unknown datatype {datatype!r}{near}; it is one of {', '.join(DTYPES)}")
    if shape is not None and not _is_shape(shape):
        raise ValueError(f"{name!r}: a shape is a list of whole numbers such as [-1, 30] (-1 is any), not {shape!r}")
    rest = {key: value for key, value in table.items() if key not in _OWN}
    try:
        meaning = meaning_from_dict(rest) if rest else None
    except ValueError as error:
        raise ValueError(f"{name!r}: {error}") from None
    return DeclaredTensor(name, datatype, None if shape is None else tuple(shape), meaning)


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, list | tuple) and all(type(size) is int and size >= -1 for size in shape)


def with_meanings(
    signature: Signature, inputs: Iterable[DeclaredTensor], outputs: Iterable[DeclaredTensor]
) -> Signature:
    """The signature with the declared meanings in place of the file's; the same object where none is declared.

    An input that is declared as `*` is the only one, and adds to what the file says. Raises InvalidInputError for a
    name that is no tensor's, unless it is shared.
    """
    inputs, outputs = own_tensors(inputs, signature.inputs), own_tensors(outputs, signature.outputs)
    given = {name: meaning for name, meaning in (_named(item, signature) for item in inputs) if meaning is not None}
    made = {item.name: item.meaning for item in outputs if item.meaning is not None and signature.output(item.name)}
    if not given and not made:
        return signature
    return replace(
        signature,
        inputs=tuple(replace(spec, meaning=given.get(spec.name, spec.meaning)) for spec in signature.inputs),
        outputs=tuple(_with_meaning(spec, made.get(spec.name, spec.meaning)) for spec in signature.outputs),
    )


def own_tensors(declared: Iterable[DeclaredTensor], known: Iterable[TensorSpec]) -> tuple[DeclaredTensor, ...]:
    """What is declared, less what is shared and no tensor of this model."""
    names = {spec.name for spec in known} | {ANY}
    return tuple(item for item in declared if item.name in names or not item.shared)


def _named(item: DeclaredTensor, signature: Signature) -> tuple[str, Meaning | None]:
    """A declared input's meaning and the name that the signature has for it. Raises InvalidInputError."""
    if item.meaning is None:
        return item.name, None
    if item.name != ANY:
        return signature.input(item.name).name, item.meaning
    spec = signature.inputs[0] if len(signature.inputs) == 1 else None
    return ("", None) if spec is None else (spec.name, _added(spec, item.meaning))


def _added(spec: TensorSpec, meaning: Meaning) -> Meaning | None:
    """A hint joined with the file's own words, which count for more; those where they do not fit each other."""
    if not isinstance(meaning, Tabular):
        return spec.meaning or meaning
    width = len(meaning.columns)
    if spec.meaning is None:
        return meaning if spec.shape is not None and len(spec.shape) == 2 and spec.shape[1] in (-1, width) else None
    if not isinstance(spec.meaning, Tabular) or len(spec.meaning.columns) != width:
        return spec.meaning
    pairs = list(zip(spec.meaning.columns, meaning.columns, strict=True))
    if any(own.name != hint.name for own, hint in pairs):
        return spec.meaning
    return Tabular(tuple(own if own.default is not None else _with_default(own, hint) for own, hint in pairs))


def _with_default(own: Column, hint: Column) -> Column:
    fits = not own.categories or hint.default in own.categories
    return replace(own, default=hint.default if fits else None)


def _with_meaning(spec: TensorSpec, meaning: Meaning | None) -> TensorSpec:
    """A classification of a tensor that has one class a row, rather than scores, is told by labels."""
    if isinstance(meaning, Probabilities) and spec.shape is not None and len(spec.shape) == 1:
        meaning = Labels(meaning.labels)
    return replace(spec, meaning=meaning)
