"""The log of all changes. Each event carries the hash of the one before it, so that none can be changed unnoticed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from modelport.db.schema import chain, events
from modelport.registry.records import By, EventRecord, moment_text
from modelport.registry.references import check_text

#: What stands for the hash before the first event.
BEGINNING = "0" * 64
_HASHED = ("seq", "at", "who", "kind", "model", "version", "subject", "why", "detail", "previous")


@dataclass(frozen=True, slots=True)
class Change:
    """What happened. `subject` is what of the model changed: an alias, a tag."""

    kind: str
    model: str
    version: int | None = None
    subject: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


def append(connection: Connection, change: Change, by: By) -> int:
    """Write one event in the transaction of its change, which has to be a writing one; gives its time.

    Times never go back, whatever the clocks of several machines say.
    """
    check_text(by.who, "who makes the change")
    check_text(by.why, "why the change is made")
    last = connection.execute(sa.select(chain).where(chain.c.id == 1)).one()
    row = event_row(last.seq + 1, max(time.time_ns() // 1000, last.at), change, by, last.hash)
    connection.execute(sa.insert(events), row)
    connection.execute(sa.update(chain).where(chain.c.id == 1).values(seq=row["seq"], at=row["at"], hash=row["hash"]))
    return int(row["at"])


def event_row(seq: int, at: int, change: Change, by: By, previous: str) -> dict[str, Any]:
    """The event as it is stored, its hash computed."""
    row = {
        "seq": seq,
        "at": at,
        "who": by.who,
        "kind": change.kind,
        "model": change.model,
        "version": change.version,
        "subject": change.subject,
        "why": by.why,
        "detail": orjson.dumps(change.detail, option=orjson.OPT_SORT_KEYS).decode(),
        "previous": previous,
    }
    return {**row, "hash": event_hash(row)}


def event_hash(row: Mapping[str, Any]) -> str:
    """The sha256 of an event's canonical content: a JSON object of its columns but for the hash, keys sorted."""
    content = {name: row[name] for name in _HASHED}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def history(connection: Connection, model: str | None, before: int | None, limit: int) -> list[EventRecord]:
    """Events of a model, or of all, newest first."""
    query = sa.select(events).order_by(events.c.seq.desc()).limit(limit)
    if model is not None:
        query = query.where(events.c.model == model)
    if before is not None:
        query = query.where(events.c.seq < before)
    return [_record(row) for row in connection.execute(query)]


def _record(row: Row[Any]) -> EventRecord:
    return EventRecord(
        row.seq,
        moment_text(row.at),
        row.who,
        row.kind,
        row.model,
        row.version,
        row.subject,
        row.why,
        orjson.loads(row.detail),
        row.previous,
        row.hash,
    )
