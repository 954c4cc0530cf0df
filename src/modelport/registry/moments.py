"""How things stood at some moment, told from the log of changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from modelport.db.schema import events
from modelport.registry.records import AliasAt, moment_text

ALIAS = "alias.set"
ALIAS_REMOVED = "alias.removed"
PROMOTED = "promoted"
ROLLED_BACK = "rolled_back"
#: The kinds of events after which an alias (the subject) names a version.
NAMING = (ALIAS, PROMOTED, ROLLED_BACK)


def aliases_at(connection: Connection, model: str, at: int) -> list[AliasAt]:
    """Which versions the aliases named at `at` (microseconds); what was deleted meanwhile is told too."""
    until = connection.scalar(
        sa.select(events.c.seq).where(events.c.at <= at).order_by(events.c.at.desc(), events.c.seq.desc()).limit(1)
    )
    if until is None:
        return []
    found = (_alias_at(connection, model, alias, until) for alias in _subjects(connection, model))
    return [item for item in found if item is not None]


def _alias_at(connection: Connection, model: str, alias: str, until: int) -> AliasAt | None:
    """The last word on an alias up to an event; None where it named nothing then."""
    found = [_last(connection, model, kind, alias, until) for kind in (*NAMING, ALIAS_REMOVED)]
    named = max((row for row in found if row is not None), key=lambda row: row.seq, default=None)
    if named is None or named.kind == ALIAS_REMOVED:
        return None
    return AliasAt(alias, named.version, moment_text(named.at), named.who, named.why, named.seq)


def _last(connection: Connection, model: str, kind: str, alias: str, until: int) -> sa.Row[Any] | None:
    of_alias = (events.c.model == model) & (events.c.kind == kind) & (events.c.subject == alias)
    query = sa.select(events).where(of_alias & (events.c.seq <= until)).order_by(events.c.seq.desc()).limit(1)
    return connection.execute(query).one_or_none()


def _subjects(connection: Connection, model: str) -> list[str]:
    """Every alias that the model ever had."""
    return sorted({alias for kind in NAMING for alias in _subjects_of(connection, model, kind)})


def _subjects_of(connection: Connection, model: str, kind: str) -> Iterator[str]:
    """The subjects of events of a kind, each found by one look into the index."""
    column, last = events.c.subject, ""
    of_model = (events.c.model == model) & (events.c.kind == kind)
    while True:
        query = sa.select(column).where(of_model & (column > last)).order_by(column).limit(1)
        found = connection.scalar(query)
        if found is None:
            return
        yield found
        last = found
