"""What the registry tells, in the words of the pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from modelport.registry.records import EventRecord
from modelport.web.words import cost_text

_UNITS = ("B", "KB", "MB", "GB", "TB")


def moment_words(moment: str) -> str:
    """An ISO time as `2026-11-03 12:00:09 UTC`; other text as it is."""
    try:
        when = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def day_words(moment: str) -> str:
    """The day of an ISO time: `Tuesday, 3 November 2026`."""
    try:
        when = datetime.fromisoformat(moment).astimezone(UTC)
    except ValueError:
        return moment
    return f"{when:%A}, {when.day} {when:%B %Y}"


def clock_words(moment: str) -> str:
    """The time of the day of an ISO time: `12:00:09`."""
    return moment_words(moment)[11:19]


def size_words(size: int | None) -> str:
    """A number of bytes to three digits: `1.23 MB`."""
    if size is None:
        return "–"
    amount, unit = float(size), 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.3g} {_UNITS[unit]}"


def figure_words(value: float | None) -> str:
    """A figure to four digits; a dash for none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def difference_words(value: float | None) -> str:
    """A difference with its sign: `+0.012`, `−0.4`, `±0`."""
    if value is None:
        return ""
    if value == 0:
        return "±0"
    return ("+" if value > 0 else "−") + figure_words(abs(value))


def percent_words(share: float | None) -> str:
    """A share of one as a percentage: `1.25 %`."""
    return "–" if share is None else f"{share * 100:.3g}\u00a0%"


def latency_words(milliseconds: float | None) -> str:
    """A latency to three digits: `850 µs`, `12.3 ms`, `1.2 s`."""
    return "–" if milliseconds is None else cost_text(milliseconds)


def span_words(seconds: float) -> str:
    """How long: `45 s`, `10 min`, `1 h 30 min`, `2 d`."""
    parts = []
    rest = round(seconds)
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def share_words(percent: float) -> str:
    """A percentage of a rollout's step: `5 %`."""
    return f"{percent:g}\u00a0%"


def plural(number: int, one: str, many: str = "") -> str:
    """`1 version`, `3 versions`, `1,200 versions`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def event_words(event: EventRecord) -> str:
    """An event in a sentence without its model, who and why: `production: version 3 → version 4`."""
    words = _EVENTS.get(event.kind)
    return words(event, event.detail) if words is not None else _other(event)


def _moved(event: EventRecord, detail: Mapping[str, Any]) -> str:
    alias = event.subject or detail.get("alias", "production")
    return f"{alias}: {_version(detail.get('before'))} → {_version(event.version)}"


def _forced(event: EventRecord, detail: Mapping[str, Any]) -> str:
    return _moved(event, detail) + (", forced past its gates" if detail.get("forced") else "")


def _started(event: EventRecord, detail: Mapping[str, Any]) -> str:
    plan = detail.get("plan") or {}
    steps = ", ".join(share_words(step) for step in plan.get("steps", ()))
    return f"{plan.get('kind', 'rollout')} of version {event.version} beside version {detail.get('baseline')}: {steps}"


def _advanced(event: EventRecord, detail: Mapping[str, Any]) -> str:
    return f"Version {event.version} gets {share_words(detail.get('percent', 0.0))}{_because(detail)}"


def _because(detail: Mapping[str, Any]) -> str:
    return f": {detail['reason']}" if detail.get("reason") else ""


def _tag(event: EventRecord, detail: Mapping[str, Any]) -> str:
    return f"{_of(event)}tag {event.subject} = {detail.get('value', '')}"


def _other(event: EventRecord) -> str:
    return " ".join(part for part in (event.kind, event.subject, _of(event).rstrip(": ")) if part)


def _of(event: EventRecord) -> str:
    return "" if event.version is None else f"version {event.version}: "


def _version(number: Any) -> str:
    return f"version {number}" if number else "nothing"


_EVENTS: dict[str, Callable[[EventRecord, Mapping[str, Any]], str]] = {
    "model.created": lambda event, detail: "The model came to be",
    "model.deleted": lambda event, detail: "The model was deleted with all its versions",
    "version.pushed": lambda event, detail: f"Version {event.version} was pushed",
    "version.deleted": lambda event, detail: f"Version {event.version} was deleted",
    "alias.set": _moved,
    "alias.removed": lambda event, detail: f"{event.subject} names nothing any more (it named version {event.version})",
    "promoted": _forced,
    "rolled_back": _moved,
    "tag.set": _tag,
    "tag.removed": lambda event, detail: f"{_of(event)}tag {event.subject} was taken away",
    "described": lambda event, detail: f"{_of(event)}described as “{detail.get('text', '')}”",
    "gates.set": lambda event, detail: f"Gates: {'; '.join(map(str, detail.get('rules', ()))) or 'none'}",
    "gates.removed": lambda event, detail: "The gates were taken away",
    "rollout.started": _started,
    "rollout.advanced": _advanced,
    "rollout.paused": lambda event, detail: f"The rollout of version {event.version} was paused{_because(detail)}",
    "rollout.resumed": lambda event, detail: f"The rollout of version {event.version} goes on{_because(detail)}",
    "rollout.aborted": lambda event, detail: f"Version {event.version} was rolled back{_because(detail)}",
    "rollout.ended": lambda event, detail: f"The rollout of version {event.version} ended{_because(detail)}",
    "rollout.promoted": lambda event, detail: f"The rollout of version {event.version} ended well{_because(detail)}",
    "evaluated": lambda event, detail: (
        f"Version {event.version} was evaluated" + (f" on {event.subject}" if event.subject else "")
    ),
}
