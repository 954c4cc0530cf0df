"""Verifying the history: each event by its hash, all of them by their order, and the registry by what they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from modelport.core.errors import InvalidInputError
from modelport.db.schema import chain, events
from modelport.registry.events import BEGINNING, event_hash
from modelport.registry.records import Verified
from modelport.registry.standing import differences
from modelport.registry.telling import Told

_BATCH = 5000
#: So many problems are told; one change early on may make many.
_MOST = 20


def verify(connection: Connection, expect: str = "") -> Verified:
    """Go through everything, in one reading transaction. `expect` is `SEQ:HASH`, else InvalidInputError."""
    seq, hash_ = _expected(expect)
    told, problems, previous, count = Told(), list[str](), BEGINNING, 0
    at, wanted = 0, 1
    for row in _all(connection):
        problems += _wrong(row, wanted, previous, at)
        problem = told.take(row)
        if problem:
            problems.append(problem)
        if row.seq == seq and row.hash != hash_:
            problems.append(f"event {seq} has the hash {row.hash}, but {hash_} is expected")
        previous, at, wanted, count = row.hash, row.at, row.seq + 1, count + 1
    if seq is not None and seq >= wanted:
        problems.append(f"event {seq} is expected, but the history ends with event {wanted - 1}")
    problems += _end(connection, wanted - 1, previous)
    problems += differences(connection, told)
    return Verified(count, f"{wanted - 1}:{previous}", tuple(problems[:_MOST]))


def _wrong(row: Row[Any], wanted: int, previous: str, at: int) -> Iterator[str]:
    if row.seq != wanted:
        yield f"events {wanted} to {row.seq - 1} are missing"
    elif row.previous != previous:
        yield f"event {row.seq} does not follow on event {row.seq - 1}: its previous hash is {row.previous}"
    if row.hash != event_hash(row._asdict()):
        yield f"event {row.seq} is not as it was written: its content has another hash"
    if row.at < at:
        yield f"event {row.seq} is older than the one before it"


def _all(connection: Connection) -> Iterator[Row[Any]]:
    """Every event in order, some thousands at a time."""
    last = -1
    while True:
        query = sa.select(events).where(events.c.seq > last).order_by(events.c.seq).limit(_BATCH)
        rows = connection.execute(query).all()
        yield from rows
        if len(rows) < _BATCH:
            return
        last = rows[-1].seq


def _end(connection: Connection, seq: int, last: str) -> Iterator[str]:
    head = connection.execute(sa.select(chain).where(chain.c.id == 1)).one_or_none()
    if head is None:
        yield "the record of the last event is missing"
    elif (head.seq, head.hash) != (seq, last):
        yield f"the history ends with event {seq}, but event {head.seq} was written: what came after is missing"


def _expected(expect: str) -> tuple[int | None, str]:
    if not expect:
        return None, ""
    seq, colon, hash_ = expect.partition(":")
    if not colon or not seq.isdecimal() or len(hash_) != len(BEGINNING):
        raise InvalidInputError(f"{expect[:100]!r} is no event: write its number, a colon and its hash")
    return int(seq), hash_
