"""Does a rollout's rule hold? Judged on what was counted, and said in words that people can check."""

from __future__ import annotations

import math
from dataclasses import dataclass

from modelport.release.conducting.figures import QUANTILES, Figures
from modelport.release.conducting.rules import Node, Term

#: Standard errors by which a quantile must be past its limit: a few slow requests are no slow version.
_LIKELY = 2.0
#: The same, of every figure, for what is looked at again and again.
_SURE = 3.0


@dataclass(frozen=True, slots=True)
class Standing:
    """One comparison and how it stands. `holds` None: too little was counted; `why` says of what.

    `value`, `baseline` and `limit` are shares of 1 or seconds.
    """

    text: str
    holds: bool | None
    why: str
    value: float | None = None
    baseline: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A rule and how it stands, with its comparisons."""

    holds: bool | None
    terms: tuple[Standing, ...] = ()

    @property
    def reason(self) -> str:
        """The comparisons that hold, with their figures."""
        return "; ".join(standing.why for standing in self.terms if standing.holds)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is judged: both sides' figures over the same time.

    `needed` is how many requests of the candidate there must be. A share counts as it is, a quantile only as far as
    it is hardly chance. With `sure` neither is: for evidence that is looked at again and again, where some few requests
    will always look bad.
    """

    candidate: Figures
    baseline: Figures
    needed: int
    sure: bool = False


def judge(node: Node | None, evidence: Evidence) -> Judgement:
    """How a rule stands; None holds never."""
    if node is None:
        return Judgement(False)
    if isinstance(node, Term):
        standing = stand(node, evidence)
        return Judgement(standing.holds, (standing,))
    judged = [judge(part, evidence) for part in node.parts]
    terms = tuple(term for part in judged for term in part.terms)
    holds = [part.holds for part in judged]
    decisive = node.how == "or"  # one that holds decides an `or`, one that does not an `and`
    if decisive in holds:
        return Judgement(decisive, terms)
    return Judgement(None if None in holds else not decisive, terms)


def stand(term: Term, evidence: Evidence) -> Standing:
    """How one comparison stands."""
    metric, candidate = term.metric, evidence.candidate
    needed = needed_for(metric, evidence.needed)
    seen = candidate.evidence(metric)
    what = "compared requests" if metric == "disagreement" else "requests"
    value = candidate.value(metric)
    if seen < needed or value is None:
        return Standing(term.text, None, f"{term.text}: {seen} of the {needed} {what} that it takes", value)
    limit, reference = _limit(term, evidence.baseline, needed)
    if limit is None:
        why = f"{term.text}: the baseline has {evidence.baseline.requests} of the {needed} requests that it takes"
        return Standing(term.text, None, why, value, reference)
    holds = term.holds(_counted(metric, candidate, value, evidence.sure), limit)
    said = f"{metric} is {shown(metric, value)} of {seen} {what}"
    if term.relative:
        said += f" ({shown(metric, reference)} of the baseline's {evidence.baseline.requests})"
    verdict = "past" if holds else "past, but perhaps by chance," if term.holds(value, limit) else "within"
    return Standing(term.text, holds, f"{said}: {verdict} {term.text}", value, reference, limit)


def _counted(metric: str, figures: Figures, value: float, sure: bool) -> float:
    """What of a figure counts against the limit."""
    if not sure and metric not in QUANTILES:
        return value
    low = figures.at_least(metric, _SURE if sure else _LIKELY)
    return value if low is None else low


def needed_for(metric: str, least: int) -> int:
    """Requests from which a metric can be judged: of a quantile as many as make it more than the slowest one."""
    return max(least, math.ceil(1 / (1 - QUANTILES[metric])) if metric in QUANTILES else 1)


def _limit(term: Term, baseline: Figures, needed: int) -> tuple[float | None, float | None]:
    """The limit and the baseline's own figure. A baseline without any error counts as one with one."""
    reference = baseline.value(term.metric)
    if not term.relative:
        return term.limit, reference
    if reference is None or baseline.evidence(term.metric) < needed:
        return None, reference
    if term.metric == "error_rate":
        return term.limit * max(reference, 1 / baseline.requests), reference
    return term.limit * reference, reference


def shown(metric: str, value: float | None) -> str:
    """A figure for people: `1.25 %` or `12.3 ms`."""
    if value is None:
        return "unknown"
    if metric in QUANTILES:
        return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"
    return f"{value * 100:.3g} %"
