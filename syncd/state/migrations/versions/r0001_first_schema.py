"""Jobs and their versions, leases, runs, checkpoints, dead letters and events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_TIME = sa.DateTime(timezone=True)
_QUEUED = sa.text("status = 'queued'")
_ACTIVE = sa.text("status IN ('running', 'canceling')")


def upgrade() -> None:
    """Make the tables."""
    _jobs()
    _runs()
    _results()
    _knowledge_bases()


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", _NUMBER, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("blocked", sa.Text),
        sa.Column("ended", _TIME),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("name", name="uq_jobs_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "job_versions",
        sa.Column("job_id", _NUMBER, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "version", name="pk_job_versions"),
        _of_job("job_versions"),
    )
    op.create_table(
        "leases",
        sa.Column("job_id", _NUMBER, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("expires_at", _TIME),
        sa.PrimaryKeyConstraint("job_id", name="pk_leases"),
        _of_job("leases"),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("number", _NUMBER, autoincrement=True),
        sa.Column("job_id", _NUMBER, nullable=False),
        sa.Column("job_version", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
        sa.Column("full", sa.Boolean, nullable=False),
        sa.Column("row_limit", sa.BigInteger),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("scheduled_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("progress", sa.Double),
        sa.Column("stages", sa.JSON, nullable=False),
        sa.Column("watermark", sa.Text),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("number", name="pk_runs"),
        _of_job("runs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_job_id_number", "runs", ["job_id", "number"])
    op.create_index("ix_runs_job_id_scheduled_at", "runs", ["job_id", "scheduled_at"])
    op.create_index("uq_runs_queued", "runs", ["job_id"], unique=True, sqlite_where=_QUEUED, postgresql_where=_QUEUED)
    op.create_index("uq_runs_active", "runs", ["job_id"], unique=True, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE)


def _results() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("job_id", _NUMBER, nullable=False),
        sa.Column("watermark", sa.Text, nullable=False),
        sa.Column("meaning", sa.Text, nullable=False),
        sa.Column("kb_uuid", sa.Text, nullable=False),
        sa.Column("kb_epoch", sa.BigInteger, nullable=False),
        sa.Column("glance", sa.Text),
        sa.Column("read_at", _TIME),
        sa.Column("saved_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_checkpoints"),
        _of_job("checkpoints"),
    )
    op.create_table(
        "dead_letters",
        sa.Column("job_id", _NUMBER, nullable=False),
        sa.Column("key_digest", sa.String(32), nullable=False),
        sa.Column("key", _KEY, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("first_seen", _TIME, nullable=False),
        sa.Column("last_seen", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "key_digest", name="pk_dead_letters"),
        _of_job("dead_letters"),
    )
    op.create_table(
        "events",
        sa.Column("number", _NUMBER, autoincrement=True),
        sa.Column("job_id", _NUMBER),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_events"),
        _of_job("events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_job_id_number", "events", ["job_id", "number"])


def _knowledge_bases() -> None:
    op.create_table(
        "knowledge_bases",
        sa.Column("name", _KEY, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_knowledge_bases"),
    )


def _of_job(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=f"fk_{table}_job_id")
