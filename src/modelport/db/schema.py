"""The tables as they are at HEAD. A change here is a new file in `migrations/versions/`, and a new HEAD.

Times are whole microseconds since the epoch, UTC. Documents are JSON as text, so that their bytes stay as they are.
"""

from __future__ import annotations

import sqlalchemy as sa

#: The newest migration.
HEAD = "0002"

metadata = sa.MetaData()
#: A key that the database gives: SQLite wants the word INTEGER for it.
Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

models = sa.Table(
    "models",
    metadata,
    sa.Column("id", Key, primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("last_number", sa.Integer, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("deleted_at", sa.BigInteger),
)

versions = sa.Table(
    "versions",
    metadata,
    sa.Column("id", Key, primary_key=True),
    sa.Column("model_id", Key, sa.ForeignKey("models.id"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("manifest_digest", sa.String(64), nullable=False),
    sa.Column("manifest", sa.Text, nullable=False),
    sa.Column("format", sa.String(100), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("metrics", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("push_id", sa.String(64), unique=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("deleted_at", sa.BigInteger),
    sa.UniqueConstraint("model_id", "number"),
)
sa.Index("versions_by_digest", versions.c.digest)
sa.Index("versions_by_manifest", versions.c.manifest_digest)
sa.Index("versions_alive", versions.c.model_id, versions.c.deleted_at, versions.c.number)

version_files = sa.Table(
    "version_files",
    metadata,
    sa.Column("version_id", Key, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
)
sa.Index("version_files_by_digest", version_files.c.digest)

#: `past`: the numbers of the versions that it named before and goes back to, the newest one last; JSON.
aliases = sa.Table(
    "aliases",
    metadata,
    sa.Column("model_id", Key, sa.ForeignKey("models.id"), primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("version_id", Key, sa.ForeignKey("versions.id"), nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
    sa.Column("changed_by", sa.Text, nullable=False),
    sa.Column("past", sa.Text, nullable=False, server_default="[]"),
)
sa.Index("aliases_by_version", aliases.c.version_id)

#: `number` 0: a tag of the model itself.
tags = sa.Table(
    "tags",
    metadata,
    sa.Column("model_id", Key, sa.ForeignKey("models.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

evaluations = sa.Table(
    "evaluations",
    metadata,
    sa.Column("id", Key, primary_key=True),
    sa.Column("version_id", Key, sa.ForeignKey("versions.id"), nullable=False),
    sa.Column("state", sa.String(40), nullable=False),
    sa.Column("dataset", sa.Text, nullable=False),
    sa.Column("dataset_digest", sa.String(64), nullable=False),
    sa.Column("metrics", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
)
sa.Index("evaluations_by_version", evaluations.c.version_id, evaluations.c.created_at)

#: `state` running or paused: the rollout is in use, and so are its versions.
rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("id", Key, primary_key=True),
    sa.Column("model_id", Key, sa.ForeignKey("models.id"), nullable=False),
    sa.Column("alias", sa.String(200), nullable=False),
    sa.Column("state", sa.String(40), nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
)
sa.Index("rollouts_by_model", rollouts.c.model_id, rollouts.c.state)
#: The rollouts that can still change; written out, so that SQLite sees that the index below has them all.
OPEN_ROLLOUTS = rollouts.c.state.in_([sa.literal_column("'running'"), sa.literal_column("'paused'")])
sa.Index(
    "rollouts_open",
    rollouts.c.model_id,
    rollouts.c.alias,
    unique=True,
    sqlite_where=OPEN_ROLLOUTS,
    postgresql_where=OPEN_ROLLOUTS,
)

rollout_versions = sa.Table(
    "rollout_versions",
    metadata,
    sa.Column("rollout_id", Key, sa.ForeignKey("rollouts.id"), primary_key=True),
    sa.Column("version_id", Key, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("role", sa.String(40), nullable=False),
)
sa.Index("rollout_versions_by_version", rollout_versions.c.version_id)

#: What each server counted last; `latency` is JSON.
observations = sa.Table(
    "observations",
    metadata,
    sa.Column("rollout_id", Key, sa.ForeignKey("rollouts.id"), primary_key=True),
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

#: `rollout` 0: the request was part of none.
outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("model_id", Key, sa.ForeignKey("models.id"), primary_key=True),
    sa.Column("request_id", sa.String(200), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("rollout", sa.BigInteger, nullable=False),
    sa.Column("outcome", sa.Double, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)
sa.Index("outcomes_by_rollout", outcomes.c.model_id, outcomes.c.rollout, outcomes.c.version, outcomes.c.outcome)

#: `document` is all that was said; `data` is the sha256 of what it names in the store, or an empty text.
gates = sa.Table(
    "gates",
    metadata,
    sa.Column("model_id", Key, sa.ForeignKey("models.id"), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("data", sa.String(64), nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
    sa.Column("changed_by", sa.Text, nullable=False),
)
sa.Index("gates_by_data", gates.c.data)

#: `lease`: until when the job is its worker's; 0 where it has none.
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", Key, primary_key=True),
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
sa.Index("jobs_by_state", jobs.c.state, jobs.c.id)

#: Rows are only ever added; `hash` is over all other columns, `previous` among them.
events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", Key, primary_key=True, autoincrement=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("version", sa.Integer),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)
sa.Index("events_by_model", events.c.model, events.c.seq)
sa.Index("events_by_subject", events.c.model, events.c.kind, events.c.subject, events.c.seq)
sa.Index("events_by_time", events.c.at, events.c.seq)

#: One row: the last event, so that events cut off the end are missed.
chain = sa.Table(
    "chain",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)
