"""Which of the versions that exist should be served. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from modelport.core.errors import InvalidInputError
from modelport.core.references import parse_version

#: `availability`: what replaces a version is loaded before that goes. `resources`: after that is gone.
Replace = Literal["availability", "resources"]


@dataclass(frozen=True, slots=True)
class VersionPolicy:
    """`latest` N versions, or exactly the `specific` ones; both empty means all."""

    latest: int | None = 1
    specific: frozenset[int] = frozenset()

    def choose(self, available: Collection[int]) -> set[int]:
        """The versions to serve out of those that exist."""
        if self.specific:
            return set(available) & self.specific
        if self.latest is None:
            return set(available)
        return set(sorted(available)[-self.latest :])

    def __str__(self) -> str:
        if self.specific:
            return ",".join(map(str, sorted(self.specific)))
        return "all" if self.latest is None else f"latest:{self.latest}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wanted of one model: its versions, names for some of them, and what goes first when they change."""

    versions: VersionPolicy = VersionPolicy()
    replace: Replace = "availability"
    aliases: Mapping[str, int] = field(default_factory=dict)

    def choose(self, available: Collection[int]) -> set[int]:
        """The versions to serve: those of the policy, and those that have a name."""
        return self.versions.choose(available) | (set(self.aliases.values()) & set(available))

    def leave_first(self, ready: Collection[int], chosen: Collection[int], changed: Collection[int]) -> set[int]:
        """Which of the ready versions go before anything is loaded; `changed` have other files than were loaded."""
        if self.replace == "availability":
            return set()
        return set(ready) - (set(chosen) - set(changed))


def parse_replace(text: str) -> Replace:
    """Raises InvalidInputError for anything but the two words."""
    for word in get_args(Replace):
        if word == text:
            return cast("Replace", word)
    raise InvalidInputError(f"{text!r} does not say how a version is replaced: write availability or resources")


def parse_policy(text: str) -> VersionPolicy:
    """`latest`, `latest:2`, `all`, or numbers such as `1,3`. Raises InvalidInputError for anything else."""
    word, _, count = text.strip().partition(":")
    if word == "all" and not count:
        return VersionPolicy(latest=None)
    try:
        if word == "latest":
            return VersionPolicy(latest=parse_version(count) if count else 1)
        return VersionPolicy(latest=None, specific=frozenset(parse_version(item.strip()) for item in text.split(",")))
    except InvalidInputError:
        raise InvalidInputError(
            f"{text!r} is not a version policy: write latest, latest:2, all, or numbers such as 1,3"
        ) from None
