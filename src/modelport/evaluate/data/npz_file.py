"""Arrays in a `.npz` file: one per input, and one with the labels."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError
from modelport.core.signature import Signature, TensorSpec
from modelport.evaluate.data.batch import Batch, DataFacts, Roles, label_or_refuse, slice_value
from modelport.evaluate.data.columns import Asked, listed, roles_of
from modelport.wire.arrays import tensor_from_array


class NpzFile:
    """An archive of arrays whose first axes are the rows. It is read as a whole."""

    def __init__(self, path: Path, signature: Signature, asked: Asked) -> None:
        """Raises InvalidInputError where it is no such archive, or its arrays have different lengths."""
        self._arrays = _read(path)
        self._name = path.name
        self.roles = roles_of(list(self._arrays), signature, asked)
        self.facts = DataFacts(path.name, "npz", self.roles.label, tuple(self._arrays))
        lengths = {name: len(array) if array.ndim else 0 for name, array in self._arrays.items()}
        if len(set(lengths.values())) != 1:
            told = ", ".join(f"{name} has {rows}" for name, rows in lengths.items())
            raise InvalidInputError(f"the arrays of {path.name} do not have as many rows as each other: {told}")
        if self._arrays[self.roles.label].ndim != 1:
            raise InvalidInputError(f"the label array {self.roles.label!r} of {path.name} must have one axis")

    def batches(self, rows: int) -> Iterator[Batch]:
        """All rows, a batch at a time."""
        labels = self._arrays[self.roles.label]
        for start in range(0, len(labels), rows):
            found = labels[start : start + rows].tolist()
            for offset, value in enumerate(found):
                label_or_refuse(value, self.roles, f"{self._name}, row {start + offset + 1}")
            yield ArrayBatch(self._arrays, self.roles, start, min(start + rows, len(labels)))


@dataclass(frozen=True, slots=True)
class ArrayBatch:
    """Rows `start` to `stop` of arrays."""

    arrays: Mapping[str, Array]
    roles: Roles
    start: int
    stop: int

    @property
    def labels(self) -> Sequence[Any]:
        found: list[Any] = self.arrays[self.roles.label][self.start : self.stop].tolist()
        return found

    @property
    def slices(self) -> Mapping[str, Sequence[str]]:
        chosen = {name: self.arrays[name][self.start : self.stop].tolist() for name in self.roles.slices}
        return {name: [slice_value(value) for value in values] for name, values in chosen.items()}

    def tensors(self, signature: Signature) -> dict[str, Array]:
        """The arrays by the inputs' names; a single input takes the only array that is left."""
        named = {spec.name: (spec, name) for spec, name in self._pairs(signature)}
        inputs = {
            name: tensor_from_array(spec, self.arrays[source][self.start : self.stop])
            for name, (spec, source) in named.items()
        }
        signature.check_inputs(inputs)
        return inputs

    def part(self, start: int, stop: int) -> ArrayBatch:
        return ArrayBatch(self.arrays, self.roles, self.start + start, min(self.start + stop, self.stop))

    def where(self, row: int) -> str:
        return f"row {self.start + row + 1}"

    def _pairs(self, signature: Signature) -> list[tuple[TensorSpec, str]]:
        present = [(spec, spec.name) for spec in signature.inputs if spec.name in self.arrays]
        required = [spec for spec in signature.inputs if not spec.optional]
        rest = [name for name in self.arrays if name not in (self.roles.label, *self.roles.slices, *self.roles.ignored)]
        if not present and len(required) == 1 and len(rest) == 1:
            return [(required[0], rest[0])]
        missing = [spec.describe() for spec in required if spec.name not in self.arrays]
        if missing:
            raise InvalidInputError(f"no array is called like the input {missing[0]}; there are {listed(rest)}")
        return present


def _read(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InvalidInputError(f"{path.name} holds a single array; an .npz with inputs and labels is needed")
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidInputError(f"{path.name} can't be read as a numpy archive: {error}") from None
