"""The one place where an alias comes to name another version: its row, its past, and its event, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from modelport.core.errors import ConflictError
from modelport.db.schema import aliases, versions
from modelport.registry.events import Change, append
from modelport.registry.pasts import Past, after, parse_past, past_text
from modelport.registry.records import By

_Row = Row[Any]


@dataclass(frozen=True, slots=True)
class Named:
    """What an alias names (0: no version), and what it goes back to."""

    number: int = 0
    past: Past = ()


@dataclass(frozen=True, slots=True)
class Naming:
    """How an alias moves: the event's kind and what else it tells; `past` None: what it names now goes on the stack."""

    kind: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    past: Past | None = None


def named(connection: Connection, model: _Row, alias: str) -> Named:
    """What an alias names now."""
    query = sa.select(versions.c.number, aliases.c.past).join(aliases, aliases.c.version_id == versions.c.id)
    row = connection.execute(query.where(is_alias(model, alias))).one_or_none()
    return Named() if row is None else Named(row.number, parse_past(row.past))


def let_name(connection: Connection, model: _Row, alias: str, version: _Row, naming: Naming, by: By) -> None:
    """Write the event, and let the alias name the version."""
    before = named(connection, model, alias)
    detail = {"before": before.number or None, **naming.detail}
    at = append(connection, Change(naming.kind, model.name, version.number, alias, detail), by)
    past = after(before.past, before.number) if naming.past is None else naming.past
    values = {"version_id": version.id, "changed_at": at, "changed_by": by.who, "past": past_text(past)}
    if before.number:
        connection.execute(sa.update(aliases).where(is_alias(model, alias)).values(values))
    else:
        connection.execute(sa.insert(aliases).values(model_id=model.id, name=alias, **values))


def is_alias(model: _Row, alias: str) -> sa.ColumnElement[bool]:
    """The row of one alias."""
    return sa.and_(aliases.c.model_id == model.id, aliases.c.name == alias)


def check_expected(name: str, alias: str, present: int, expect: int | None) -> None:
    """Raise ConflictError where the alias does not name what is expected (None: whatever it names)."""
    if expect is not None and expect != present:
        now = f"version {present}" if present else "no version"
        wanted = f"version {expect}" if expect else "none"
        raise ConflictError(f"the alias {alias} of {name} names {now}, not {wanted}: another changed it")
