"""One request of a model that has a rollout: which version answers it, and what is counted once it has."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING

from modelport.core.errors import Kind, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.request_id import new_request_id
from modelport.engine.rollouts.counts import CALLERS_OWN, Counts
from modelport.engine.served import ServedVersion

if TYPE_CHECKING:
    from modelport.engine.rollouts.split import Split


class Ticket:
    """Made when the request's version is chosen; `answered` or `failed` is called once, on the event loop's thread.

    `served` answers; `id` is what the answer carries as `x-request-id`: empty for a shadow, of which callers see
    nothing, unless its requests are logged. `side` is None for a request that has nothing to do with the rollout: it
    names a version itself. `request` is set once it was read and found to fit the signature.
    """

    __slots__ = ("began", "id", "place", "request", "served", "side", "split")

    def __init__(self, split: Split, served: ServedVersion, side: Counts | None, place: float) -> None:
        self.split, self.served, self.side, self.place = split, served, side, place
        named = not split.shadow or served.log is not None
        self.id = new_request_id(served.version, 0 if side is None else split.id) if named else ""
        self.began = perf_counter_ns()
        self.request: InferenceRequest | None = None

    def answered(self, request: InferenceRequest, outcome: InferenceResponse | None = None) -> None:
        """The answer is on its way. With the `outcome` a copy may be run on the other version."""
        if self.side is None:
            return
        split = self.split
        took = (
            request.finished - request.started if split.shadow else perf_counter_ns() - (request.received or self.began)
        )
        self.side.count(max(took, 0))
        if outcome is not None:
            split.mirror(self, request, outcome)

    def failed(self, error: ModelportError) -> None:
        """The answer is an error; one that is the caller's own doing is not counted."""
        if self.side is None:
            return
        if error.kind not in CALLERS_OWN or self._was_late(error.kind):
            self.side.count(perf_counter_ns() - self.began, failed=True)
        elif error.kind is Kind.INVALID_INPUT and self.side is self.split.candidate:
            self.split.refused(self, perf_counter_ns() - self.began)

    def _was_late(self, kind: Kind) -> bool:
        """Whether a caller who went away did so when the deadline had passed."""
        deadline = None if self.request is None else self.request.deadline
        return kind is Kind.CANCELLED and deadline is not None and deadline.remaining <= 0
