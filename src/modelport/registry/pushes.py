"""Making versions: in one transaction, after all their files are stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from modelport.artifacts.base import ArtifactStore
from modelport.artifacts.manifest import File, Manifest, check_manifest
from modelport.core.references import check_model_name
from modelport.db.schema import models, tags, version_files, versions
from modelport.registry.base import MissingContentError
from modelport.registry.events import Change, append
from modelport.registry.records import By, NewVersion
from modelport.registry.references import check_alias, check_tag, check_text

_Row = Row[Any]


def check_push(name: str, new: NewVersion) -> None:
    """Raise InvalidInputError where the push names something that can't be."""
    check_model_name(name)
    check_manifest(new.manifest)
    check_text(new.description, "the description")
    check_text(new.push_id, "the push's id")
    for tag, value in new.tags.items():
        check_tag(tag)
        check_text(value, f"the tag {tag}")
    if new.alias:
        check_alias(new.alias)


def pushed_before(connection: Connection, push_id: str) -> tuple[str, int] | None:
    """The model and the version that the same push made already."""
    query = sa.select(models.c.name, versions.c.number).join(models, models.c.id == versions.c.model_id)
    row = connection.execute(query.where(versions.c.push_id == push_id)).one_or_none() if push_id else None
    return None if row is None else (row.name, row.number)


def check_stored(store: ArtifactStore, files: Iterable[File]) -> None:
    """Raise MissingContentError unless the store has all of the files.

    In a writing transaction: garbage collection looks in one, too, for what is named, so that between this look and the
    transaction's end nothing goes.
    """
    for file in files:
        size = store.size(file.sha256)
        if size != file.size:
            raise MissingContentError(f"{file.path} (sha256:{file.sha256}, {file.size} bytes) is not in the store")


def make_version(connection: Connection, name: str, new: NewVersion, manifest_digest: str, by: By) -> int:
    """Write a version and its event; gives its number."""
    model = _model_for(connection, name, by)
    number: int = model.last_number + 1
    manifest = new.manifest
    detail = {"digest": manifest.digest, "format": manifest.format, "tags": new.tags}
    change = Change("version.pushed", name, number, subject=manifest_digest, detail=detail)
    at = append(connection, change, by)
    connection.execute(sa.update(models).where(models.c.id == model.id).values(last_number=number))
    made = _insert(connection, model.id, number, new, manifest_digest, at, by)
    connection.execute(sa.insert(version_files), _files(made, manifest))
    if new.tags:
        rows = [{"model_id": model.id, "number": number, "name": tag, "value": text} for tag, text in new.tags.items()]
        connection.execute(sa.insert(tags), rows)
    return number


def _model_for(connection: Connection, name: str, by: By) -> _Row:
    """The model of that name, made where there is none. One that was deleted goes on with its numbers."""
    query = sa.select(models).where(models.c.name == name)
    row = connection.execute(query).one_or_none()
    if row is not None and row.deleted_at is None:
        return row
    at = append(connection, Change("model.created", name), by)
    if row is not None:
        connection.execute(sa.update(models).where(models.c.id == row.id).values(deleted_at=None))
        return row
    made = {"name": name, "description": "", "last_number": 0, "created_at": at, "created_by": by.who}
    connection.execute(sa.insert(models), made)
    return connection.execute(query).one()


def _insert(
    connection: Connection, model_id: int, number: int, new: NewVersion, manifest_digest: str, at: int, by: By
) -> int:
    manifest = new.manifest
    values = {
        "model_id": model_id,
        "number": number,
        "digest": manifest.digest,
        "manifest_digest": manifest_digest,
        "manifest": manifest.to_json().decode(),
        "format": manifest.format,
        "size": manifest.size,
        "metrics": orjson.dumps(manifest.metrics).decode(),
        "description": new.description,
        "push_id": new.push_id or None,
        "created_at": at,
        "created_by": by.who,
    }
    made = connection.execute(sa.insert(versions).values(values)).inserted_primary_key
    assert made is not None
    return int(made[0])


def _files(version_id: int, manifest: Manifest) -> list[dict[str, Any]]:
    return [{"version_id": version_id, "path": file.path, "digest": file.sha256} for file in manifest.files]
