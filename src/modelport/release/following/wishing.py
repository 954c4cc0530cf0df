"""What the registry desires, as wishes of the lifecycle. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from modelport.artifacts.manifest import Manifest
from modelport.core.errors import ModelportError
from modelport.engine.lifecycle.wishes import Wish
from modelport.registry.releases import PRODUCTION, Desired, DesiredModel, RolloutRecord

#: A model and a version of it.
Key = tuple[str, int]
#: Since when (Unix seconds) versions wait for a rollback: model → version.
Waiting = dict[str, dict[int, float]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A version that should be here; `warm` ones wait for a rollback."""

    model: str
    number: int
    manifest: Manifest
    warm: bool

    @property
    def key(self) -> Key:
        """What names it."""
        return self.model, self.number


def named(model: DesiredModel) -> frozenset[int]:
    """The versions of a model that an alias or an open rollout names."""
    rollout = model.rollout
    in_rollout = {rollout.baseline, rollout.candidate} if rollout is not None and rollout.open else set()
    return frozenset((set(model.aliases.values()) | in_rollout) & model.versions.keys())


def waiting_since(desired: Desired, before: Waiting, now: float) -> Waiting:
    """Since when each version waits for a rollback: as it was known, or since now."""
    waiting: Waiting = {}
    for model in desired.models:
        known = before.get(model.name, {})
        since = {number: min(known.get(number, now), now) for number in set(model.warm) - named(model)}
        if since:
            waiting[model.name] = since
    return waiting


def wanted(desired: Desired, waiting: Mapping[str, Mapping[int, float]], until: float) -> list[Wanted]:
    """Every version that should be here: what is named, production first, then what waits since `until` or later."""
    found: list[Wanted] = []
    for model in desired.models:
        needed = named(model)
        spare = {number for number, since in waiting.get(model.name, {}).items() if since > until} - needed
        numbers = needed | (spare & model.versions.keys())
        found += [Wanted(model.name, number, model.versions[number], number in spare) for number in numbers]
    production = {(model.name, model.aliases.get(PRODUCTION)) for model in desired.models}
    return sorted(found, key=lambda item: (item.warm, item.key not in production, item.key))


def next_expiry(waiting: Mapping[str, Mapping[int, float]], until: float) -> float:
    """Since when the version waits that will have waited long enough next, of those that have not; else infinity."""
    return min((since for own in waiting.values() for since in own.values() if since > until), default=math.inf)


def wishes(desired: Desired, versions: list[Wanted], problems: Mapping[Key, ModelportError]) -> dict[str, Wish]:
    """What is wished of each model; `problems` say why some of the versions are not here."""
    by_model: dict[str, dict[int, bool]] = {model.name: {} for model in desired.models}
    for item in versions:
        by_model[item.model][item.number] = item.warm
    found = {}
    for model in desired.models:
        own = by_model[model.name]
        found[model.name] = Wish(
            aliases=dict(model.aliases),
            versions=frozenset(own),
            preferred=model.aliases.get(PRODUCTION, 0),
            warm=frozenset(number for number, warm in own.items() if warm),
            problems={number: error for (name, number), error in problems.items() if name == model.name},
        )
    return found


def open_rollouts(desired: Desired) -> list[RolloutRecord]:
    """The rollouts that traffic follows."""
    return [model.rollout for model in desired.models if model.rollout is not None and model.rollout.open]
