"""Changes of what there is: aliases, tags, descriptions. Each in the caller's writing transaction, with its event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from modelport.core.errors import ConflictError
from modelport.db.schema import aliases, models, tags, versions
from modelport.registry.events import Change, append
from modelport.registry.moments import ALIAS, ALIAS_REMOVED
from modelport.registry.reading import find_model, find_version
from modelport.registry.records import By
from modelport.registry.references import check_alias, check_tag, check_text

_Row = Row[Any]


def set_alias(connection: Connection, name: str, alias: str, number: int, by: By, expect: int | None) -> None:
    """As the registry's. Naming the version that is named already is no change, and no event."""
    model = find_model(connection, name)
    version = find_version(connection, model, number)
    before = _named(connection, model, check_alias(alias))
    _check_expected(name, alias, before, expect)
    if before == version.number:
        return
    at = append(connection, Change(ALIAS, name, version.number, alias, {"before": before or None}), by)
    values = {"version_id": version.id, "changed_at": at, "changed_by": by.who}
    if before:
        connection.execute(sa.update(aliases).where(_is(model, alias)).values(values))
    else:
        connection.execute(sa.insert(aliases).values(model_id=model.id, name=alias, **values))


def remove_alias(connection: Connection, name: str, alias: str, by: By, expect: int | None) -> None:
    """As the registry's."""
    model = find_model(connection, name)
    version = find_version(connection, model, check_alias(alias))
    _check_expected(name, alias, version.number, expect)
    append(connection, Change(ALIAS_REMOVED, name, version.number, alias), by)
    connection.execute(sa.delete(aliases).where(_is(model, alias)))


def set_tags(connection: Connection, name: str, number: int | None, changes: Mapping[str, str | None], by: By) -> None:
    """As the registry's. A tag that has that value already is no change."""
    model = find_model(connection, name)
    if number is not None:
        find_version(connection, model, number)
    of_one = (tags.c.model_id == model.id) & (tags.c.number == (number or 0))
    present = {row.name: row.value for row in connection.execute(sa.select(tags).where(of_one))}
    for tag, value in changes.items():
        if present.get(check_tag(tag)) == value:
            continue
        connection.execute(sa.delete(tags).where(of_one & (tags.c.name == tag)))
        kind, detail = "tag.removed", {"before": present.get(tag)}
        if value is not None:
            row = {
                "model_id": model.id,
                "number": number or 0,
                "name": tag,
                "value": check_text(value, f"the tag {tag}"),
            }
            connection.execute(sa.insert(tags).values(row))
            kind, detail = "tag.set", {"value": value, **detail}
        append(connection, Change(kind, name, number, tag, detail), by)


def describe(connection: Connection, name: str, number: int | None, text: str, by: By) -> None:
    """As the registry's."""
    model = find_model(connection, name)
    check_text(text, "the description")
    if number is None:
        table, row = models, model
    else:
        table, row = versions, find_version(connection, model, number)
    if row.description != text:
        connection.execute(sa.update(table).where(table.c.id == row.id).values(description=text))
        append(connection, Change("described", name, number, detail={"text": text, "before": row.description}), by)


def _named(connection: Connection, model: _Row, alias: str) -> int:
    """The version that an alias names; 0 where it names none."""
    query = sa.select(versions.c.number).join(aliases, aliases.c.version_id == versions.c.id)
    return connection.scalar(query.where(_is(model, alias))) or 0


def _is(model: _Row, alias: str) -> sa.ColumnElement[bool]:
    return sa.and_(aliases.c.model_id == model.id, aliases.c.name == alias)


def _check_expected(name: str, alias: str, present: int, expect: int | None) -> None:
    if expect is not None and expect != present:
        now = f"version {present}" if present else "no version"
        wanted = f"version {expect}" if expect else "none"
        raise ConflictError(f"the alias {alias} of {name} names {now}, not {wanted}: another changed it")
