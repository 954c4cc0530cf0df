"""Warm-up requests that are described rather than stored: tensors of zeros, of random numbers, or from a raw file.

As Triton's `model_warmup` has them. They are asked before a version is ready, and what they answer is not looked at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from modelport.artifacts.model_file import NAME
from modelport.core.datatypes import BYTES, DTYPES, Array, dtype_of
from modelport.core.errors import InvalidInputError, InvalidModelError, ModelportError
from modelport.core.runtime import LoadedModel
from modelport.core.signature import Signature

#: More elements than this no sample has.
_MOST = 1 << 28
_LENGTH = 4


@dataclass(frozen=True, slots=True)
class SampleTensor:
    """`data` is `zeros`, `random`, or a file below the model's folder with the tensor's bytes.

    In a file each element of a BYTES tensor stands behind its length in four bytes, little-endian.
    """

    datatype: str
    shape: tuple[int, ...]
    data: str = "zeros"


@dataclass(frozen=True, slots=True)
class Sample:
    """A request by its tensors, which is asked `count` times."""

    inputs: dict[str, SampleTensor] = field(default_factory=dict)
    count: int = 1
    name: str = ""


def run_samples(loaded: LoadedModel, signature: Signature, samples: tuple[Sample, ...], folder: Path) -> None:
    """Ask them all. Raises InvalidModelError naming the one that can't be made, or that the model refuses."""
    for number, sample in enumerate(samples):
        try:
            inputs = {name: _array(name, tensor, folder) for name, tensor in sample.inputs.items()}
            signature.check_inputs(inputs)
            for _ in range(sample.count):
                loaded.predict(inputs)
        except ModelportError as error:
            what = repr(sample.name) if sample.name else f"number {number}"
            raise InvalidModelError(f"{NAME}: [warmup] sample {what} failed: {error}") from error


def _array(name: str, tensor: SampleTensor, folder: Path) -> Array:
    dtype, shape = dtype_of(tensor.datatype), tensor.shape
    if any(size < 0 for size in shape) or math.prod(shape) > _MOST:
        raise InvalidInputError(f"the shape {list(shape)} of {name!r} can't be made: write every length")
    if tensor.data not in ("zeros", "random"):
        return _read(name, tensor, _inside(folder, tensor.data))
    if tensor.datatype == BYTES:
        return np.full(shape, b"", np.object_)
    if tensor.data == "zeros":
        return np.zeros(shape, dtype)
    random = np.random.default_rng(0)
    if dtype.kind in "iub":
        return random.integers(0, 2 if dtype.kind == "b" else 128, shape).astype(dtype)
    return random.random(shape).astype(dtype)


def _inside(folder: Path, name: str) -> Path:
    """The file, in the folder or, for a version's, in its model's."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise InvalidInputError(f"{name!r} leads out of the model's folder")
    for place in (folder, folder.parent):
        file = place / name
        if file.is_file() and file.resolve().is_relative_to(place.resolve()):
            return file
    raise InvalidInputError(f"there is no file {name!r} in {folder}; data is 'zeros', 'random' or a file's name")


def _read(name: str, tensor: SampleTensor, file: Path) -> Array:
    content, count = file.read_bytes(), math.prod(tensor.shape)
    if tensor.datatype == BYTES:
        return _texts(name, content, count).reshape(tensor.shape)
    dtype = DTYPES[tensor.datatype]
    if len(content) != count * dtype.itemsize:
        raise InvalidInputError(
            f"{file.name} has {len(content)} bytes, but {name!r} takes {count * dtype.itemsize} ({tensor.datatype} "
            f"{list(tensor.shape)})"
        )
    return np.frombuffer(content, dtype).reshape(tensor.shape).copy()


def _texts(name: str, content: bytes, count: int) -> Array:
    texts: list[bytes] = []
    at = 0
    while at < len(content) and len(texts) < count:
        end = at + _LENGTH + int.from_bytes(content[at : at + _LENGTH], "little")
        texts.append(content[at + _LENGTH : end])
        at = end
    if len(texts) != count or at != len(content):
        raise InvalidInputError(f"the file of {name!r} does not hold {count} texts, each behind its length")
    made = np.empty(count, np.object_)
    made[:] = texts
    return made
