"""Releases: what aliases named before, what is counted of rollouts, gates and jobs."""

from __future__ import annotations

import json
from collections import defaultdict

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DEEPEST = 100


def upgrade() -> None:
    """Make them; what aliases named before is told by the events."""
    op.add_column("aliases", sa.Column("past", sa.Text, nullable=False, server_default="[]"))
    _remember(op.get_bind())
    _rollouts()
    _gates()
    _jobs()


def _remember(connection: sa.Connection) -> None:
    models = sa.table("models", *map(sa.column, ("id", "name")))
    aliases = sa.table("aliases", *map(sa.column, ("model_id", "name", "past")))
    ids = {row.name: row.id for row in connection.execute(sa.select(models.c.id, models.c.name))}
    for (model, alias), past in _pasts(connection).items():
        if past and model in ids:
            one = (aliases.c.model_id == ids[model]) & (aliases.c.name == alias)
            connection.execute(sa.update(aliases).where(one).values(past=json.dumps(past, separators=(",", ":"))))


def _pasts(connection: sa.Connection) -> dict[tuple[str, str], list[int]]:
    """The versions that each alias named before, without those that were deleted."""
    events = sa.table("events", *map(sa.column, ("seq", "kind", "model", "version", "subject")))
    kinds = ("alias.set", "alias.removed", "version.deleted")
    query = sa.select(events).where(events.c.kind.in_(kinds)).order_by(events.c.seq)
    named: dict[tuple[str, str], int] = {}
    pasts: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in connection.execute(query.execution_options(yield_per=5000)):
        key = (row.model, row.subject)
        if row.kind == "alias.set":
            pasts[key] = [*pasts[key], *([named[key]] if key in named else [])][-DEEPEST:]
            named[key] = row.version
        elif row.kind == "alias.removed":
            named.pop(key, None)
            pasts.pop(key, None)
        else:
            for of_model in [key for key in pasts if key[0] == row.model]:
                pasts[of_model] = _without(pasts[of_model], row.version, named[of_model])
    return pasts


def _without(past: list[int], number: int, named: int) -> list[int]:
    left = [item for item in past if item != number]
    return [item for at, item in enumerate(left) if item != (left[at + 1] if at + 1 < len(left) else named)]


def _rollouts() -> None:
    opened = sa.text("state IN ('running', 'paused')")
    op.create_index(
        "rollouts_open", "rollouts", ["model_id", "alias"], unique=True, sqlite_where=opened, postgresql_where=opened
    )
    op.create_table(
        "observations",
        sa.Column("rollout_id", KEY, sa.ForeignKey("rollouts.id"), primary_key=True),
        sa.Column("server", sa.String(200), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("errors", sa.BigInteger, nullable=False),
        sa.Column("latency", sa.Text, nullable=False),
        sa.Column("compared", sa.BigInteger, nullable=False),
        sa.Column("disagreed", sa.BigInteger, nullable=False),
        sa.Column("dropped", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "outcomes",
        sa.Column("model_id", KEY, sa.ForeignKey("models.id"), primary_key=True),
        sa.Column("request_id", sa.String(200), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("rollout", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.Double, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_index("outcomes_by_rollout", "outcomes", ["model_id", "rollout", "version", "outcome"])


def _gates() -> None:
    op.create_table(
        "gates",
        sa.Column("model_id", KEY, sa.ForeignKey("models.id"), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("data", sa.String(64), nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
    )
    op.create_index("gates_by_data", "gates", ["data"])


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("cancelling", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(200), nullable=False),
        sa.Column("lease", sa.BigInteger, nullable=False),
    )
    op.create_index("jobs_by_state", "jobs", ["state", "id"])
