"""Rollouts: begun, moved from step to step, and ended. Each in the caller's writing transaction, with its event."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, get_args

import msgspec
import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from modelport.core.errors import ConflictError, InvalidInputError, NotFoundError
from modelport.db.schema import OPEN_ROLLOUTS, models, rollout_versions, rollouts
from modelport.registry.documents import document_text, next_id
from modelport.registry.events import Change, append
from modelport.registry.moments import PROMOTED
from modelport.registry.naming import Naming, let_name, named
from modelport.registry.plans import check_plan
from modelport.registry.reading import find_model, find_version
from modelport.registry.records import By, moment_text
from modelport.registry.references import check_text
from modelport.registry.releases import RolloutChange, RolloutPlan, RolloutRecord, RolloutState

_Row = Row[Any]
_LONGEST_FIGURES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Document:
    """What of a rollout is stored as JSON. `step_since` in microseconds."""

    plan: RolloutPlan
    baseline: int
    step: int
    step_since: int
    why: str
    reason: str
    figures: dict[str, Any]


def start(connection: Connection, name: str, plan: RolloutPlan, by: By) -> int:
    """Begin a rollout; gives its number."""
    model = find_model(connection, name)
    candidate = find_version(connection, model, check_plan(plan).candidate)
    present = named(connection, model, plan.alias).number
    running = open_rollout(connection, model, plan.alias)
    if running is not None:
        raise ConflictError(
            f"the rollout {running.id} of {name}@{running.candidate} is {running.state}: end it first, or roll back"
        )
    if present in (0, candidate.number):
        what = f"{name}@{present} already" if present else "no version yet: promote one without a rollout"
        raise ConflictError(f"the alias {plan.alias} of {name} names {what}")
    baseline = find_version(connection, model, present)
    id_ = next_id(connection, rollouts)
    detail = {"rollout": id_, "baseline": present, "plan": msgspec.to_builtins(plan)}
    at = append(connection, Change("rollout.started", name, candidate.number, plan.alias, detail), by)
    document = _Document(plan, present, 0, at, by.why, "", {})
    made = {"id": id_, "model_id": model.id, "alias": plan.alias, "state": "running", "document": _text(document)}
    connection.execute(sa.insert(rollouts).values(**made, created_at=at, created_by=by.who, changed_at=at))
    roles = {"baseline": baseline, "candidate": candidate}
    rows = [{"rollout_id": id_, "version_id": version.id, "role": role} for role, version in roles.items()]
    connection.execute(sa.insert(rollout_versions), rows)
    return id_


def find_rollout(connection: Connection, id_: int) -> RolloutRecord:
    """One rollout. Raises NotFoundError."""
    row = connection.execute(_query().where(rollouts.c.id == id_)).one_or_none()
    if row is None:
        raise NotFoundError(f"the registry has no rollout {id_}")
    return record(row)


def list_rollouts(connection: Connection, model: _Row | None, limit: int) -> list[RolloutRecord]:
    """Rollouts newest first."""
    query = _query().order_by(rollouts.c.id.desc()).limit(limit)
    if model is not None:
        query = query.where(rollouts.c.model_id == model.id)
    return [record(row) for row in connection.execute(query)]


def open_rollouts(connection: Connection) -> list[RolloutRecord]:
    """Those of all models that are not over, oldest first."""
    query = _query().where(OPEN_ROLLOUTS).order_by(rollouts.c.id)
    return [record(row) for row in connection.execute(query)]


def open_rollout(connection: Connection, model: _Row, alias: str) -> RolloutRecord | None:
    """The one of an alias that is not over."""
    of_alias = (rollouts.c.model_id == model.id) & (rollouts.c.alias == alias) & OPEN_ROLLOUTS
    row = connection.execute(_query().where(of_alias)).one_or_none()
    return None if row is None else record(row)


def change(connection: Connection, id_: int, wanted: RolloutChange, by: By) -> None:
    """As the registry's `change_rollout`."""
    present = find_rollout(connection, id_)
    _check(present, wanted)
    _apply(connection, present, wanted, by)
    if wanted.state == "promoted":
        model = find_model(connection, present.model)
        version = find_version(connection, model, present.candidate)
        let_name(connection, model, present.alias, version, Naming(PROMOTED, {"rollout": id_, "forced": False}), by)


