"""Documents in the database: JSON as text, and numbers for rows that stand in it too."""

from __future__ import annotations

from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from modelport.core.errors import InvalidInputError

#: Longest document, in bytes.
LONGEST = 4 << 20


def document_text(document: Any, what: str, longest: int = LONGEST) -> str:
    """A document as JSON; a number that is not finite is null.

    Raises InvalidInputError for what is none, or is longer than `longest` bytes.
    """
    try:
        text = orjson.dumps(document)
    except TypeError as error:
        raise InvalidInputError(f"{what} can't be written as JSON: {error}") from None
    if len(text) > longest:
        raise InvalidInputError(f"{what} has {len(text)} bytes; {longest} are the most")
    return text.decode()


def next_id(connection: Connection, table: sa.Table) -> int:
    """The number of the row to insert, known before it: its event names it. In a writing transaction."""
    last = connection.scalar(sa.select(sa.func.max(table.c.id)))
    return 1 if last is None else int(last) + 1
