"""What is counted of one side of a rollout in this process, since the rollout began here."""

from __future__ import annotations

from modelport.core.errors import Kind
from modelport.engine.rollouts.latencies import WIDTH, bucket_of

#: Ends of a request that say nothing of the version: the caller's own doing.
CALLERS_OWN = frozenset(
    (
        Kind.INVALID_INPUT, Kind.NOT_FOUND, Kind.TOO_LARGE, Kind.UNSUPPORTED, Kind.TIMEOUT, Kind.CANCELLED,
        Kind.CONFLICT, Kind.UNAUTHENTICATED, Kind.FORBIDDEN,
    )
)  # fmt: skip


class Counts:
    """Totals, only growing. Changed on the event loop's thread.

    `requests` are those that were answered and those that failed by no fault of the caller (`errors`). `latency` are
    counts in the buckets of `latencies`. `compared` requests were answered by the other version too; of them, the two
    `disagreed` on so many. `dropped` were not mirrored for want of time.
    """

    __slots__ = ("compared", "disagreed", "dropped", "errors", "latency", "requests", "version")

    def __init__(self, version: int) -> None:
        self.version = version
        self.requests = self.errors = self.compared = self.disagreed = self.dropped = 0
        self.latency = [0] * WIDTH

    def count(self, nanoseconds: int, failed: bool = False, requests: int = 1) -> None:
        """Count a request, or several, that took so long."""
        self.requests += requests
        self.errors += failed
        self.latency[bucket_of(nanoseconds)] += requests

    def compare(self, agreed: bool) -> None:
        """Count a comparison."""
        self.compared += 1
        self.disagreed += not agreed
