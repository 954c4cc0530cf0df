"""The inputs and outputs of a version, and the check of a request against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelport.core.datatypes import DTYPES, Array
from modelport.core.errors import InvalidInputError
from modelport.core.meaning import Meaning
from modelport.core.nearest import did_you_mean

#: A tensor's shape; −1 is any length, None any rank.
Shape = tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One named input or output. `optional` inputs may be left out of a request."""

    name: str
    datatype: str
    shape: Shape
    meaning: Meaning | None = None
    optional: bool = False

    def describe(self) -> str:
        """The tensor in words, for error messages: `X FP32 [-1, 30]`."""
        return f"{self.name} {self.datatype} {shape_text(self.shape)}"

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether an array of that shape is one of these."""
        wanted = self.shape
        if wanted is None:
            return True
        if len(wanted) != len(shape):
            return False
        for size, free_or_size in zip(shape, wanted, strict=True):  # a loop: on the hot path, half the cost of all()
            if size != free_or_size and free_or_size != -1:  # noqa: PLR1714 - no tuple to make and search
                return False
        return True


@dataclass(frozen=True)
class Signature:
    """What a version takes and gives. Names are unique within inputs and within outputs.

    `rowwise` is False where first axes are known not to be rows that stand for themselves: a stacked sequence's.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    rowwise: bool = True
    _inputs: dict[str, TensorSpec] = field(init=False, repr=False, compare=False)
    _outputs: dict[str, TensorSpec] = field(init=False, repr=False, compare=False)
    #: What others prepare once for this signature (a dialect's reader, say), by a key of theirs.
    memo: dict[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_inputs", {spec.name: spec for spec in self.inputs})
        object.__setattr__(self, "_outputs", {spec.name: spec for spec in self.outputs})

    def input(self, name: str) -> TensorSpec:
        """The input of that name. Raises InvalidInputError with the nearest right name."""
        return _find(self._inputs, name, "input")

    def output(self, name: str) -> TensorSpec:
        """The output of that name. Raises InvalidInputError with the nearest right name."""
        return _find(self._outputs, name, "output")

    def check_inputs(self, inputs: Mapping[str, Array]) -> None:
        """Raise InvalidInputError unless the arrays are exactly what this signature takes."""
        specs = self._inputs
        for name, array in inputs.items():
            spec = specs.get(name)
            if spec is None:
                spec = self.input(name)
            if array.dtype is not DTYPES[spec.datatype] and array.dtype != DTYPES[spec.datatype]:
                raise InvalidInputError(
                    f"input {name!r} has dtype {array.dtype}, but the model takes {spec.describe()}"
                )
            if spec.shape != array.shape and not spec.fits(array.shape):
                raise InvalidInputError(
                    f"input {name!r} has shape {list(array.shape)}, but the model takes {spec.describe()}"
                )
        self.check_complete(inputs)

    def check_complete(self, inputs: Mapping[str, Array]) -> None:
        """Raise InvalidInputError where an input that is not optional is missing. The names given must be inputs."""
        if len(inputs) == len(self.inputs):
            return
        missing = [spec for spec in self.inputs if spec.name not in inputs and not spec.optional]
        if missing:
            wanted = "; ".join(spec.describe() for spec in missing)
            raise InvalidInputError(f"missing input {missing[0].name!r}: the request lacks {wanted}")

    def check_outputs(self, names: tuple[str, ...]) -> None:
        """Raise InvalidInputError unless each name is an output, named once."""
        for name in names:
            self.output(name)
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InvalidInputError(f"output {twice!r} is asked for twice")

    @property
    def batched(self) -> bool:
        """Whether every tensor's first dimension is free, so that rows of several requests can be joined.

        The shapes allow it, no more: whether a row's answer depends on the rows beside it only the model knows.
        """
        tensors = (*self.inputs, *self.outputs)
        return self.rowwise and all(spec.shape is not None and spec.shape[:1] == (-1,) for spec in tensors)


def shape_text(shape: Shape) -> str:
    """A shape as people and error messages write it: `[-1, 30]`, or `[...]` for any rank."""
    return "[...]" if shape is None else str(list(shape))


def _find(specs: dict[str, TensorSpec], name: str, what: str) -> TensorSpec:
    spec = specs.get(name)
    if spec is not None:
        return spec
    known = "; ".join(item.describe() for item in specs.values())
    raise InvalidInputError(f"unknown {what} {name!r}{did_you_mean(name, specs)}; the model has {known}")
