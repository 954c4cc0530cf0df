"""The registry's events in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modelport.registry.records import EventRecord


def event_text(event: EventRecord) -> str:
    """An event in words: `alias production → fraud@3 (was 2)`."""
    reference = event.model if event.version is None else f"{event.model}@{event.version}"
    family = event.kind.partition(".")[0]
    tell = _TOLD.get(event.kind) or _TOLD.get(family)
    return tell(event, reference) if tell else f"{reference} {event.kind.rpartition('.')[2]}"


def _named(event: EventRecord, reference: str) -> str:
    return f"alias {event.subject} → {reference}{_was(event)}"


def _promoted(event: EventRecord, reference: str) -> str:
    rollout = event.detail.get("rollout")
    by = f", by rollout {rollout}" if rollout else ""
    return f"promoted {reference} → {event.subject}{_was(event)}{by}{_gates_said(event.detail)}"


def _rolled_back(event: EventRecord, reference: str) -> str:
    return f"rolled back {event.subject} → {reference}{_was(event)}"


def _removed(event: EventRecord, reference: str) -> str:
    return f"alias {event.subject} of {reference} removed"


def _tagged(event: EventRecord, reference: str) -> str:
    return f"tag {event.subject}={event.detail.get('value')} on {reference}"


def _untagged(event: EventRecord, reference: str) -> str:
    return f"tag {event.subject} removed from {reference}"


def _rollout(event: EventRecord, reference: str) -> str:
    detail, happened = event.detail, event.kind.partition(".")[2]
    words = f"rollout {detail.get('rollout')} of {reference} ({event.subject})"
    if happened == "started":
        plan = detail.get("plan", {})
        return f"{words} started: {plan.get('kind')} {', '.join(f'{step:g}' for step in plan.get('steps', ()))} %"
    reason = f": {detail['reason']}" if detail.get("reason") else ""
    if happened == "advanced":
        return f"{words} at {detail.get('percent', 0):g} %{reason}"
    return f"{words} {happened} at {detail.get('percent', 0):g} %{reason}"


def _gated(event: EventRecord, _: str) -> str:
    rules = "; ".join(event.detail.get("rules", ()))
    data = f", on {event.detail['data_name']}" if event.detail.get("data_name") else ""
    return f"gates of {event.model}: {rules or 'no rules'}{data}"


def _ungated(event: EventRecord, _: str) -> str:
    return f"gates of {event.model} removed"


def _evaluated(event: EventRecord, reference: str) -> str:
    on = f" on {event.subject}" if event.subject else ""
    return f"{reference} evaluated{on} (evaluation {event.detail.get('evaluation')})"


def _was(event: EventRecord) -> str:
    before = event.detail.get("before")
    return f" (was {before})" if before else ""


def _gates_said(detail: dict[str, Any]) -> str:
    failed = [verdict.get("gate", "") for verdict in detail.get("verdicts", ()) if not verdict.get("passed")]
    if failed:
        return f", forced past {'; '.join(failed)}"
    return ", forced" if detail.get("forced") else ""


_TOLD: dict[str, Callable[[EventRecord, str], str]] = {
    "alias.set": _named,
    "alias.removed": _removed,
    "promoted": _promoted,
    "rolled_back": _rolled_back,
    "tag.set": _tagged,
    "tag.removed": _untagged,
    "rollout": _rollout,
    "gates.set": _gated,
    "gates.removed": _ungated,
    "evaluated": _evaluated,
}
