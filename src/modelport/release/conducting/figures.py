"""What all servers together counted of one side of a rollout."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from modelport.core.errors import InvalidInputError
from modelport.engine.rollouts.latencies import WIDTH, quantile
from modelport.registry.releases import Observation

#: Quantiles of the latency by their names in rules.
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of one version, in all or since some moment; `latency` as in `engine.rollouts.latencies`."""

    requests: int = 0
    errors: int = 0
    compared: int = 0
    disagreed: int = 0
    dropped: int = 0
    latency: tuple[int, ...] = (0,) * WIDTH

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            self.requests + other.requests,
            self.errors + other.errors,
            self.compared + other.compared,
            self.disagreed + other.disagreed,
            self.dropped + other.dropped,
            tuple(map(sum, zip(self.latency, other.latency, strict=True))),
        )

    def since(self, before: Figures) -> Figures:
        """What came after `before`, which were totals too."""
        return Figures(
            max(self.requests - before.requests, 0),
            max(self.errors - before.errors, 0),
            max(self.compared - before.compared, 0),
            max(self.disagreed - before.disagreed, 0),
            max(self.dropped - before.dropped, 0),
            tuple(max(now - then, 0) for now, then in zip(self.latency, before.latency, strict=True)),
        )

    def evidence(self, metric: str) -> int:
        """How many observations a metric is known from."""
        return self.compared if metric == "disagreement" else self.requests

    def value(self, metric: str) -> float | None:
        """A share of 1, or seconds; None where nothing was counted."""
        if metric in QUANTILES:
            return quantile(self.latency, QUANTILES[metric])
        count, of = self._share(metric)
        return count / of if of else None

    def at_least(self, metric: str, errors: float) -> float | None:
        """What the metric is at least, where chance may have moved it by so many standard errors.

        Shares: the lower end of Wilson's score interval (E. B. Wilson, 1927). Quantiles: the quantile as many standard
        errors of a rank further down (H. A. David, "Order Statistics", 1981, 2.5).
        """
        if metric in QUANTILES:
            part, total = QUANTILES[metric], sum(self.latency)
            error = math.sqrt(part * (1 - part) / total) if total else 0.0
            return quantile(self.latency, max(part - errors * error, 0.0))
        count, of = self._share(metric)
        return _wilson_low(count, of, errors) if of else None

    def _share(self, metric: str) -> tuple[int, int]:
        return (self.errors, self.requests) if metric == "error_rate" else (self.disagreed, self.compared)

    def document(self) -> dict[str, Any]:
        """As it is kept in a rollout's figures; `figures_from` reads it."""
        named = {name: getattr(self, name) for name in _COUNTS}
        return {**named, "latency": [[at, count] for at, count in enumerate(self.latency) if count]}


_COUNTS = ("requests", "errors", "compared", "disagreed", "dropped")
Sides = Mapping[int, Figures]
NOTHING = Figures()


def figures_from(document: Mapping[str, Any]) -> Figures:
    """The figures of a document. Raises InvalidInputError where it is none."""
    latency = [0] * WIDTH
    try:
        for at, count in document["latency"]:
            latency[at] = int(count)
        return Figures(latency=tuple(latency), **{name: int(document[name]) for name in _COUNTS})
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InvalidInputError(f"these are no figures of a rollout: {error!r}") from None


def added_up(observations: Iterable[Observation]) -> dict[int, Figures]:
    """The totals of each version over all servers, those that are gone among them."""
    totals: dict[int, Figures] = {}
    for seen in observations:
        latency = seen.latency if len(seen.latency) == WIDTH else NOTHING.latency
        figures = Figures(seen.requests, seen.errors, seen.compared, seen.disagreed, seen.dropped, tuple(latency))
        totals[seen.version] = totals.get(seen.version, NOTHING) + figures
    return totals


def _wilson_low(count: int, of: int, errors: float) -> float:
    share, z2 = count / of, errors**2
    middle = share + z2 / (2 * of)
    spread = errors * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max((middle - spread) / (1 + z2 / of), 0.0)
