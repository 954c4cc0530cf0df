"""Which of the versions that exist should be served. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from modelport.core.errors import InvalidInputError
from modelport.core.references import parse_version


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
