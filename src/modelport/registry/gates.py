"""What versions of a model must hold to. Each change in the caller's writing transaction, with its event."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from modelport.artifacts.base import ArtifactStore, check_digest
from modelport.core.errors import InvalidInputError
from modelport.db.schema import gates
from modelport.registry.base import MissingContentError
from modelport.registry.documents import document_text
from modelport.registry.events import Change, append
from modelport.registry.reading import find_model
from modelport.registry.records import By, moment_text
from modelport.registry.references import check_text
from modelport.registry.releases import GateRules

_Row = Row[Any]
GATES, GATES_REMOVED = "gates.set", "gates.removed"
_MOST_RULES = 100


def check_gates(rules: GateRules) -> None:
    """Raise InvalidInputError for what can't be. What the rules mean is not looked into."""
    if len(rules.rules) > _MOST_RULES:
        raise InvalidInputError(f"a model has {_MOST_RULES} rules at most, not {len(rules.rules)}")
    for text in (*rules.rules, rules.data_name, rules.label):
        check_text(text, "the gates' text")
    if rules.data:
        check_digest(rules.data)


def set_gates(connection: Connection, store: ArtifactStore, name: str, rules: GateRules | None, by: By) -> None:
    """As the registry's. Rules that are there already are no change."""
    model = find_model(connection, name)
    present = find_gates(connection, model)
    if rules is not None:
        rules = replace(rules, changed_at="", changed_by="")
        _check_stored(store, rules)
    if rules == (None if present is None else replace(present, changed_at="", changed_by="")):
        return
    of_model = gates.c.model_id == model.id
    document = {} if rules is None else msgspec.to_builtins(rules)
    at = append(connection, Change(GATES if rules else GATES_REMOVED, name, detail=document), by)
    connection.execute(sa.delete(gates).where(of_model))
    if rules is not None:
        row = {"document": document_text(document, "the gates"), "data": rules.data}
        connection.execute(sa.insert(gates).values(model_id=model.id, changed_at=at, changed_by=by.who, **row))


def find_gates(connection: Connection, model: _Row) -> GateRules | None:
    """The gates of a model."""
    row = connection.execute(sa.select(gates).where(gates.c.model_id == model.id)).one_or_none()
    if row is None:
        return None
    rules = msgspec.json.decode(row.document, type=GateRules)
    return replace(rules, changed_at=moment_text(row.changed_at), changed_by=row.changed_by)


def _check_stored(store: ArtifactStore, rules: GateRules) -> None:
    if rules.data and store.size(rules.data) is None:
        raise MissingContentError(f"{rules.data_name or 'the data'} (sha256:{rules.data}) is not in the store")
