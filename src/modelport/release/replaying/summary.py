"""Many requests, run again: how many are answered alike, and how far the others are off."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from modelport.release.replaying.replay import Replay


@dataclass(frozen=True, slots=True)
class OutputSummary:
    """One output over all requests that have it: in how many it differs, the largest differences, rows with another
    class (None for no classification)."""

    name: str
    differing: int
    absolute: float | None
    relative: float | None
    labels: int | None


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """`outcomes` counts the requests by what became of them; `left_out` are those that can't be run again, and why.

    Milliseconds are medians. `worst` are the requests that are not answered alike, those with the largest difference
    first.
    """

    against: str
    requests: int
    outcomes: dict[str, int]
    outputs: list[OutputSummary]
    ms_before: float
    ms_now: float
    worst: list[Replay]
    left_out: dict[str, str]

    @property
    def alike(self) -> bool:
        """Whether nobody would notice."""
        return self.requests == sum(self.outcomes.get(name, 0) for name in ("equal", "within", "failed"))


def summary_of(against: str, replays: Sequence[Replay], left_out: dict[str, str], most: int = 10) -> ReplaySummary:
    """The summary, with the `most` worst requests."""
    unlike = sorted((item for item in replays if not item.alike), key=_badness, reverse=True)
    computed = [item.ms_before for item in replays if item.ms_before]
    return ReplaySummary(
        against,
        len(replays),
        dict(Counter(item.outcome for item in replays)),
        _outputs(replays),
        median(computed) if computed else 0.0,
        median(item.ms_now for item in replays) if replays else 0.0,
        unlike[:most],
        left_out,
    )


def _badness(item: Replay) -> tuple[bool, int, float]:
    labels = sum(output.labels or 0 for output in item.outputs)
    return item.outcome == "fails", labels, max((_number(output.absolute) for output in item.outputs), default=0.0)


def _outputs(replays: Sequence[Replay]) -> list[OutputSummary]:
    names = dict.fromkeys(output.name for item in replays for output in item.outputs)
    return [_output(name, replays) for name in names]


def _output(name: str, replays: Sequence[Replay]) -> OutputSummary:
    found = [output for item in replays for output in item.outputs if output.name == name]
    labels = [output.labels for output in found if output.labels is not None]
    return OutputSummary(
        name,
        sum(output.state not in ("equal", "within") for output in found),
        _largest([output.absolute for output in found]),
        _largest([output.relative for output in found]),
        sum(labels) if labels else None,
    )


def _largest(found: Sequence[float | None]) -> float | None:
    """The largest difference; None, which is larger than any, where one was between values that are not finite."""
    return None if None in found else max(_number(value) for value in found)


def _number(value: float | None) -> float:
    return math.inf if value is None else value
