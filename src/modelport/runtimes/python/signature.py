"""The signature of a Python model: from the type hints of `predict`, and from what its owner declares beside it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from modelport.core.declared import DeclaredTensor
from modelport.core.errors import InvalidModelError
from modelport.core.meaning import Tabular
from modelport.core.nearest import did_you_mean
from modelport.core.signature import Shape, Signature, TensorSpec
from modelport.runtimes.python.hints import OPEN, Form, form_of, return_forms, streamed

OUTPUT = "output"
_POSITIONAL = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Call:
    """How `predict` is called: the form of each input and output by name.

    `rows`: it takes one row at a time. `whole`: the parameter that takes all inputs in a dict, if that is how it is.
    """

    signature: Signature
    inputs: dict[str, Form]
    outputs: dict[str, Form]
    rows: bool
    streams: bool
    whole: str = ""


def call_of(owner: type[Any], name: str, inputs: Sequence[DeclaredTensor], outputs: Sequence[DeclaredTensor]) -> Call:
    """How a class's `predict` is called. Raises InvalidModelError with what to write into modelport.toml."""
    method, where = owner.predict, f"{name}: {owner.__name__}.predict"
    hints = _hints(method, where)
    parameters = _parameters(method, where)
    forms = {item.name: form_of(hints.get(item.name, Any), f"{where}: {item.name!r}") for item in parameters}
    stream = streamed(hints.get("return", Any))
    streams = stream is not None or inspect.isgeneratorfunction(method) or inspect.isasyncgenfunction(method)
    returned = return_forms(hints.get("return", Any) if stream is None else stream, f"{where}: what it returns")
    whole = next((key for key, form in forms.items() if form.kind == "arrays"), "")
    if whole and len(forms) > 1:
        raise InvalidModelError(f"{where}: {whole!r} takes all inputs in a dict, so that no others can stand beside it")
    optional = {item.name for item in parameters if item.default is not inspect.Parameter.empty}
    rows = _takes_rows(owner, [form for key, form in forms.items() if key not in optional])
    if whole:
        forms = {item.name: OPEN for item in inputs if not item.shared} or {item.name: OPEN for item in inputs}
    given = _named_outputs(returned, outputs)
    _check_names(forms, inputs, "input", where)
    _check_names(given, outputs, "output", where)
    specs = _Specs(where, rows)
    takes = tuple(specs.input(key, form, _by_name(inputs, key), key in optional) for key, form in forms.items())
    gives = tuple(specs.output(key, form, _by_name(outputs, key)) for key, form in given.items())
    specs.check(not takes or not gives)
    return Call(Signature(takes, gives), forms, given, rows, streams, whole)


class _Specs:
    """Makes specifications, and remembers what could not be made."""

    def __init__(self, where: str, rows: bool) -> None:
        self._where = where
        self._rows = rows
        self._missing: list[str] = []

    def input(self, name: str, form: Form, declared: DeclaredTensor, optional: bool) -> TensorSpec:
        """One input."""
        return self._spec("inputs", name, form, declared, optional)

    def output(self, name: str, form: Form, declared: DeclaredTensor) -> TensorSpec:
        """One output."""
        return self._spec("outputs", name, form, declared, False)

    def check(self, empty: bool) -> None:
        """Raise InvalidModelError where something is missing, with the tables to write."""
        if empty and not self._missing:
            self._missing = [
                '[inputs.x]\ndatatype = "FP32"\nshape = [-1, 4]',
                '[outputs.y]\ndatatype = "FP32"\nshape = [-1]',
            ]
        if self._missing:
            tables = "\n\n".join(self._missing)
            raise InvalidModelError(
                f"{self._where}: its type hints do not say all of its tensors. Write into modelport.toml beside it, "
                f"with the right datatypes and shapes (-1: any length):\n\n{tables}\n"
            )

    def _spec(self, table: str, name: str, form: Form, declared: DeclaredTensor, optional: bool) -> TensorSpec:
        meaning = declared.meaning or form.meaning
        datatype = declared.datatype or form.datatype or ("FP64" if form.kind == "frame" else None)
        shape = declared.shape if declared.shape is not None else self._shape(form, meaning)
        if datatype is None or shape is None:
            self._missing.append(_table(table, name, datatype, shape, form))
            return TensorSpec(name, datatype or "FP32", shape)
        if self._rows and shape[:1] != (-1,):
            raise InvalidModelError(
                f"{self._where} takes one row at a time, so that {name!r} must have rows in its first axis: "
                f"shape = {[-1, *shape]} in modelport.toml, not {list(shape)}"
            )
        return TensorSpec(name, datatype, shape, meaning, optional)

    def _shape(self, form: Form, meaning: Any) -> Shape:
        """The whole tensor's shape, as far as the form says it. A hint is about what the method sees: one row."""
        if form.kind == "scalar":
            return (-1,) if self._rows else (1,)
        if form.kind == "frame":
            return (-1, len(meaning.columns)) if isinstance(meaning, Tabular) else None
        if form.shape is None:
            return None
        return (-1, *form.shape) if self._rows else form.shape


def _hints(method: Any, where: str) -> dict[str, Any]:
    try:
        return get_type_hints(method, include_extras=True)
    except Exception as error:  # a hint is an expression: anything may come out of it
        raise InvalidModelError(f"{where}: its type hints can't be read: {type(error).__name__}: {error}") from None


def _parameters(method: Any, where: str) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(method).parameters.values())
    if not isinstance(method, type) and parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    for item in parameters:
        if item.kind not in _POSITIONAL:
            raise InvalidModelError(f"{where}: {item} can't be an input; each input is a parameter of its own name")
    if not parameters:
        raise InvalidModelError(f"{where} takes nothing: each input is a parameter of its own name")
    return parameters


def _takes_rows(owner: type[Any], forms: Sequence[Form]) -> bool:
    """Whether it is called once for each row: it says so, or all that it needs are single values."""
    batched = getattr(owner, "batched", None)
    if batched is not None:
        return not batched
    return bool(forms) and all(form.kind == "scalar" for form in forms)


def _named_outputs(returned: Any, declared: Sequence[DeclaredTensor]) -> dict[str, Form]:
    if isinstance(returned, dict):
        return returned
    names = [item.name for item in declared]
    if isinstance(returned, tuple):
        if len(names) != len(returned):
            names = [f"{OUTPUT}_{number}" for number in range(len(returned))]
        return dict(zip(names, returned, strict=True))
    if returned.kind == "arrays" or (returned.kind == "open" and names):
        return dict.fromkeys(names, OPEN)
    return {names[0] if len(names) == 1 else OUTPUT: returned}


def _by_name(declared: Iterable[DeclaredTensor], name: str) -> DeclaredTensor:
    return next((item for item in declared if item.name == name), DeclaredTensor(name))


def _check_names(forms: dict[str, Form], declared: Iterable[DeclaredTensor], what: str, where: str) -> None:
    for item in declared:
        if item.name not in forms and not item.shared:
            near = did_you_mean(item.name, forms)
            known = ", ".join(forms) or "none"
            raise InvalidModelError(f"modelport.toml: {where} has no {what} {item.name!r}{near}; it has {known}")


def _table(table: str, name: str, datatype: str | None, shape: Shape, form: Form) -> str:
    lines = [f"[{table}.{name}]"]
    if form.kind == "frame":
        return "\n".join([*lines, 'kind = "tabular"', 'columns = ["first", "second"]'])
    if datatype is None:
        lines.append('datatype = "FP32"')
    if shape is None:
        lines.append("shape = [-1, 4]")
    return "\n".join(lines)
