"""What a type hint says about a tensor, and what it leaves open."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, NAMES
from modelport.core.errors import InvalidModelError
from modelport.core.meaning import Column, Meaning, Tabular, Text
from modelport.core.signature import Shape
from modelport.core.tensor_hint import Tensor

#: `scalar` and `list` have elements of `item`; `arrays` are several tensors by name; `open` says nothing.
Kind = Literal["array", "frame", "scalar", "list", "arrays", "open"]

_ITEMS: dict[Any, str] = {str: BYTES, bytes: BYTES, float: "FP64", int: "INT64", bool: "BOOL"}
_LISTS = (list, Sequence, tuple)
_STREAMS = (Iterator, Iterable, Generator, AsyncIterator, AsyncIterable, AsyncGenerator)


@dataclass(frozen=True, slots=True)
class Form:
    """How a value looks in Python, and as much of its tensor as the hint says."""

    kind: Kind
    item: Any = None
    datatype: str | None = None
    shape: Shape = None
    meaning: Meaning | None = None


OPEN = Form("open")


def form_of(hint: Any, where: str) -> Form:
    """The form that a hint describes. Raises InvalidModelError naming `where` for a hint that describes no tensor."""
    if get_origin(hint) is Annotated:
        bare, *notes = get_args(hint)
        form = form_of(bare, where)
        for note in notes:
            form = _noted(form, note)
        return form
    hint = _without_none(hint)
    if hint in (inspect.Parameter.empty, Any):
        return OPEN
    given = _array_or_frame(hint) or _items_form(hint)
    if given is None:
        raise InvalidModelError(
            f"{where} has the type {_name(hint)}, which stands for no tensor; take and give np.ndarray, pd.DataFrame, "
            "dict[str, np.ndarray], str, float, int, bool or lists of those"
        )
    return given


def return_forms(hint: Any, where: str) -> dict[str, Form] | tuple[Form, ...] | Form:
    """What a method gives: outputs by name, several in order, or one."""
    hint = _without_none(hint)
    fields = _fields(hint)
    if fields is not None:
        return {name: form_of(item, f"{where} {name!r}") for name, item in fields.items()}
    if get_origin(hint) is tuple and get_args(hint)[1:2] != (...,):
        return tuple(form_of(item, f"{where} {number}") for number, item in enumerate(get_args(hint)))
    return form_of(hint, where)


def streamed(hint: Any) -> Any:
    """What a hint of an iterator or generator says of one response; None where it is no such hint."""
    if get_origin(hint) in _STREAMS:
        return get_args(hint)[0]
    return Any if hint in _STREAMS else None


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        items = [item for item in get_args(hint) if item is not type(None)]
        if len(items) == 1:
            return items[0]
    return hint


def _array_or_frame(hint: Any) -> Form | None:
    if hint is np.ndarray:
        return Form("array")
    if get_origin(hint) is np.ndarray:
        return _array_form(get_args(hint))
    if getattr(hint, "__module__", "").startswith("pandas"):
        return {"DataFrame": Form("frame"), "Series": Form("array")}.get(hint.__name__)
    return None


def _items_form(hint: Any) -> Form | None:
    origin, inner = get_origin(hint), get_args(hint)
    if hint in _ITEMS:
        return Form("scalar", hint, _ITEMS[hint], None, Text() if hint is str else None)
    if isinstance(hint, type) and issubclass(hint, np.generic):
        return Form("scalar", hint, NAMES.get(np.dtype(hint)))
    if origin in _LISTS and inner and inner[0] in _ITEMS:
        return Form("list", inner[0], _ITEMS[inner[0]], (-1,), Text() if inner[0] is str else None)
    return Form("arrays") if dict in (hint, origin) else None


def _array_form(inner: tuple[Any, ...]) -> Form:
    """`NDArray[np.float32]` is `ndarray[Any, dtype[float32]]`."""
    dtypes = get_args(inner[1]) if len(inner) > 1 else ()
    scalar = dtypes[0] if dtypes else None
    if not isinstance(scalar, type) or not issubclass(scalar, np.generic):
        return Form("array")
    if issubclass(scalar, np.str_ | np.bytes_ | np.object_):
        return Form("array", str if issubclass(scalar, np.str_) else bytes, BYTES)
    try:
        return Form("array", None, NAMES.get(np.dtype(scalar)))
    except TypeError:  # an abstract kind, such as np.floating
        return Form("array")


def _noted(form: Form, note: Any) -> Form:
    """A form with what one note of `Annotated` adds: a Tensor, a datatype, a shape, names of columns, a meaning."""
    if isinstance(note, Tensor):
        form = replace(form, datatype=note.datatype)
        return form if note.shape is None else replace(form, shape=tuple(note.shape))
    if isinstance(note, str) and note in DTYPES:
        return replace(form, datatype=note)
    if isinstance(note, list | tuple) and note and all(isinstance(item, str) for item in note):
        return replace(form, meaning=Tabular(tuple(Column(item) for item in note)))
    if isinstance(note, list | tuple) and all(type(item) is int for item in note):
        return replace(form, shape=tuple(note))
    return replace(form, meaning=note) if isinstance(note, get_args(Meaning)) else form


def _fields(hint: Any) -> dict[str, Any] | None:
    """The fields of a TypedDict, dataclass or NamedTuple."""
    named = isinstance(hint, type) and (
        is_typeddict(hint) or dataclasses.is_dataclass(hint) or (issubclass(hint, tuple) and hasattr(hint, "_fields"))
    )
    return get_type_hints(hint, include_extras=True) if named else None


def _name(hint: Any) -> str:
    return str(getattr(hint, "__name__", hint))
