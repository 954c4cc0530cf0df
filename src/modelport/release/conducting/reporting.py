"""How a rollout stands, as pages and the command line show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from modelport.registry.base import Registry
from modelport.registry.releases import OutcomeFigures, RolloutRecord
from modelport.release.conducting.conductor import (
    Conductor,
    Look,
    seconds_left,
    waits_for,
)
from modelport.release.conducting.figures import NOTHING, Figures
from modelport.release.conducting.judging import Standing
from modelport.release.conducting.sides import SideReport, side_report
from modelport.release.conducting.significance import compare


@dataclass(frozen=True, slots=True)
class StepReport:
    """The present step: `number` of `of`, with its figures. `seconds_left` until it may be left."""

    number: int
    of: int
    percent: float
    since: str
    seconds_left: float
    baseline: SideReport
    candidate: SideReport


@dataclass(frozen=True, slots=True)
class RuleReport:
    """The rule and how it stands: it `holds` (so the rollout is taken back), it does not, or it is not known yet."""

    text: str
    standing: Literal["none", "holds", "does not hold", "not known yet"]
    terms: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class OutcomeReport:
    """What callers reported: each side's outcomes, and the candidate's mean less the baseline's.

    The test and what it gives are None as long as a side has fewer than two outcomes.
    """

    baseline: OutcomeFigures
    candidate: OutcomeFigures
    test: str | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    significant: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class RolloutReport:
    """Everything about a rollout. `next` says in words what comes; `servers` is how many processes counted.

    `baseline` and `candidate` have what was counted since the rollout began.
    """

    rollout: RolloutRecord
    baseline: SideReport
    candidate: SideReport
    step: StepReport
    rule: RuleReport
    outcomes: OutcomeReport
    next: str
    servers: int


def report(registry: Registry, id_: int) -> RolloutReport:
    """The report of a rollout. Raises NotFoundError, UnavailableError."""
    rollout = registry.rollout(id_)
    look = Conductor(registry, "").seen(rollout)
    baseline, candidate = _sides(rollout, look.totals)
    return RolloutReport(
        rollout=rollout,
        baseline=baseline,
        candidate=candidate,
        step=_step(rollout, look),
        rule=_rule(rollout, look),
        outcomes=_outcomes(rollout, registry.outcomes(rollout.model, id_)),
        next=_next(rollout, look),
        servers=len({seen.server for seen in registry.observations(id_)}),
    )


def _sides(rollout: RolloutRecord, figures: dict[int, Figures]) -> tuple[SideReport, SideReport]:
    baseline, candidate = (
        side_report(version, figures.get(version, NOTHING)) for version in (rollout.baseline, rollout.candidate)
    )
    return baseline, candidate


def _step(rollout: RolloutRecord, look: Look) -> StepReport:
    plan = rollout.plan
    left = seconds_left(rollout) if rollout.open else 0.0
    sides = _sides(rollout, look.step)
    return StepReport(rollout.step, len(plan.steps), rollout.percent, rollout.step_since, round(left, 1), *sides)


def _rule(rollout: RolloutRecord, look: Look) -> RuleReport:
    """An aborted rollout's rule stands as it did when it was aborted."""
    text = rollout.plan.abort_if
    if not text:
        return RuleReport(text, "none", ())
    kept = rollout.figures.get("terms")
    if not rollout.open and isinstance(kept, list):
        terms = tuple(_kept(term) for term in kept)
        return RuleReport(text, "holds" if rollout.state == "aborted" else "does not hold", terms)
    words: dict[bool | None, Literal["holds", "does not hold", "not known yet"]]
    words = {True: "holds", False: "does not hold", None: "not known yet"}
    return RuleReport(text, words[look.judgement.holds], look.judgement.terms)


def _kept(term: dict[str, object]) -> Standing:
    names = ("text", "holds", "why", "value", "baseline", "limit")
    return Standing(**{name: term.get(name) for name in names})  # type: ignore[arg-type]


def _outcomes(rollout: RolloutRecord, figures: Sequence[OutcomeFigures]) -> OutcomeReport:
    by_version = {item.version: item for item in figures}
    sides = [by_version.get(version) or OutcomeFigures(version, 0, 0.0, 0.0) for version in _versions(rollout)]
    baseline, candidate = sides
    compared = compare(baseline, candidate)
    if compared is None:
        text = "not enough outcomes were reported: it takes two of each version"
        return OutcomeReport(baseline, candidate, None, None, None, None, None, None, text)
    verdict = "more than chance" if compared.significant else "it may be chance"
    text = (
        f"version {candidate.version} differs by {compared.difference:+.4g} "
        f"[{compared.low:+.4g} to {compared.high:+.4g}] from version {baseline.version}: "
        f"{verdict} (p = {compared.p:.2g}, {compared.test})"
    )
    return OutcomeReport(
        baseline,
        candidate,
        compared.test,
        compared.difference,
        compared.low,
        compared.high,
        compared.p,
        compared.significant,
        text,
    )


def _versions(rollout: RolloutRecord) -> tuple[int, int]:
    return rollout.baseline, rollout.candidate


def _next(rollout: RolloutRecord, look: Look) -> str:
    if not rollout.open:
        return f"nothing: it was {rollout.state}" + (f", because {rollout.reason}" if rollout.reason else "")
    if rollout.state == "paused":
        return "nothing until it is resumed; the rule goes on being judged"
    steps = rollout.plan.steps
    last = rollout.step + 1 >= len(steps)
    if last and not (rollout.plan.kind == "canary" and rollout.percent >= 100):
        return f"nothing: it stays at {rollout.percent:g} % until it is promoted or ended"
    then = f"version {rollout.candidate} is promoted" if last else f"{steps[rollout.step + 1]:g} %"
    waiting = waits_for(rollout, look.step)
    return f"{then}, after {waiting}" if waiting else f"{then}, now"
