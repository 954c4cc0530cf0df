"""What servers counted of rollouts, and how requests turned out. No events: it comes every second."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Row

from modelport.core.errors import InvalidInputError, NotFoundError
from modelport.db.schema import observations, outcomes, rollouts
from modelport.registry.reading import find_model
from modelport.registry.records import moment_text
from modelport.registry.references import check_text
from modelport.registry.releases import Observation, Outcome, OutcomeFigures

_Row = Row[Any]
_LONGEST_NAME = 200
_MOST_BUCKETS = 10_000
_LARGEST = 2**63 - 1


def check_observations(items: Sequence[Observation]) -> None:
    """Raise InvalidInputError for what no server can have counted."""
    for item in items:
        _check_name(item.server, "the server's name")
        counts = (item.requests, item.errors, item.compared, item.disagreed, item.dropped, *item.latency)
        if len(item.latency) > _MOST_BUCKETS or not all(0 <= count <= _LARGEST for count in counts):
            raise InvalidInputError(f"the server {item.server!r} can't have counted that of the rollout {item.rollout}")


def observe(connection: Connection, items: Sequence[Observation]) -> None:
    """As the registry's."""
    ids = {item.rollout for item in items}
    there = set(connection.scalars(sa.select(rollouts.c.id).where(rollouts.c.id.in_(ids))))
    if ids - there:
        raise NotFoundError(f"the registry has no rollout {min(ids - there)}")
    at = time.time_ns() // 1000
    rows = {(item.rollout, item.server, item.version): _observation_row(item, at) for item in items}
    _put(connection, observations, list(rows.values()))


def list_observations(connection: Connection, rollout: int) -> list[Observation]:
    """As the registry's, by version and server."""
    if connection.scalar(sa.select(rollouts.c.id).where(rollouts.c.id == rollout)) is None:
        raise NotFoundError(f"the registry has no rollout {rollout}")
    query = sa.select(observations).where(observations.c.rollout_id == rollout)
    return [_observation(row) for row in connection.execute(query.order_by("version", "server"))]


def check_outcomes(items: Sequence[Outcome]) -> None:
    """Raise InvalidInputError for an outcome that is no finite number."""
    for item in items:
        _check_name(item.request_id, "the request's id")
        check_text(item.note, "the note")
        if not math.isfinite(item.outcome):
            raise InvalidInputError(f"the outcome of {item.request_id} is {item.outcome}, which is no finite number")


def give_feedback(connection: Connection, name: str, number: int, rollout: int | None, items: Sequence[Outcome]) -> int:
    """As the registry's. The version may have been deleted since."""
    model = find_model(connection, name)
    if not 0 < number <= model.last_number:
        raise NotFoundError(f"the model {name!r} has no version {number}: its last one is {model.last_number}")
    same = {"model_id": model.id, "version": number, "rollout": rollout or 0, "at": time.time_ns() // 1000}
    rows = {
        item.request_id: {**same, "request_id": item.request_id, "outcome": float(item.outcome), "note": item.note}
        for item in items
    }
    _put(connection, outcomes, list(rows.values()))
    return len(rows)


def outcome_figures(connection: Connection, model: _Row, rollout: int | None) -> list[OutcomeFigures]:
    """As the registry's; the variance around the mean, in a second pass: sums of squares lose what matters."""
    which = outcomes.c.model_id == model.id
    if rollout is not None:
        which &= outcomes.c.rollout == rollout
    version, value = outcomes.c.version, outcomes.c.outcome
    means = sa.select(version, sa.func.avg(value).label("mean")).where(which).group_by(version).subquery()
    apart = value - means.c.mean
    query = (
        sa.select(version, sa.func.count().label("count"), means.c.mean, sa.func.sum(apart * apart).label("squares"))
        .join(means, means.c.version == version)
        .where(which)
        .group_by(version, means.c.mean)
        .order_by(version)
    )
    return [
        OutcomeFigures(row[0], row[1], row.mean, row.squares / (row[1] - 1) if row[1] > 1 else 0.0)
        for row in connection.execute(query)
    ]


def _put(connection: Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows, or replace those that have the same key."""
    if rows:
        connection.execute(_upsert(table, connection.dialect.name), rows)


@cache
def _upsert(table: sa.Table, dialect: str) -> sa.Insert:
    """Making the statement costs more than running it."""
    statement = (sqlite.insert if dialect == "sqlite" else postgresql.insert)(table)
    keys = [column.name for column in table.primary_key]
    rest = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=rest)


def _observation_row(item: Observation, at: int) -> dict[str, Any]:
    return {
        "rollout_id": item.rollout,
        "server": item.server,
        "version": item.version,
        "requests": item.requests,
        "errors": item.errors,
        "latency": orjson.dumps(item.latency).decode(),
        "compared": item.compared,
        "disagreed": item.disagreed,
        "dropped": item.dropped,
        "at": at,
    }


def _observation(row: _Row) -> Observation:
    return Observation(
        rollout=row.rollout_id,
        server=row.server,
        version=row.version,
        requests=row.requests,
        errors=row.errors,
        latency=tuple(orjson.loads(row.latency)),
        compared=row.compared,
        disagreed=row.disagreed,
        dropped=row.dropped,
        at=moment_text(row.at),
    )


def _check_name(text: str, what: str) -> None:
    if not 0 < len(check_text(text, what)) <= _LONGEST_NAME:
        raise InvalidInputError(f"{what} is {text[:80]!r}: write 1 to {_LONGEST_NAME} characters")
