"""A response that is some rows of a batch's: several requests were computed as one."""

from __future__ import annotations

from typing import Any

from modelport.core.datatypes import Array
from modelport.core.messages import InferenceResponse


class Batch:
    """The outputs of a batch, and what is prepared once for all of its rows (a dialect's text, say) by a key."""

    __slots__ = ("memo", "outputs")

    def __init__(self, outputs: dict[str, Array]) -> None:
        self.outputs = outputs
        self.memo: dict[str, Any] = {}


class BatchedResponse(InferenceResponse):
    """The rows `start` up to `end` of a batch. `outputs` are made when they are asked for."""

    __slots__ = ("_cut", "batch", "end", "start")

    def __init__(self, model: str, version: int, batch: Batch, start: int, end: int, request_id: str) -> None:
        self.model = model
        self.version = version
        self.id = request_id
        self.parameters = None
        self.cache = ""
        self.batch = batch
        self.start = start
        self.end = end
        self._cut: dict[str, Array] | None = None

    @property
    def outputs(self) -> dict[str, Array]:  # type: ignore[override]
        """The rows as arrays: views on the batch's."""
        if self._cut is None:
            self._cut = {name: array[self.start : self.end] for name, array in self.batch.outputs.items()}
        return self._cut
