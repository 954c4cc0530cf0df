"""The registry's first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make them; the chain of events begins."""
    _versions()
    _names()
    _rollouts()
    _events()


def _versions() -> None:
    op.create_table(
        "models",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("last_number", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("deleted_at", sa.BigInteger),
    )
    op.create_table(
        "versions",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("model_id", KEY, sa.ForeignKey("models.id"), nullable=False),
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
    op.create_index("versions_by_digest", "versions", ["digest"])
    op.create_index("versions_by_manifest", "versions", ["manifest_digest"])
    op.create_index("versions_alive", "versions", ["model_id", "deleted_at", "number"])
    op.create_table(
        "version_files",
        sa.Column("version_id", KEY, sa.ForeignKey("versions.id"), primary_key=True),
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_index("version_files_by_digest", "version_files", ["digest"])


def _names() -> None:
    op.create_table(
        "aliases",
        sa.Column("model_id", KEY, sa.ForeignKey("models.id"), primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("version_id", KEY, sa.ForeignKey("versions.id"), nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
    )
    op.create_index("aliases_by_version", "aliases", ["version_id"])
    op.create_table(
        "tags",
        sa.Column("model_id", KEY, sa.ForeignKey("models.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )


def _rollouts() -> None:
    op.create_table(
        "evaluations",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("version_id", KEY, sa.ForeignKey("versions.id"), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("dataset_digest", sa.String(64), nullable=False),
        sa.Column("metrics", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
    )
    op.create_index("evaluations_by_version", "evaluations", ["version_id", "created_at"])
    op.create_table(
        "rollouts",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("model_id", KEY, sa.ForeignKey("models.id"), nullable=False),
        sa.Column("alias", sa.String(200), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_index("rollouts_by_model", "rollouts", ["model_id", "state"])
    op.create_table(
        "rollout_versions",
        sa.Column("rollout_id", KEY, sa.ForeignKey("rollouts.id"), primary_key=True),
        sa.Column("version_id", KEY, sa.ForeignKey("versions.id"), primary_key=True),
        sa.Column("role", sa.String(40), nullable=False),
    )
    op.create_index("rollout_versions_by_version", "rollout_versions", ["version_id"])


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("seq", KEY, primary_key=True, autoincrement=False),
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
    op.create_index("events_by_model", "events", ["model", "seq"])
    op.create_index("events_by_subject", "events", ["model", "kind", "subject", "seq"])
    op.create_index("events_by_time", "events", ["at", "seq"])
    op.create_table(
        "chain",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    chain = sa.table("chain", *map(sa.column, ("id", "seq", "at", "hash")))
    op.bulk_insert(chain, [{"id": 1, "seq": 0, "at": 0, "hash": "0" * 64}])
