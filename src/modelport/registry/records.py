"""What the registry tells: plain values, the same from a database and over HTTP. Times are ISO 8601, UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from modelport.artifacts.manifest import Manifest
from modelport.core.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class By:
    """Who makes a change, and why."""

    who: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model. `latest` is its newest version that was not deleted; None where there is none."""

    name: str
    description: str
    created_at: str
    created_by: str
    versions: int
    latest: int | None
    aliases: dict[str, int] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A version. `manifest` is there where one version was asked for, and not in lists."""

    model: str
    number: int
    digest: str
    format: str
    size: int
    description: str
    created_at: str
    created_by: str
    metrics: dict[str, float] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    manifest: Manifest | None = None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One change. `hash` is the sha256 of all the rest, `previous` the hash of the event before."""

    seq: int
    at: str
    who: str
    kind: str
    model: str
    version: int | None
    subject: str
    why: str
    detail: dict[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class AliasAt:
    """Which version an alias named at some moment, since when, and who made it so."""

    alias: str
    version: int
    since: str
    who: str
    why: str
    seq: int


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at the whole history found: nothing wrong where `problems` is empty."""

    events: int
    head: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What is pushed. The files that the manifest names are in the store already.

    The same `push_id` twice is the same push: the second time, what the first one made is given.
    """

    manifest: Manifest
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    alias: str = ""
    push_id: str = ""


def moment_text(microseconds: int) -> str:
    """A time of the database as people and JSON have it: `2026-11-03T12:00:00.000000Z`."""
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_moment(text: str) -> int:
    """Microseconds since the epoch of an ISO time, local where it says no zone. Raises InvalidInputError."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return round(moment.timestamp() * 1_000_000)
    except (ValueError, OverflowError, OSError):
        raise InvalidInputError(
            f"{text[:80]!r} is no time: write 2026-11-03, '2026-11-03 12:00' or 2026-11-03T12:00:00Z"
        ) from None
