"""Deleting versions and models, which is refused while something names them; and telling which content is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from modelport.core.errors import ConflictError
from modelport.db.schema import (
    OPEN_ROLLOUTS,
    aliases,
    gates,
    models,
    rollout_versions,
    rollouts,
    tags,
    version_files,
    versions,
)
from modelport.registry.events import Change, append
from modelport.registry.job_queue import requests_of_open_jobs
from modelport.registry.naming import is_alias
from modelport.registry.pasts import parse_past, past_text, without
from modelport.registry.reading import find_model, find_version
from modelport.registry.records import By

_Row = Row[Any]


def delete_version(connection: Connection, name: str, number: int, by: By) -> None:
    """As the registry's: its number stays taken, its content goes with the next garbage collection."""
    model = find_model(connection, name)
    version = find_version(connection, model, number)
    _check_unused(connection, model, [version])
    _delete(connection, model, version, by)


def delete_model(connection: Connection, name: str, by: By) -> None:
    """As the registry's: all of its versions go, or none."""
    model = find_model(connection, name)
    alive = (versions.c.model_id == model.id) & versions.c.deleted_at.is_(None)
    rows = connection.execute(sa.select(versions).where(alive).order_by(versions.c.number)).all()
    _check_unused(connection, model, rows)
    for version in rows:
        _delete(connection, model, version, by)
    at = append(connection, Change("model.deleted", name), by)
    connection.execute(sa.delete(tags).where(tags.c.model_id == model.id))
    connection.execute(sa.delete(gates).where(gates.c.model_id == model.id))
    connection.execute(sa.update(models).where(models.c.id == model.id).values(deleted_at=at, description=""))


def named_content(connection: Connection, digests: Sequence[str]) -> set[str]:
    """Those of the digests that a version (its files, its manifest), a model's gates or an open job name."""
    files = sa.select(version_files.c.digest).where(version_files.c.digest.in_(digests))
    alive = versions.c.manifest_digest.in_(digests) & versions.c.deleted_at.is_(None)
    manifests = sa.select(versions.c.manifest_digest).where(alive)
    data = sa.select(gates.c.data).where(gates.c.data.in_(digests))
    asked = requests_of_open_jobs(connection)
    by_jobs = {digest for digest in digests if any(digest in request for request in asked)}
    return by_jobs.union(*(connection.scalars(query) for query in (files, manifests, data)))


def _delete(connection: Connection, model: _Row, version: _Row, by: By) -> None:
    change = Change("version.deleted", model.name, version.number, detail={"digest": version.digest})
    at = append(connection, change, by)
    connection.execute(sa.delete(version_files).where(version_files.c.version_id == version.id))
    of_version = (tags.c.model_id == model.id) & (tags.c.number == version.number)
    connection.execute(sa.delete(tags).where(of_version))
    connection.execute(sa.update(versions).where(versions.c.id == version.id).values(deleted_at=at))
    _forget(connection, model, version)


def _forget(connection: Connection, model: _Row, version: _Row) -> None:
    """No alias goes back to a version that was deleted."""
    query = sa.select(aliases.c.name, aliases.c.past, versions.c.number)
    of_model = query.join(versions, versions.c.id == aliases.c.version_id).where(aliases.c.model_id == model.id)
    for row in connection.execute(of_model).all():
        past = parse_past(row.past)
        left = without(past, version.number, row.number)
        if left != past:
            connection.execute(sa.update(aliases).where(is_alias(model, row.name)).values(past=past_text(left)))


def _check_unused(connection: Connection, model: _Row, rows: Sequence[_Row]) -> None:
    """Raise ConflictError naming the alias or the rollout that uses one of the versions."""
    numbers = {row.id: row.number for row in rows}
    named = sa.select(aliases).where(aliases.c.model_id == model.id).order_by(aliases.c.name)
    for row in connection.execute(named):
        if row.version_id in numbers:
            reference = f"{model.name}@{numbers[row.version_id]}"
            raise ConflictError(
                f"{reference} is in use: the alias {row.name} names it; let it name another version, or remove it"
            )
    used = sa.select(rollout_versions, rollouts.c.state).join(rollouts, rollouts.c.id == rollout_versions.c.rollout_id)
    active = (rollouts.c.model_id == model.id) & OPEN_ROLLOUTS
    for row in connection.execute(used.where(active)):
        if row.version_id in numbers:
            reference = f"{model.name}@{numbers[row.version_id]}"
            raise ConflictError(f"{reference} is in use: a rollout ({row.state}) names it; end the rollout first")
