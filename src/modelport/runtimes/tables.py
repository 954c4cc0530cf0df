"""What the runtimes of tables share: a model around a function, columns by name, classes, arrays as promised."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, Array, bytes_array, datatype_of
from modelport.core.errors import InvalidInputError, InvalidModelError, ModelFailedError, ModelportError
from modelport.core.meaning import Column, Labels, Probabilities, Tabular
from modelport.core.nearest import did_you_mean
from modelport.core.runtime import ModelInfo
from modelport.core.signature import Shape, Signature, TensorSpec

Arrays = dict[str, Array]
#: Computes at least the outputs named, from arrays that fit the signature.
Compute = Callable[[Arrays, Collection[str]], Mapping[str, Any]]
_LONGEST = 600


class TableModel:
    """A loaded model whose outputs a function computes. As thread-safe as that function."""

    def __init__(self, signature: Signature, info: ModelInfo, compute: Compute) -> None:
        """`compute` may raise anything: ValueError says that the values are at fault."""
        self.signature = signature
        self.info = info
        self._compute = compute
        self._specs = {spec.name: spec for spec in signature.outputs}

    def predict(self, inputs: Arrays, outputs: tuple[str, ...] | None = None) -> Arrays:
        """Run the model; see `LoadedModel.predict`."""
        if len(inputs) != len(self.signature.inputs):
            self.signature.check_inputs(inputs)
        if outputs is not None:
            self.signature.check_outputs(outputs)
        wanted = tuple(self._specs) if outputs is None else outputs
        if not wanted:
            return {}
        try:
            given = self._compute(inputs, wanted)
        except ModelportError:
            raise
        except ValueError as error:
            raise InvalidInputError(f"the model refused the input: {one_line(error)}") from error
        except Exception as error:
            raise ModelFailedError(f"the model failed: {one_line(error)}") from error
        return {name: finished(given[name], self._specs[name]) for name in wanted}

    def close(self) -> None:
        """Free the model's memory."""
        self._compute = _closed


@dataclass(frozen=True)
class Classes:
    """What a classifier tells apart, in the order of its probabilities."""

    values: Array

    @property
    def texts(self) -> tuple[str, ...]:
        """The classes as people read them."""
        return tuple(map(str, self.values.tolist()))

    def label(self, shape: Shape = (-1,), name: str = "label") -> TensorSpec:
        """The output with each row's class. Whole numbers stand for themselves and are given as such."""
        datatype = BYTES if self.values.dtype.kind in "OSU" else datatype_of(self.values)
        return TensorSpec(name, datatype, shape, Labels(self.texts if datatype == BYTES else ()))

    def probabilities(self, datatype: str, name: str = "probabilities") -> TensorSpec:
        """The output with each row's score for each class."""
        return TensorSpec(name, datatype, (-1, len(self.values)), Probabilities(self.texts))

    def of(self, places: Array) -> Array:
        """The classes at these places."""
        picked: Array = self.values[places]
        return picked


def numbered_classes(count: int) -> Classes:
    """The classes 0, 1, 2 … of a model whose file does not name them."""
    return Classes(np.arange(count, dtype=np.int64))


def table_of(names: Sequence[str], categories: Mapping[int, Iterable[str]] | None = None) -> Tabular | None:
    """The meaning of a matrix with these columns; None where they have no names, or not each its own."""
    if not names or len(set(names)) != len(names) or not all(names):
        return None
    known = categories or {}
    return Tabular(tuple(Column(name, categories=tuple(known.get(place, ()))) for place, name in enumerate(names)))


def finished(value: Any, spec: TensorSpec) -> Array:
    """An output as its specification says: C-contiguous, of its dtype; texts as bytes."""
    array: Array = np.asarray(value)
    if spec.datatype == BYTES:
        return bytes_array(array)
    return np.ascontiguousarray(array, DTYPES[spec.datatype])


def both_probabilities(positive: Array) -> Array:
    """The columns 1 − p and p of a binary classifier that gives p."""
    return np.column_stack([1 - positive, positive])


def check_options(options: Mapping[str, str], known: Collection[str], what: str) -> None:
    """Raise InvalidInputError for an option that such models do not take."""
    for name in options:
        if name not in known:
            takes = ", ".join(map(repr, known)) or "none"
            raise InvalidInputError(
                f"unknown option {name!r}{did_you_mean(name, known)}; options of {what} models: {takes}"
            )


def check_cpu(device: str, what: str) -> None:
    """Raise InvalidInputError for another device."""
    if device != "cpu":
        raise InvalidInputError(f"device {device!r} can't be used: {what} models run on 'cpu'")


def check_name(wanted: str, choices: Collection[str], option: str) -> str:
    """The value of an option that is one of a few. Raises InvalidInputError."""
    if wanted not in choices:
        listed = ", ".join(map(repr, choices))
        raise InvalidInputError(f"option {option!r} is {wanted!r}{did_you_mean(wanted, choices)}; it is {listed}")
    return wanted


def one_line(error: BaseException) -> str:
    """The error's text on one line; never empty."""
    return " ".join(str(error).split())[:_LONGEST] or type(error).__name__


def unreadable(name: str, error: OSError) -> InvalidModelError:
    """A file that can't be opened."""
    return InvalidModelError(f"can't read {name}: {error.strerror or error}")


def _closed(_inputs: Arrays, _wanted: Collection[str]) -> Mapping[str, Any]:
    raise ModelFailedError("the model is closed")
