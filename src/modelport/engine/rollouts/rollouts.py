"""All open rollouts of a process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from modelport.engine.rollouts.counts import Counts
from modelport.engine.rollouts.mirror import Mirror, Submit
from modelport.engine.rollouts.split import Rollout, Split

_R = TypeVar("_R", bound=Rollout)


@dataclass(frozen=True, slots=True)
class Counted:
    """The totals of one version in one rollout, at one moment, in this process."""

    rollout: int
    version: int
    requests: int
    errors: int
    latency: tuple[int, ...]
    compared: int
    disagreed: int
    dropped: int


class Rollouts(Generic[_R]):
    """Used on the event loop's thread.

    `splits` are those in force by their model's name: the dictionary is always the same one, and empty where there is
    no rollout. `records` are the open ones as they were last set.
    """

    def __init__(self, submit: Submit) -> None:
        self.splits: dict[str, Split] = {}
        self.records: tuple[_R, ...] = ()
        self._mirror = Mirror(submit)
        self._known: dict[int, Split] = {}
        self._ended: list[Split] = []

    def set(self, records: Sequence[_R]) -> None:
        """These rollouts are open now, and no others. One that goes on keeps its counts.

        Where a model has several, the one of the alias that answers by default is in force.
        """
        self.records = tuple(records)
        known, self._known = self._known, {}
        for record in records:
            split = known.pop(record.id, None) or Split(record, self._mirror)
            split.percent = record.percent
            self._known[record.id] = split
        self._ended += known.values()
        self.splits.clear()
        for split in sorted(self._known.values(), key=lambda split: split.alias == "production"):
            self.splits[split.model] = split

    def counted(self) -> list[Counted]:
        """The totals of every side that has some; of rollouts that have ended, once more and then no longer."""
        splits, self._ended = [*self._known.values(), *self._ended], []
        sides = [(split.id, side) for split in splits for side in (split.baseline, split.candidate)]
        return [_totals(rollout, side) for rollout, side in sides if side.requests or side.dropped or side.compared]

    def close(self) -> None:
        """No more copies of requests are run."""
        self._mirror.close()


def _totals(rollout: int, side: Counts) -> Counted:
    return Counted(
        rollout,
        side.version,
        side.requests,
        side.errors,
        tuple(side.latency),
        side.compared,
        side.disagreed,
        side.dropped,
    )
