"""What makes two inputs the same: a sample of their bytes, which is cheap, and all of them, which is sure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import numpy as np

from modelport.core.datatypes import Array

#: Bytes of a sample, spread evenly over a part.
SAMPLE = 64
Part = bytes | memoryview
#: A row's bytes, one part for each input.
Row = Sequence[Part]


def sample_key(row: Row) -> str:
    """The key of a row's sample."""
    return _key([_sample(part) for part in row])


def full_key(row: Row) -> str:
    """The key of a row's bytes."""
    return _key(row)


def rows_of(inputs: Mapping[str, Array], rows: int) -> list[Row]:
    """The inputs cut into so many rows; 1: they are one as a whole."""
    parts = [_texts(array, rows) if array.dtype.hasobject else cut(_view(array), rows) for array in inputs.values()]
    return list(zip(*parts, strict=True)) if parts else [()]


def cut(part: Part, rows: int) -> list[Part]:
    """The bytes of an array, cut into rows."""
    size = len(part) // rows
    return [part[at * size : (at + 1) * size] for at in range(rows)]


def _sample(part: Part) -> Part:
    step = -(-len(part) // SAMPLE)
    return part if step <= 1 else part[::step]


def _key(parts: Iterable[Part]) -> str:
    """Parts as a short text; where they are cut makes a difference."""
    made = blake2b(digest_size=16)
    for part in parts:
        made.update(len(part).to_bytes(8, "little"))
        made.update(bytes(part) if isinstance(part, memoryview) and not part.c_contiguous else part)
    return made.hexdigest()


def _view(array: Array) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _texts(array: Array, rows: int) -> list[Part]:
    return [b"\0".join(bytes(item) for item in row) for row in array.reshape(rows, -1).tolist()]
