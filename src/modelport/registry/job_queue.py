"""Jobs in the database: asked for, taken by one worker at a time, and finished."""

from __future__ import annotations

import time
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from modelport.core.errors import ConflictError, InvalidInputError, NotFoundError
from modelport.db.schema import jobs
from modelport.registry.documents import document_text, next_id
from modelport.registry.jobs import ATTEMPTS, JobRecord, JobState
from modelport.registry.records import By, moment_text
from modelport.registry.references import check_text

_Row = Row[Any]
_LONGEST_KIND = 40
_LONGEST_WORKER = 200
_LONGEST_LEASE = 86_400.0
#: So many of the newest jobs are kept; what is over and older goes.
_KEPT = 10_000
_OVER = ("done", "failed", "cancelled")


def check_worker(worker: str, lease: float) -> None:
    """Raise InvalidInputError for what can't be."""
    if not 0 < len(check_text(worker, "the worker's name")) <= _LONGEST_WORKER:
        raise InvalidInputError(f"the worker's name is {worker[:80]!r}: write 1 to {_LONGEST_WORKER} characters")
    if not 0 < lease <= _LONGEST_LEASE:
        raise InvalidInputError(f"a lease of {lease} s: write more than 0, and {_LONGEST_LEASE:g} at most")


def submit(connection: Connection, kind: str, subject: str, request: dict[str, Any], by: By) -> int:
    """As the registry's; gives the job's number."""
    if not 0 < len(check_text(kind, "the kind of job")) <= _LONGEST_KIND:
        raise InvalidInputError(f"{kind[:80]!r} is no kind of job: write 1 to {_LONGEST_KIND} characters")
    id_, at = next_id(connection, jobs), _now(connection)
    row = {"kind": kind, "subject": check_text(subject, "the job's subject"), "state": "queued", "done": 0, "total": 0}
    row |= {"request": document_text(request, "the job's request"), "result": "{}", "text": "", "cancelling": False}
    made = {"created_at": at, "created_by": check_text(by.who, "who asks"), "changed_at": at}
    connection.execute(sa.insert(jobs).values(id=id_, **row, **made, attempts=0, worker="", lease=0))
    connection.execute(sa.delete(jobs).where((jobs.c.id <= id_ - _KEPT) & jobs.c.state.in_(_OVER)))
    return id_


def waits(connection: Connection) -> bool:
    """Whether `take` would find something: asked in a reading transaction, which holds up nobody."""
    return connection.scalar(sa.select(jobs.c.id).where(_takeable(_now(connection))).limit(1)) is not None


def take(connection: Connection, worker: str, lease: float) -> JobRecord | None:
    """As the registry's."""
    now = _now(connection)
    for row in connection.execute(sa.select(jobs).where(_takeable(now)).order_by(jobs.c.id)).all():
        if row.cancelling:
            _write(connection, row.id, now, state="cancelled", worker="", lease=0)
        elif row.attempts >= ATTEMPTS:
            gave_up = {"error": f"its worker vanished {row.attempts} times"}
            result = document_text(gave_up, "the result")
            _write(connection, row.id, now, state="failed", worker="", lease=0, result=result, text=gave_up["error"])
        else:
            taken = {"state": "running", "attempts": row.attempts + 1, "worker": worker, "done": 0, "text": ""}
            _write(connection, row.id, now, **taken, lease=now + round(lease * 1e6))
            return find_job(connection, row.id)
    return None


def report(connection: Connection, id_: int, worker: str, progress: tuple[int, int], text: str, lease: float) -> bool:
    """As the registry's, `progress` how many are done of how many."""
    check_text(text, "what the job is at")
    row = _row(connection, id_)
    if row.state != "running" or row.worker != worker or row.cancelling:
        return False
    now = _now(connection)
    done, total = map(_count, progress)
    _write(connection, id_, now, done=done, total=total, text=text, lease=now + round(lease * 1e6))
    return True


def finish(connection: Connection, id_: int, worker: str, state: JobState, result: dict[str, Any]) -> None:
    """As the registry's."""
    if state not in _OVER:
        raise InvalidInputError(f"a job is not finished when it is {state!r}: say one of {', '.join(_OVER)}")
    text = document_text(result, "the job's result")
    row = _row(connection, id_)
    if row.state != "running" or row.worker != worker:
        whose = "another worker has it" if row.state == "running" else f"it is {row.state}"
        raise ConflictError(f"the job {id_} is not yours to finish: {whose}")
    _write(connection, id_, _now(connection), state=state, result=text, worker="", lease=0)


def cancel(connection: Connection, id_: int, by: By) -> None:
    """As the registry's. One that was cancelled stays so."""
    row = _row(connection, id_)
    if row.state == "queued":
        text = f"cancelled by {check_text(by.who, 'who cancels')}"
        _write(connection, id_, _now(connection), state="cancelled", cancelling=True, text=text)
    elif row.state == "running":
        _write(connection, id_, _now(connection), cancelling=True)
    elif row.state != "cancelled":
        raise ConflictError(f"the job {id_} is over: it is {row.state}")


def find_job(connection: Connection, id_: int) -> JobRecord:
    """One job. Raises NotFoundError."""
    return _record(_row(connection, id_))


def list_jobs(connection: Connection, limit: int) -> list[JobRecord]:
    """Jobs, newest first."""
    return [_record(row) for row in connection.execute(sa.select(jobs).order_by(jobs.c.id.desc()).limit(limit))]


def requests_of_open_jobs(connection: Connection) -> list[str]:
    """What jobs that are not over were asked, as JSON."""
    return list(connection.scalars(sa.select(jobs.c.request).where(jobs.c.state.in_(("queued", "running")))))


def _takeable(now: int) -> sa.ColumnElement[bool]:
    return sa.or_(jobs.c.state == "queued", sa.and_(jobs.c.state == "running", jobs.c.lease < now))


def _now(connection: Connection) -> int:
    """Microseconds since the epoch by one clock, whichever machine asks: leases are compared with it."""
    if connection.dialect.name == "sqlite":
        return time.time_ns() // 1000
    return int(connection.scalar(sa.text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")) or 0)


def _row(connection: Connection, id_: int) -> _Row:
    row = connection.execute(sa.select(jobs).where(jobs.c.id == id_)).one_or_none()
    if row is None:
        raise NotFoundError(f"the registry has no job {id_}")
    return row


def _write(connection: Connection, id_: int, now: int, **values: Any) -> None:
    connection.execute(sa.update(jobs).where(jobs.c.id == id_).values(changed_at=now, **values))


def _count(number: int) -> int:
    return min(max(number, 0), 2**62)


def _record(row: _Row) -> JobRecord:
    return JobRecord(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        request=orjson.loads(row.request),
        state=row.state,
        done=row.done,
        total=row.total,
        text=row.text,
        result=orjson.loads(row.result),
        created_at=moment_text(row.created_at),
        created_by=row.created_by,
        changed_at=moment_text(row.changed_at),
        cancelling=row.cancelling,
        attempts=row.attempts,
    )
