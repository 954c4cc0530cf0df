"""What a model returns, as values by name: tensors, tuples, dictionaries, named tuples, data classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from modelport.core.declared import DeclaredTensor, own_tensors
from modelport.core.errors import InvalidModelError, ModelFailedError
from modelport.core.nearest import did_you_mean
from modelport.core.signature import TensorSpec

PREFIX = "output"


def named_values(result: Any) -> dict[str, Any]:
    """The tensors, numbers and texts in a result, in its order; what is None is left out.

    Dictionaries, named tuples and data classes name their values; those of a tuple or list are called `output_0`,
    `output_1` …, and a single tensor `output_0`. Below the first level names are joined: `output_1_0`, `encoder_mask`.
    """
    parts = _parts(result)
    if parts is None:
        return {f"{PREFIX}_0": result}
    return dict(_flat(parts, "" if _has_names(result) else PREFIX))


def by_spec(result: Any, names: Sequence[str]) -> list[Any]:
    """The values in the order of the signature's outputs: by name where the model says them all, else by place.

    Raises ModelFailedError where a result is not what the trial run gave.
    """
    values = named_values(result)
    if all(name in values for name in names):
        return [values[name] for name in names]
    if len(values) != len(names):
        raise ModelFailedError(f"the model gave {len(values)} outputs, but its signature has {len(names)}")
    return list(values.values())


def with_declared(found: list[TensorSpec], declared: tuple[DeclaredTensor, ...], name: str) -> tuple[TensorSpec, ...]:
    """The outputs with the names, shapes and meanings that are declared for them: by name, or else by place.

    Raises InvalidModelError where neither fits, or where another datatype is declared than the model gives.
    """
    known = [spec.name for spec in found]
    by_place = len(declared) == len(found) and not {item.name for item in declared} & set(known)
    declared = declared if by_place else own_tensors(declared, found)
    unknown = [item.name for item in declared if item.name not in known]
    if unknown and not by_place:
        near = did_you_mean(unknown[0], known)
        raise InvalidModelError(
            f"{name} has no output {unknown[0]!r}{near}; it gives {', '.join(known)}: declare outputs by these names, "
            "or all of them in their order by names of your own"
        )
    pairs = dict(zip(known, declared, strict=True)) if unknown else {item.name: item for item in declared}
    return tuple(_declared(spec, pairs.get(spec.name), name) for spec in found)


def _declared(spec: TensorSpec, over: DeclaredTensor | None, name: str) -> TensorSpec:
    if over is None:
        return spec
    if over.datatype not in (None, spec.datatype):
        raise InvalidModelError(f"{name}: output {over.name!r} is declared {over.datatype}, but is {spec.datatype}")
    return over.spec(spec.datatype, () if spec.shape is None else spec.shape)


def _flat(parts: list[tuple[str, Any]], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in parts:
        name = f"{prefix}_{key}" if prefix else key
        inner = _parts(value)
        if inner is not None:
            yield from _flat(inner, name)
        elif value is not None:
            yield name, value


def _parts(value: Any) -> list[tuple[str, Any]] | None:
    """The parts of a structure with their names; None for a single value. A list of texts is one."""
    if isinstance(value, Mapping):
        return [(str(key), item) for key, item in value.items()]
    if hasattr(value, "_asdict"):
        return list(value._asdict().items())
    if is_dataclass(value) and not isinstance(value, type):
        return [(item.name, getattr(value, item.name)) for item in fields(value)]
    if isinstance(value, list | tuple) and not (value and all(isinstance(item, str) for item in value)):
        return [(str(index), item) for index, item in enumerate(value)]
    return None


def _has_names(value: Any) -> bool:
    return not isinstance(value, list | tuple) or hasattr(value, "_asdict")