def supersede(connection: Connection, model: _Row, alias: str, number: int, by: By) -> None:
    """End the open rollout of an alias, which is about to name another version (0: none)."""
    rollout = open_rollout(connection, model, alias)
    if rollout is None:
        return
    if number == rollout.candidate:
        wanted = RolloutChange(state="promoted", reason=f"promoted by {by.who}")
    else:
        reason = f"superseded: {by.who} let {alias} name {f'version {number}' if number else 'nothing'}"
        wanted = RolloutChange(state="ended", reason=reason)
    _apply(connection, rollout, wanted, by)


def abort(connection: Connection, rollout: RolloutRecord, reason: str, by: By) -> None:
    """Abort an open rollout."""
    _apply(connection, rollout, RolloutChange(state="aborted", reason=reason), by)


def record(row: _Row) -> RolloutRecord:
    """The record of a row of `_query`."""
    document = msgspec.convert(orjson.loads(row.document), _Document)
    return RolloutRecord(
        id=row.id,
        model=row.name,
        alias=row.alias,
        baseline=document.baseline,
        candidate=document.plan.candidate,
        plan=document.plan,
        state=row.state,
        step=document.step,
        percent=document.plan.steps[document.step],
        step_since=moment_text(document.step_since),
        created_at=moment_text(row.created_at),
        created_by=row.created_by,
        changed_at=moment_text(row.changed_at),
        why=document.why,
        reason=document.reason,
        figures=document.figures,
    )


def _query() -> sa.Select[Any]:
    return sa.select(rollouts, models.c.name).join(models, models.c.id == rollouts.c.model_id)


def _check(present: RolloutRecord, wanted: RolloutChange) -> None:
    """Raise ConflictError where it is not as expected or is over, InvalidInputError for what can't be."""
    expected = (wanted.expect_state, wanted.expect_step)
    found = (present.state, present.step)
    if any(item is not None and item != there for item, there in zip(expected, found, strict=True)):
        raise ConflictError(f"the rollout {present.id} is {present.state} at step {present.step}: another changed it")
    if not present.open:
        raise ConflictError(f"the rollout {present.id} is over: it was {present.state}")
    if wanted.state is not None and wanted.state not in get_args(RolloutState):
        raise InvalidInputError(f"{wanted.state!r} is no state of a rollout")
    if wanted.step is not None and not 0 <= wanted.step < len(present.plan.steps):
        raise InvalidInputError(f"the rollout {present.id} has the steps 0 to {len(present.plan.steps) - 1}")
    check_text(wanted.reason, "the reason")


def _apply(connection: Connection, present: RolloutRecord, wanted: RolloutChange, by: By) -> None:
    """Write the change and its event."""
    document_text(wanted.figures, "the figures", _LONGEST_FIGURES)
    state = wanted.state or present.state
    step = present.step if wanted.step is None else wanted.step
    where = rollouts.c.id == present.id
    text = connection.scalar(sa.select(rollouts.c.document).where(where))
    document = replace(msgspec.json.decode(text or "", type=_Document), figures=wanted.figures or present.figures)
    if (state, step) == (present.state, present.step):
        connection.execute(sa.update(rollouts).where(where).values(document=_text(document)))
        return
    kind = f"rollout.{_happened(present, state)}"
    detail = {
        "rollout": present.id,
        "state": state,
        "step": step,
        "percent": present.plan.steps[step],
        "reason": wanted.reason,
        "figures": wanted.figures,
    }
    at = append(connection, Change(kind, present.model, present.candidate, present.alias, detail), by)
    since = at if step != present.step or state == "running" else document.step_since
    document = replace(document, step=step, step_since=since, reason=wanted.reason)
    values = {"state": state, "changed_at": at, "document": _text(document)}
    connection.execute(sa.update(rollouts).where(where).values(values))


def _happened(present: RolloutRecord, state: RolloutState) -> str:
    if state == present.state:
        return "advanced"
    return "resumed" if state == "running" else state


def _text(document: _Document) -> str:
    return document_text(msgspec.to_builtins(document), "the rollout")
