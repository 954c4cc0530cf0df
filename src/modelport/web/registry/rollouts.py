"""Rollouts, and one of them as it stands: its steps, both sides' figures, its rule, and why it ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from modelport.registry.base import LARGEST_PAGE, Registry
from modelport.registry.records import EventRecord
from modelport.registry.releases import RolloutRecord
from modelport.release.conducting.reporting import report
from modelport.web.registry.shares import Share, share_over_time
from modelport.web.registry.visit import PAGE, View, Visit, parse_number

#: Events of the model that are looked through for those of one rollout.
_LOOKED_AT = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the plan: `past`, `now` (the one where it is, or ended) or `ahead`."""

    percent: float
    place: str


def rollouts(visit: Visit) -> View:
    """All rollouts, newest first; `model` chooses."""
    name = visit.asked("model") or None
    found = visit.registry.rollouts(name, LARGEST_PAGE)
    return View(
        "registry/rollouts.html",
        {"model": name or "", "rollouts": found[:PAGE], "more": max(len(found) - PAGE, 0)},
    )


def rollout(visit: Visit) -> View:
    """One rollout. The page asks for itself again while it is open."""
    found = report(visit.registry, parse_number(visit.path["id"], "the rollout"))
    record, events = found.rollout, events_of(visit.registry, found.rollout)
    return View(
        "registry/rollout.html",
        {
            "rollout": record,
            "steps": steps_of(record),
            "share": share_of(record, events),
            "events": events,
            "report": found,
        },
    )


def steps_of(record: RolloutRecord) -> list[Step]:
    """The plan's steps, and where among them it is."""
    return [
        Step(percent, "past" if at < record.step else "now" if at == record.step else "ahead")
        for at, percent in enumerate(record.plan.steps)
    ]


def events_of(registry: Registry, record: RolloutRecord) -> list[EventRecord]:
    """What happened to the rollout, oldest first."""
    found: list[EventRecord] = []
    before = None
    for _ in range(_LOOKED_AT):
        part = registry.history(record.model, before, LARGEST_PAGE)
        found += [event for event in part if _is_of(event, record)]
        if not part or part[-1].at < record.created_at:
            break
        before = part[-1].seq
    return found[::-1]


def share_of(record: RolloutRecord, events: list[EventRecord]) -> Share:
    """The candidate's share of the traffic from the beginning until now, or until it ended."""
    until = datetime.now(UTC).isoformat() if record.open else record.changed_at
    points = [(record.created_at, record.plan.steps[0])]
    for event in events:
        step = event.detail.get("step")
        if isinstance(step, int) and 0 <= step < len(record.plan.steps):
            points.append((event.at, record.plan.steps[step]))
    return share_over_time(points, until)


def _is_of(event: EventRecord, record: RolloutRecord) -> bool:
    return event.kind.startswith("rollout.") and event.detail.get("rollout") == record.id
