"""The history as a timeline, and how things stood at some moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from modelport.core.errors import InvalidInputError
from modelport.registry.base import LARGEST_PAGE, Registry
from modelport.registry.records import AliasAt, EventRecord
from modelport.web.registry.visit import PAGE, View, Visit
from modelport.web.registry.wording import day_words

#: What of the history can be asked for: its name in the address, on the page, and how its events' kinds begin.
KINDS = {
    "production": ("What was in production", ("promoted", "rolled_back", "alias.")),
    "rollouts": ("Rollouts", ("rollout.",)),
    "versions": ("Models and versions", ("model.", "version.")),
    "evaluations": ("Evaluations and gates", ("evaluated", "gates.")),
    "words": ("Tags and descriptions", ("tag.", "described")),
}
#: So many events are looked at for one page of some kind; where they have none, the page says so and goes on there.
_LOOKED_AT = 10 * LARGEST_PAGE


@dataclass(frozen=True, slots=True)
class Stood:
    """What the aliases of a model named at some moment."""

    model: str
    aliases: list[AliasAt]


def timeline(visit: Visit) -> View:
    """Events newest first, by day; `model`, `kind` and `before` choose, `at` shows that moment above them."""
    name, kind = visit.asked("model") or None, visit.asked("kind")
    if kind and kind not in KINDS:
        raise InvalidInputError(f"{kind[:80]!r} is no part of the history: ask for {', '.join(KINDS)}")
    before = visit.number("before")
    events, rest = find_events(visit.registry, name, kind, before)
    moment = visit.asked("at")
    models = [item.name for item in visit.registry.models("", LARGEST_PAGE)]
    if name and name not in models:
        models.append(name)  # a deleted one has a history too, and one of very many models
    return View(
        "registry/history.html",
        {
            "days": [(day, list(items)) for day, items in groupby(events, key=lambda event: day_words(event.at))],
            "kinds": {key: words for key, (words, _) in KINDS.items()},
            "group": group_of,
            "kind": kind,
            "model": name or "",
            "models": models,
            "before": before,
            "next": rest,
            "at": moment,
            "stood": at_moment(visit.registry, models if name is None else [name], moment) if moment else None,
        },
    )


def find_events(
    registry: Registry, model: str | None, kind: str, before: int | None
) -> tuple[list[EventRecord], int | None]:
    """A page of events, and before which number the next page begins (None: there is none)."""
    found: list[EventRecord] = []
    looked = 0
    size = LARGEST_PAGE if kind else PAGE + 1
    while looked < _LOOKED_AT:
        part = registry.history(model, before, size)
        found += [event for event in part if not kind or group_of(event) == kind]
        if len(found) > PAGE:
            return found[:PAGE], found[PAGE - 1].seq
        if len(part) < size:
            return found, None
        looked, before = looked + len(part), part[-1].seq
    return found, before


def group_of(event: EventRecord) -> str:
    """Which part of the history an event belongs to."""
    return next((name for name, (_, starts) in KINDS.items() if event.kind.startswith(starts)), "versions")


def at_moment(registry: Registry, models: list[str], moment: str) -> list[Stood]:
    """What aliases named then, of models that had some. Raises InvalidInputError for what is no time."""
    when = utc(moment)
    found = (Stood(name, registry.aliases_at(name, when)) for name in models[:PAGE])
    return [item for item in found if item.aliases]


def utc(moment: str) -> str:
    """The moment with its zone, UTC where none is said. Raises InvalidInputError."""
    try:
        when = datetime.fromisoformat(moment)
    except ValueError:
        raise InvalidInputError(f"{moment[:80]!r} is no time: write 2026-11-03 12:00 (UTC)") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).isoformat()
