"""Evaluations of versions: kept whole, and named by the history with the sha256 of what they say."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from modelport.core.errors import InvalidInputError, NotFoundError
from modelport.db.schema import evaluations, models, versions
from modelport.registry.documents import document_text, next_id
from modelport.registry.events import Change, append
from modelport.registry.reading import find_model, find_version
from modelport.registry.records import By, moment_text
from modelport.registry.references import check_text
from modelport.registry.releases import EvaluationRecord

_Row = Row[Any]
EVALUATED = "evaluated"
_LONGEST_SUBJECT = 200
_LONGEST_DIGEST = 64
#: All of an evaluation but for its document, which lists do without.
_LISTED = [column for column in evaluations.c if column.name != "document"]


def record_evaluation(
    connection: Connection,
    name: str,
    number: int,
    document: dict[str, Any],
    metrics: Mapping[str, float],
    dataset: tuple[str, str],
    by: By,
) -> int:
    """As the registry's, `dataset` its name and its digest; gives the evaluation's number."""
    version = find_version(connection, find_model(connection, name), number)
    title, digest = dataset
    if len(check_text(digest, "the data's digest")) > _LONGEST_DIGEST:
        raise InvalidInputError(f"{digest[:80]!r} is no sha256")
    text = document_text(document, "the evaluation")
    kept = {metric: float(value) for metric, value in metrics.items() if math.isfinite(value)}
    row: dict[str, Any] = {"dataset": check_text(title, "the data's name"), "dataset_digest": digest, "document": text}
    row |= {"id": next_id(connection, evaluations), "metrics": document_text(kept, "the metrics")}
    detail = {"evaluation": row["id"], "dataset_digest": digest, "digest": evaluation_digest(row)}
    at = append(connection, Change(EVALUATED, name, number, title[:_LONGEST_SUBJECT], detail), by)
    made = {"version_id": version.id, "state": "done", "created_at": at, "created_by": by.who}
    connection.execute(sa.insert(evaluations).values(**row, **made))
    return int(row["id"])


def evaluation_digest(row: Mapping[str, Any]) -> str:
    """The sha256 of what a row of an evaluation says."""
    said = [row["dataset"], row["dataset_digest"], row["metrics"], row["document"]]
    return hashlib.sha256(orjson.dumps(said)).hexdigest()


def find_evaluation(connection: Connection, id_: int) -> EvaluationRecord:
    """One evaluation with its document. Raises NotFoundError."""
    row = connection.execute(_query(evaluations.c).where(evaluations.c.id == id_)).one_or_none()
    if row is None:
        raise NotFoundError(f"the registry has no evaluation {id_}")
    return _record(row, orjson.loads(row.document))


def list_evaluations(connection: Connection, model: _Row, number: int | None, limit: int) -> list[EvaluationRecord]:
    """Evaluations newest first, those of deleted versions among them."""
    of_model = sa.select(versions.c.id).where(versions.c.model_id == model.id)
    if number is not None:
        of_model = of_model.where(versions.c.number == number)
    query = _query(_LISTED).where(evaluations.c.version_id.in_(of_model))
    return [_record(row) for row in connection.execute(query.order_by(evaluations.c.id.desc()).limit(limit))]


def _query(columns: Any) -> sa.Select[Any]:
    return (
        sa.select(*columns, models.c.name, versions.c.number)
        .join(versions, versions.c.id == evaluations.c.version_id)
        .join(models, models.c.id == versions.c.model_id)
    )


def _record(row: _Row, document: dict[str, Any] | None = None) -> EvaluationRecord:
    return EvaluationRecord(
        id=row.id,
        model=row.name,
        version=row.number,
        dataset=row.dataset,
        dataset_digest=row.dataset_digest,
        metrics=orjson.loads(row.metrics),
        created_at=moment_text(row.created_at),
        created_by=row.created_by,
        document=document,
    )
