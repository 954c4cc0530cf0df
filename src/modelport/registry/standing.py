"""The registry as it is, held against what its history tells."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from modelport.db.schema import aliases, evaluations, gates, models, rollouts, versions
from modelport.registry.evaluations import evaluation_digest
from modelport.registry.naming import Named
from modelport.registry.telling import Rollout, Told

_BATCH = 5000


def differences(connection: Connection, told: Told) -> Iterator[str]:
    """Where the registry is not what its history says."""
    for name, number in _unlike(_alive(connection), told.versions):
        yield f"{name}@{number} is not what the history says"
    for name, alias in _unlike(_named(connection), told.aliases):
        yield f"the alias {alias} of {name} is not what the history says"
    for id_ in _unlike(_rolled(connection), told.rollouts):
        yield f"the rollout {id_} is not what the history says"
    for name in _unlike(_gated(connection), told.gates):
        yield f"the gates of {name} are not what the history says"
    for id_ in _unlike(_evaluated(connection), told.evaluations):
        yield f"the evaluation {id_} is not what the history says"


def _unlike(present: Mapping[Any, Any], told: Mapping[Any, Any]) -> Iterator[Any]:
    """The keys of what differs."""
    for key in sorted(present.keys() | told.keys()):
        if present.get(key) != told.get(key):
            yield key


def _alive(connection: Connection) -> dict[tuple[str, int], str]:
    """The sha256 of each version's manifest as it is now, an empty text where its columns are not what it says."""
    kept = (versions.c.number, versions.c.manifest, versions.c.manifest_digest, versions.c.digest, versions.c.metrics)
    query = sa.select(models.c.name, *kept).join(models, models.c.id == versions.c.model_id)
    found = {}
    for row in connection.execute(query.where(versions.c.deleted_at.is_(None)).execution_options(yield_per=_BATCH)):
        manifest = _document(row.manifest)
        same = row.digest == manifest.get("digest") and _document(row.metrics) == manifest.get("metrics")
        computed = hashlib.sha256(row.manifest.encode()).hexdigest()
        found[row.name, row.number] = computed if same and computed == row.manifest_digest else ""
    return found


def _named(connection: Connection) -> dict[tuple[str, str], Named]:
    query = (
        sa.select(models.c.name, aliases.c.name.label("alias"), versions.c.number, aliases.c.past)
        .join(models, models.c.id == aliases.c.model_id)
        .join(versions, versions.c.id == aliases.c.version_id)
    )
    found = {}
    for row in connection.execute(query):
        past = _json(row.past)
        found[row.name, row.alias] = Named(row.number, tuple(past) if isinstance(past, list) else (-1,))
    return found


def _rolled(connection: Connection) -> dict[int, Rollout]:
    found = {}
    for row in connection.execute(sa.select(rollouts).execution_options(yield_per=_BATCH)):
        said = _document(row.document)
        found[row.id] = (row.state, said.get("step", -1), row.alias, said.get("baseline", 0), said.get("plan", {}))
    return found


def _gated(connection: Connection) -> dict[str, dict[str, Any]]:
    query = sa.select(models.c.name, gates.c.document, gates.c.data).join(models, models.c.id == gates.c.model_id)
    found = {row.name: (_document(row.document), row.data) for row in connection.execute(query)}
    return {name: document if document.get("data") == data else {} for name, (document, data) in found.items()}


def _evaluated(connection: Connection) -> dict[int, str]:
    query = sa.select(evaluations).execution_options(yield_per=100)
    return {row["id"]: evaluation_digest(dict(row)) for row in connection.execute(query).mappings()}


def _document(text: str) -> dict[str, Any]:
    """A JSON object; an empty one for what is none."""
    found = _json(text)
    return found if isinstance(found, dict) else {}


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
