"""What a model's owner does not want to be stored: inputs, columns of inputs, outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidModelError
from modelport.core.meaning import Tabular
from modelport.core.nearest import did_you_mean
from modelport.core.signature import Signature, TensorSpec


@dataclass(frozen=True, slots=True)
class Hidden:
    """Names of tensors that are left out, and the places of columns that are; both lists of names say so."""

    inputs: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    columns: dict[str, list[int]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    output_names: list[str] = field(default_factory=list)

    def of_inputs(self, arrays: Mapping[str, Array]) -> Mapping[str, Array]:
        """The inputs that may be stored."""
        return {name: array for name, array in arrays.items() if name not in self.inputs} if self.inputs else arrays

    def of_outputs(self, arrays: Mapping[str, Array]) -> Mapping[str, Array]:
        """The outputs that may be stored."""
        return {name: array for name, array in arrays.items() if name not in self.outputs} if self.outputs else arrays


def hidden_by(names: Iterable[str], signature: Signature) -> Hidden:
    """What names mean in a signature: each one all inputs, columns and outputs that are called so.

    Raises InvalidModelError for a name that means nothing: what is misspelt would be stored.
    """
    inputs, outputs, columns, said = set(), set(), dict[str, set[int]](), []
    for name in names:
        tensors = [spec.name for spec in signature.inputs if spec.name == name]
        given = [spec.name for spec in signature.outputs if spec.name == name]
        places = {spec.name: found for spec in signature.inputs if (found := _places(spec, name))}
        if not tensors and not given and not places:
            known = _known(signature)
            raise InvalidModelError(
                f"modelport.toml: [logging] hide: the model has no input, column or output {name!r}"
                f"{did_you_mean(name, known)}; it has {', '.join(known)}"
            )
        inputs.update(tensors)
        outputs.update(given)
        for tensor, found in places.items():
            columns.setdefault(tensor, set()).update(found)
        said += [name] if tensors or places else []
    places_of = {name: sorted(found) for name, found in columns.items()}
    return Hidden(frozenset(inputs), frozenset(outputs), places_of, said, sorted(outputs))


def everything_of(signature: Signature) -> Hidden:
    """All tensors: for a signature in which the names mean other things than in the model's own."""
    inputs, outputs = ([spec.name for spec in specs] for specs in (signature.inputs, signature.outputs))
    return Hidden(frozenset(inputs), frozenset(outputs), {}, inputs, outputs)


def _places(spec: TensorSpec, name: str) -> set[int]:
    if not isinstance(spec.meaning, Tabular):
        return set()
    return {place for place, column in enumerate(spec.meaning.columns) if column.name == name}


def _known(signature: Signature) -> list[str]:
    known = [spec.name for spec in (*signature.inputs, *signature.outputs)]
    for spec in signature.inputs:
        if isinstance(spec.meaning, Tabular):
            known += [column.name for column in spec.meaning.columns]
    return known
