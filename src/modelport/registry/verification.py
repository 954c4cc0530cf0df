"""Verifying the history: each event by its hash, all of them by their order, and the registry by what they say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from modelport.core.errors import InvalidInputError
from modelport.db.schema import aliases, chain, events, models, versions
from modelport.registry.events import BEGINNING, event_hash
from modelport.registry.moments import ALIAS, ALIAS_REMOVED
from modelport.registry.records import Verified

_BATCH = 5000
#: So many problems are told; one change early on may make many.
_MOST = 20


@dataclass(slots=True)
class _Told:
    """What the events say there should be."""

    versions: dict[tuple[str, int], str] = field(default_factory=dict)
    aliases: dict[tuple[str, str], int] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def take(self, row: Row[Any]) -> str:
        """Take one event in; gives what is wrong with it, or an empty text."""
        match row.kind:
            case "version.pushed":
                wanted = self.numbers.get(row.model, 0) + 1
                self.numbers[row.model] = row.version
                self.versions[row.model, row.version] = row.subject
                if row.version != wanted:
                    return f"event {row.seq} makes {row.model}@{row.version}, but the next version was {wanted}"
            case "version.deleted":
                self.versions.pop((row.model, row.version), None)
            case kind if kind == ALIAS:
                self.aliases[row.model, row.subject] = row.version
            case kind if kind == ALIAS_REMOVED:
                self.aliases.pop((row.model, row.subject), None)
        return ""


def verify(connection: Connection, expect: str = "") -> Verified:
    """Go through everything, in one reading transaction. `expect` is `SEQ:HASH`, else InvalidInputError."""
    seq, hash_ = _expected(expect)
    told, problems, previous, count = _Told(), list[str](), BEGINNING, 0
    at, wanted = 0, 1
    for row in _all(connection):
        problems += _wrong(row, wanted, previous, at)
        problem = told.take(row)
        if problem:
            problems.append(problem)
        if row.seq == seq and row.hash != hash_:
            problems.append(f"event {seq} has the hash {row.hash}, but {hash_} is expected")
        previous, at, wanted, count = row.hash, row.at, row.seq + 1, count + 1
    if seq is not None and seq >= wanted:
        problems.append(f"event {seq} is expected, but the history ends with event {wanted - 1}")
    problems += _end(connection, wanted - 1, previous)
    problems += _differences(connection, told)
    return Verified(count, f"{wanted - 1}:{previous}", tuple(problems[:_MOST]))


def _wrong(row: Row[Any], wanted: int, previous: str, at: int) -> Iterator[str]:
    if row.seq != wanted:
        yield f"events {wanted} to {row.seq - 1} are missing"
    elif row.previous != previous:
        yield f"event {row.seq} does not follow on event {row.seq - 1}: its previous hash is {row.previous}"
    if row.hash != event_hash(row._asdict()):
        yield f"event {row.seq} is not as it was written: its content has another hash"
    if row.at < at:
        yield f"event {row.seq} is older than the one before it"


def _all(connection: Connection) -> Iterator[Row[Any]]:
    """Every event in order, some thousands at a time."""
    last = -1
    while True:
        query = sa.select(events).where(events.c.seq > last).order_by(events.c.seq).limit(_BATCH)
        rows = connection.execute(query).all()
        yield from rows
        if len(rows) < _BATCH:
            return
        last = rows[-1].seq


def _end(connection: Connection, seq: int, last: str) -> Iterator[str]:
    head = connection.execute(sa.select(chain).where(chain.c.id == 1)).one_or_none()
    if head is None:
        yield "the record of the last event is missing"
    elif (head.seq, head.hash) != (seq, last):
        yield f"the history ends with event {seq}, but event {head.seq} was written: what came after is missing"


def _differences(connection: Connection, told: _Told) -> Iterator[str]:
    """Where the registry is not what its history says."""
    alive = _alive(connection)
    for name, number in sorted(alive.keys() | told.versions.keys()):
        if alive.get((name, number)) != told.versions.get((name, number)):
            yield f"{name}@{number} is not what the history says"
    named = (
        sa.select(models.c.name, aliases.c.name.label("alias"), versions.c.number)
        .join(models, models.c.id == aliases.c.model_id)
        .join(versions, versions.c.id == aliases.c.version_id)
    )
    present = {(row.name, row.alias): row.number for row in connection.execute(named)}
    for name, alias in sorted(present.keys() | told.aliases.keys()):
        if present.get((name, alias)) != told.aliases.get((name, alias)):
            yield f"the alias {alias} of {name} is not what the history says"


def _alive(connection: Connection) -> dict[tuple[str, int], str]:
    """The sha256 of each version's manifest as it is now, an empty text where its columns are not what it says."""
    kept = (versions.c.number, versions.c.manifest, versions.c.manifest_digest, versions.c.digest, versions.c.metrics)
    query = sa.select(models.c.name, *kept).join(models, models.c.id == versions.c.model_id)
    found = {}
    for row in connection.execute(query.where(versions.c.deleted_at.is_(None)).execution_options(yield_per=_BATCH)):
        manifest = orjson.loads(row.manifest)
        same = row.digest == manifest["digest"] and orjson.loads(row.metrics) == manifest["metrics"]
        computed = hashlib.sha256(row.manifest.encode()).hexdigest()
        found[row.name, row.number] = computed if same and computed == row.manifest_digest else ""
    return found


def _expected(expect: str) -> tuple[int | None, str]:
    if not expect:
        return None, ""
    seq, colon, hash_ = expect.partition(":")
    if not colon or not seq.isdecimal() or len(hash_) != len(BEGINNING):
        raise InvalidInputError(f"{expect[:100]!r} is no event: write its number, a colon and its hash")
    return int(seq), hash_
