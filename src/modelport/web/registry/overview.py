"""The models of the registry: what is in production, what is newest, which rollouts go on."""

from __future__ import annotations

from collections.abc import Iterable

from modelport.registry.base import LARGEST_PAGE, Registry
from modelport.registry.records import ModelRecord
from modelport.registry.releases import RolloutRecord
from modelport.web.registry.visit import PAGE, View, Visit


def overview(visit: Visit) -> View:
    """A page of models by name; `q` are words that must all stand in a model's name, description, tags or aliases."""
    words = visit.asked("q").lower().split()
    found = find_models(visit.registry, words, visit.asked("after"))
    shown, more = found[:PAGE], len(found) > PAGE
    open_rollouts = {item.model: item for item in open_ones(visit.registry.rollouts(None, LARGEST_PAGE))}
    return View(
        "registry/overview.html",
        {
            "models": shown,
            "rollouts": open_rollouts,
            "served": visit.served,
            "asked": visit.asked("q"),
            "after": visit.asked("after"),
            "next": shown[-1].name if more else "",
        },
    )


def find_models(registry: Registry, words: list[str], after: str) -> list[ModelRecord]:
    """Models by name that have all of the words, one more than a page shows where there are more."""
    found: list[ModelRecord] = []
    size = LARGEST_PAGE if words else PAGE + 1
    while len(found) <= PAGE:
        part = registry.models(after, size)
        found += [model for model in part if _has(model, words)]
        if len(part) < size or not words:
            break
        after = part[-1].name
    return found[: PAGE + 1]


def open_ones(rollouts: Iterable[RolloutRecord]) -> list[RolloutRecord]:
    """Those that go on."""
    return [item for item in rollouts if item.open]


def _has(model: ModelRecord, words: list[str]) -> bool:
    said = (model.name, model.description, *model.aliases, *(f"{name}={value}" for name, value in model.tags.items()))
    text = "\n".join(said).lower()
    return all(word in text for word in words)
