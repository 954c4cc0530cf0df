"""The highest rate at which a server keeps a promise on its latency."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from modelport.client.load.outcome import Outcome
from modelport.client.load.plan import Plan

#: The search ends when the rate is known to this factor.
_CLOSE = 1.05
#: A rate counts when it keeps the promise so often in a row.
_CONFIRMATIONS = 3
#: A server that is asked more than this share of what it can do at most need not be tried.
_ABOVE = 1.1
_LEAST = 1.0
_MOST_PROBES = 30


@dataclass(slots=True)
class Found:
    """`rate` is the highest that held, 0 where none did; `probes` all that were tried, in order."""

    rate: float = 0.0
    outcome: Outcome | None = None
    probes: list[tuple[float, Outcome, bool]] = field(default_factory=list)


def highest_rate(
    plan: Plan, target: float, run: Callable[[Plan], Outcome], told: Callable[[float, Outcome, bool], None]
) -> Found:
    """Search by halving the range, then confirm. `target` is for the 99th percentile, in seconds.

    The top of the range is what a closed loop reaches; `plan.rate` is ignored. `told` hears of each probe.
    """
    found = Found()

    def holds(rate: float) -> bool:
        outcome = run(replace(plan, rate=rate))
        kept = keeps(outcome, target)
        found.probes.append((rate, outcome, kept))
        told(rate, outcome, kept)
        if kept:
            found.rate, found.outcome = rate, outcome
        return kept

    high = max(run(replace(plan, rate=None)).throughput * _ABOVE, _LEAST)
    low = 0.0
    while len(found.probes) < _MOST_PROBES and (high > low * _CLOSE if low else high > _LEAST):
        middle = (low + high) / 2 if low else high / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    _confirm(found, low, holds)
    return found


def keeps(outcome: Outcome, target: float) -> bool:
    """Whether all was answered, 99 % of it within the target, and nothing fell behind."""
    on_time = outcome.latencies.count > 0 and outcome.latencies.percentile(99) <= target
    return on_time and not outcome.failed and outcome.throughput >= 0.9 * (outcome.rate or 0.0)


def _confirm(found: Found, rate: float, holds: Callable[[float], bool]) -> None:
    """Once may have been luck: lower the rate until it holds several times in a row."""
    found.rate, found.outcome = 0.0, None
    in_a_row = 0
    while rate >= _LEAST and len(found.probes) < 2 * _MOST_PROBES:
        if holds(rate):
            in_a_row += 1
            if in_a_row == _CONFIRMATIONS - 1:
                return
        else:
            in_a_row, rate = 0, rate / _CLOSE
            found.rate, found.outcome = 0.0, None
    found.rate, found.outcome = 0.0, None
