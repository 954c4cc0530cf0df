"""What `infer` gives back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelport.core.datatypes import Array


@dataclass(frozen=True, slots=True, eq=False)
class InferenceResult(Mapping[str, Array]):
    """The outputs by name, in the server's order: `result["probabilities"]` is an array.

    `version` is as the server writes it (a number in digits, as a rule), or empty where it says none. Arrays are the
    caller's own: they can be written to. BYTES outputs are object arrays of `bytes`.
    """

    model: str
    version: str
    outputs: dict[str, Array]
    id: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Array:
        return self.outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.outputs)

    def __len__(self) -> int:
        return len(self.outputs)
