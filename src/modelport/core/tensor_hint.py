"""How a Python model says what one of its tensors is, in a type hint.

`Annotated[np.ndarray, Tensor("FP32", [-1, 30])]` is an array of 30 columns and any number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Tensor:
    """A datatype by its Open Inference Protocol name, and a shape (-1: any length) as the method sees it."""

    datatype: str
    shape: Sequence[int] | None = None
