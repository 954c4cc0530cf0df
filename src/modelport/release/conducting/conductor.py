"""Lets open rollouts go on, or takes them back. Any server may do that, and all that follow a registry do.

Everything that decides lies in the registry: the rollout as it is, what all servers counted, and what they had counted
when the present step began. So it is no matter which server looks, or that one is started again. A change says what it
expects the rollout to be like; where another server was faster, it was made already.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass, field

from modelport.core.errors import ConflictError, InvalidInputError, ModelportError, NotFoundError
from modelport.registry.base import Registry
from modelport.registry.records import By, parse_moment
from modelport.registry.releases import RolloutChange, RolloutRecord
from modelport.release.conducting.figures import NOTHING, Figures, added_up, figures_from
from modelport.release.conducting.judging import Evidence, Judgement, judge
from modelport.release.conducting.rules import Node, parse_rule
from modelport.release.conducting.sides import side_report

_log = logging.getLogger("modelport.release")
#: Beside the whole step, so many seconds up to now are judged: a fault that begins late in a long step shows there.
RECENT = 20.0
#: Requests of the baseline from which any of its figures can be compared with.
_JUDGEABLE = 100


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of a rollout at one moment. `judgement` is that of the step, or of the last seconds if that holds.

    `step` are each version's figures since the step began, `totals` those since the rollout did.
    """

    judgement: Judgement
    step: dict[int, Figures]
    totals: dict[int, Figures]


@dataclass(slots=True)
class Conductor:
    """Used by one thread at a time. `name` is who makes the changes, in the history."""

    registry: Registry
    name: str
    _seen: dict[int, deque[tuple[float, dict[int, Figures]]]] = field(default_factory=dict)

    def look(self, id_: int) -> RolloutRecord | None:
        """Look at a rollout, and change it where it is time; gives what it became then. Raises ModelportError."""
        try:
            rollout = self.registry.rollout(id_)
            if not rollout.open:
                self._seen.pop(id_, None)
                return None
            change = self._change(rollout, self.seen(rollout))
            if change is None:
                return None
            return self.registry.change_rollout(id_, change=change, by=By(self.name, change.reason))
        except ConflictError:
            return None  # another server was faster
        except NotFoundError:
            self._seen.pop(id_, None)
            return None

    def seen(self, rollout: RolloutRecord) -> Look:
        """What was counted, judged."""
        totals = added_up(self.registry.observations(rollout.id))
        rule = read_rule(rollout)
        step = since_step(rollout, totals)
        judgement = judge(rule, evidence(rollout, step, totals))
        if not judgement.holds:
            recent = judge(rule, evidence(rollout, self._recent(rollout.id, totals), totals, sure=True))
            judgement = recent if recent.holds else judgement
        return Look(judgement, step, totals)

    def _recent(self, id_: int, totals: dict[int, Figures]) -> dict[int, Figures]:
        """The figures of the last seconds."""
        seen, now = self._seen.setdefault(id_, deque()), time.monotonic()
        while len(seen) > 1 and seen[0][0] < now - RECENT:
            seen.popleft()
        seen.append((now, totals))
        before = seen[0][1]
        return {version: figures.since(before.get(version, NOTHING)) for version, figures in totals.items()}

    def _change(self, rollout: RolloutRecord, look: Look) -> RolloutChange | None:
        expected = (rollout.state, rollout.step)
        if look.judgement.holds:
            reason = f"at {rollout.percent:g} %: {look.judgement.reason}"
            _log.warning("%s@%d is taken back: %s", rollout.model, rollout.candidate, reason)
            return RolloutChange(*expected, state="aborted", reason=reason, figures=figures_of(rollout, look))
        if rollout.step and "since" not in rollout.figures:  # somebody else let it go to this step: it counts from now
            return RolloutChange(*expected, figures={**rollout.figures, "since": documents(look.totals)})
        if rollout.state != "running" or waits_for(rollout, look.step):
            return None
        figures = {**figures_of(rollout, look), "since": documents(look.totals)}
        if rollout.step + 1 < len(rollout.plan.steps):
            reason = f"{rollout.plan.every:g} s at {rollout.percent:g} % went well"
            return RolloutChange(*expected, step=rollout.step + 1, reason=reason, figures=figures)
        if rollout.plan.kind == "canary" and rollout.percent >= 100:
            return RolloutChange(*expected, state="promoted", reason="every step went well", figures=figures)
        return None


def evidence(
    rollout: RolloutRecord, figures: dict[int, Figures], totals: dict[int, Figures], sure: bool = False
) -> Evidence:
    """What is judged. A baseline that has no traffic to speak of in that time is taken as it was before."""
    needed = rollout.plan.min_requests
    baseline = figures.get(rollout.baseline, NOTHING)
    if baseline.requests < max(needed, _JUDGEABLE):
        baseline = totals.get(rollout.baseline, NOTHING)
    return Evidence(figures.get(rollout.candidate, NOTHING), baseline, needed, sure)


def waits_for(rollout: RolloutRecord, step: dict[int, Figures]) -> str:
    """What the rollout waits for before its next step; empty where that may come.

    A step that is to be judged is not left before it can be: nothing goes further because nobody asked.
    """
    left = seconds_left(rollout)
    if left > 0:
        return f"{left:.0f} s more at {rollout.percent:g} %"
    requests = step.get(rollout.candidate, NOTHING).requests
    if rollout.plan.abort_if and requests < rollout.plan.min_requests:
        return f"{requests} of {rollout.plan.min_requests} requests of the candidate at {rollout.percent:g} %"
    return ""


def seconds_left(rollout: RolloutRecord) -> float:
    """Seconds until the present step has lasted as long as it should, by this machine's clock."""
    since = parse_moment(rollout.step_since) / 1e6
    return max(since + rollout.plan.every - time.time(), 0.0)


def since_step(rollout: RolloutRecord, totals: dict[int, Figures]) -> dict[int, Figures]:
    """What was counted since the present step began."""
    before = rollout.figures.get("since") or {}
    try:
        known = {int(version): figures_from(document) for version, document in before.items()}
    except (AttributeError, ValueError, InvalidInputError):
        known = {}
    return {version: figures.since(known.get(version, NOTHING)) for version, figures in totals.items()}


def read_rule(rollout: RolloutRecord) -> Node | None:
    """The rollout's rule. One that can't be read, which nobody checked, never holds, and says so in the log."""
    try:
        return parse_rule(rollout.plan.abort_if)
    except ModelportError as error:
        _log.error("the rollout %d of %s is not judged: %s", rollout.id, rollout.model, error)
        return None


def figures_of(rollout: RolloutRecord, look: Look) -> dict[str, object]:
    """What a decision was made on, for the registry."""
    terms = [
        {name: getattr(term, name) for name in ("text", "holds", "why", "value", "baseline", "limit")}
        for term in look.judgement.terms
    ]
    sides = {
        name: side_report(version, look.step.get(version, NOTHING)).document()
        for name, version in (("baseline", rollout.baseline), ("candidate", rollout.candidate))
    }
    since = rollout.figures.get("since") or {}
    return {"rule": rollout.plan.abort_if, "percent": rollout.percent, "terms": terms, **sides, "since": since}


def documents(totals: dict[int, Figures]) -> dict[str, object]:
    """Totals as they are kept in a rollout's figures."""
    return {str(version): figures.document() for version, figures in totals.items()}
