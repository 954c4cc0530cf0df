"""Reading models and versions out of the database, in the transaction of the caller."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from modelport.artifacts.manifest import manifest_from
from modelport.core.errors import NotFoundError
from modelport.core.nearest import did_you_mean
from modelport.db.schema import aliases, models, tags, versions
from modelport.registry.records import ModelRecord, VersionRecord, moment_text
from modelport.registry.references import Selector, check_alias

_Row = Row[Any]
_ALIVE = versions.c.deleted_at.is_(None)
#: All of a version but for its manifest, which lists do without.
_LISTED = [column for column in versions.c if column.name != "manifest"]


def find_model(connection: Connection, name: str) -> _Row:
    """The model's row. Raises NotFoundError with the nearest name that there is."""
    alive = models.c.deleted_at.is_(None)
    row = connection.execute(sa.select(models).where((models.c.name == name) & alive)).one_or_none()
    if row is None:
        names = connection.scalars(sa.select(models.c.name).where(alive).order_by(models.c.name).limit(1000)).all()
        raise NotFoundError(f"the registry has no model {name!r}{did_you_mean(name, names)}")
    return row


def find_version(connection: Connection, model: _Row, selector: Selector) -> _Row:
    """The version's row, its manifest with it. Raises NotFoundError saying what there is instead."""
    query = sa.select(versions).where(versions.c.model_id == model.id)
    if selector is None:
        query = query.where(_ALIVE).order_by(versions.c.number.desc()).limit(1)
    elif isinstance(selector, int):
        query = query.where(versions.c.number == selector)
    else:
        named = (aliases.c.model_id == model.id) & (aliases.c.name == check_alias(selector))
        query = sa.select(versions).join(aliases, aliases.c.version_id == versions.c.id).where(named)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(_not_there(connection, model, selector))
    if row.deleted_at is not None:
        raise NotFoundError(f"{model.name}@{row.number} was deleted on {moment_text(row.deleted_at)[:10]}")
    return row


def list_models(connection: Connection, after: str, limit: int) -> list[ModelRecord]:
    """Models by name, beginning after one."""
    alive = models.c.deleted_at.is_(None) & (models.c.name > after)
    return model_records(
        connection, connection.execute(sa.select(models).where(alive).order_by(models.c.name).limit(limit))
    )


def model_records(connection: Connection, rows: Iterable[_Row]) -> list[ModelRecord]:
    """The records of models, in four queries however many there are."""
    found = list(rows)
    ids = [row.id for row in found]
    counted = (
        sa.select(versions.c.model_id, sa.func.count().label("count"), sa.func.max(versions.c.number).label("latest"))
        .where(versions.c.model_id.in_(ids) & _ALIVE)
        .group_by(versions.c.model_id)
    )
    counts = {row.model_id: (row[1], row.latest) for row in connection.execute(counted)}
    named = (
        sa.select(aliases.c.model_id, aliases.c.name, versions.c.number)
        .join(versions, versions.c.id == aliases.c.version_id)
        .where(aliases.c.model_id.in_(ids))
        .order_by(aliases.c.name)
    )
    alias: dict[int, dict[str, int]] = defaultdict(dict)
    for row in connection.execute(named):
        alias[row.model_id][row.name] = row.number
    tag = _tags(connection, tags.c.model_id.in_(ids) & (tags.c.number == 0))
    return [_model(row, *counts.get(row.id, (0, None)), alias[row.id], tag[row.id, 0]) for row in found]


def list_versions(connection: Connection, model: _Row, before: int | None, limit: int) -> list[VersionRecord]:
    """Versions newest first, beginning before one."""
    query = sa.select(*_LISTED).where((versions.c.model_id == model.id) & _ALIVE)
    if before is not None:
        query = query.where(versions.c.number < before)
    rows = connection.execute(query.order_by(versions.c.number.desc()).limit(limit)).all()
    return version_records(connection, model, rows)


def version_records(connection: Connection, model: _Row, rows: Iterable[_Row]) -> list[VersionRecord]:
    """The records of versions of one model, in two queries more however many there are."""
    found = list(rows)
    ids = [row.id for row in found]
    alias: dict[int, list[str]] = defaultdict(list)
    named = (
        sa.select(aliases.c.version_id, aliases.c.name).where(aliases.c.version_id.in_(ids)).order_by(aliases.c.name)
    )
    for row in connection.execute(named):
        alias[row.version_id].append(row.name)
    numbers = [row.number for row in found]
    tag = _tags(connection, (tags.c.model_id == model.id) & tags.c.number.in_(numbers))
    return [_version(model.name, row, alias[row.id], tag[model.id, row.number]) for row in found]


def _tags(connection: Connection, which: sa.ColumnElement[bool]) -> dict[tuple[int, int], dict[str, str]]:
    found: dict[tuple[int, int], dict[str, str]] = defaultdict(dict)
    for row in connection.execute(sa.select(tags).where(which).order_by(tags.c.name)):
        found[row.model_id, row.number][row.name] = row.value
    return found


def _model(row: _Row, count: int, latest: int | None, alias: dict[str, int], tag: dict[str, str]) -> ModelRecord:
    made = moment_text(row.created_at)
    return ModelRecord(row.name, row.description, made, row.created_by, count, latest, alias, tag)


def _version(model: str, row: _Row, alias: list[str], tag: dict[str, str]) -> VersionRecord:
    manifest = row._mapping.get("manifest")  # noqa: SLF001 - SQLAlchemy's public name for it
    return VersionRecord(
        model=model,
        number=row.number,
        digest=row.digest,
        format=row.format,
        size=row.size,
        description=row.description,
        created_at=moment_text(row.created_at),
        created_by=row.created_by,
        metrics=orjson.loads(row.metrics),
        aliases=tuple(alias),
        tags=tag,
        manifest=None if manifest is None else manifest_from(orjson.loads(manifest)),
    )


def _not_there(connection: Connection, model: _Row, selector: Selector) -> str:
    if selector is None:
        return f"the model {model.name!r} has no versions"
    if isinstance(selector, int):
        return f"the model {model.name!r} has no version {selector}: its last one is {model.last_number}"
    there = connection.scalars(
        sa.select(aliases.c.name).where(aliases.c.model_id == model.id).order_by(aliases.c.name)
    ).all()
    known = f"it has {', '.join(there)}" if there else "it has none"
    return f"the model {model.name!r} has no alias {selector!r}{did_you_mean(selector, there)}; {known}"
