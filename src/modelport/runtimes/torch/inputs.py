"""The inputs of a model whose file names its arguments, but not their datatypes and shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from modelport.core.datatypes import BYTES
from modelport.core.declared import DeclaredTensor
from modelport.core.errors import InvalidModelError
from modelport.core.nearest import did_you_mean
from modelport.core.signature import TensorSpec


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of the model's function. `kind` is what it takes: `tensor`, `texts`, or another type in words."""

    name: str
    kind: str = "tensor"
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """An input that was recorded when the model was saved."""

    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs; `rows_guessed` are the same with a free first axis where the shape is only that of an example."""

    specs: tuple[TensorSpec, ...]
    rows_guessed: tuple[TensorSpec, ...] | None = None


def declared_over(over: tuple[DeclaredTensor, ...], under: tuple[DeclaredTensor, ...]) -> tuple[DeclaredTensor, ...]:
    """What the owner declares over what the file does, each tensor's datatype, shape and meaning by itself."""
    first = {item.name: item for item in over}
    merged = [_merged(first.pop(item.name, None), item) for item in under]
    return (*merged, *(item for item in over if item.name in first))


def _merged(over: DeclaredTensor | None, under: DeclaredTensor) -> DeclaredTensor:
    if over is None:
        return under
    return DeclaredTensor(
        over.name,
        over.datatype or under.datatype,
        under.shape if over.shape is None else over.shape,
        over.meaning or under.meaning,
        over.shared and under.shared,
    )


def inputs_for(
    arguments: Sequence[Argument], declared: tuple[DeclaredTensor, ...], examples: dict[str, Example], name: str
) -> Inputs:
    """The inputs in the order of the arguments; what is optional and not declared is left to the model.

    Raises InvalidModelError saying what to write into modelport.toml where datatypes and shapes are not known.
    """
    _check_names(arguments, declared, name)
    by_name = {item.name: item for item in declared}
    specs, missing = [], []
    for argument in arguments:
        over, example = by_name.get(argument.name), examples.get(argument.name)
        spec = _spec(argument, over, example)
        if spec is not None:
            _check_kind(argument, spec, name)
            specs.append(spec)
        elif not argument.optional:
            missing.append(argument)
    if missing or not specs:
        raise InvalidModelError(advice([item.name for item in missing], name))
    shaped = {item.name for item in declared if item.shape is not None}
    return Inputs(tuple(specs), _with_free_rows(specs, shaped))


def advice(names: Sequence[str], name: str) -> str:
    """What to write into modelport.toml, for an error."""
    tables = [f'[inputs.{item}]\ndatatype = "FP32"\nshape = [-1, 64]' for item in names or ["NAME"]]
    whose = f"does not say what its input {' and '.join(map(repr, names))} is" if names else "does not name its inputs"
    return (
        f"{name} {whose}. Write datatype and shape (-1: any length) into modelport.toml beside it, for example:\n"
        + "\n".join(tables)
    )


def _spec(argument: Argument, over: DeclaredTensor | None, example: Example | None) -> TensorSpec | None:
    optional = argument.optional
    if example is not None:
        spec = TensorSpec(argument.name, example.datatype, example.shape)
        spec = over.spec(spec.datatype, spec.shape) if over is not None else spec
        return replace(spec, optional=optional)
    if argument.kind == "texts" and (over is None or over.datatype in (None, BYTES)):
        return replace((over or DeclaredTensor(argument.name)).spec(BYTES), optional=optional)
    if over is None or over.shape is None:
        return None
    return replace(over.spec(), optional=optional)


def _check_names(arguments: Sequence[Argument], declared: tuple[DeclaredTensor, ...], name: str) -> None:
    known = [argument.name for argument in arguments]
    for item in declared:
        if item.name not in known and not item.shared:
            near = did_you_mean(item.name, known)
            raise InvalidModelError(f"{name} has no input {item.name!r}{near}; its arguments are {', '.join(known)}")


def _check_kind(argument: Argument, spec: TensorSpec, name: str) -> None:
    if argument.kind not in ("tensor", "texts"):
        raise InvalidModelError(
            f"{name}: the argument {argument.name!r} is {argument.kind}, not a tensor: save a module whose forward "
            "takes tensors only, and calls this one"
        )
    if (argument.kind == "texts") != (spec.datatype == BYTES):
        right = "BYTES" if argument.kind == "texts" else "a tensor of numbers"
        raise InvalidModelError(f"{name}: input {spec.name!r} is declared {spec.datatype}, but the model takes {right}")


def _with_free_rows(specs: list[TensorSpec], shaped: set[str]) -> tuple[TensorSpec, ...] | None:
    """The specs with free first axes, if those of the examples look like rows: all of one length."""
    recorded = [spec for spec in specs if spec.name not in shaped]
    lengths = {(spec.shape or (None,))[0] for spec in recorded}
    if len(lengths) != 1 or None in lengths or lengths == {-1}:
        return None
    return tuple(spec if spec.name in shaped else replace(spec, shape=(-1, *(spec.shape or ())[1:])) for spec in specs)
