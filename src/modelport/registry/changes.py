"""Changes of what there is: tags and descriptions. Each in the caller's writing transaction, with its event."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from modelport.db.schema import models, tags, versions
from modelport.registry.events import Change, append
from modelport.registry.reading import find_model, find_version
from modelport.registry.records import By
from modelport.registry.references import check_tag, check_text


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
