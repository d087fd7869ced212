"""Jobs and their versions, leases, runs, checkpoints, dead letters, events, tokens and webhooks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_TIME = sa.DateTime(timezone=True)
_PENDING = sa.text("plain AND status IN ('delayed', 'queued', 'waiting')")
_KEPT = sa.text("deleted IS NULL")
_ACTIVE = sa.text("status IN ('running', 'canceling')")
_UNREVOKED = sa.text("revoked_at IS NULL")
_UNTOLD = sa.text("told_at IS NULL")
_UNSENT = sa.text("status = 'pending'")


def upgrade() -> None:
    """Make the tables."""
    _jobs()
    _runs()
    _results()
    _tokens()
    _webhooks()
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
        sa.Column("deleted", _TIME),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by", sa.Text),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("updated_by", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_jobs_name", "jobs", ["name"], unique=True, sqlite_where=_KEPT, postgresql_where=_KEPT)
    op.create_table(
        "job_versions",
        sa.Column("job_id", _NUMBER, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by", sa.Text),
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
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("plain", sa.Boolean, nullable=False),
        sa.Column("digest", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("expires_at", _TIME),
        sa.Column("next_retry_at", _TIME),
        sa.Column("created_by", sa.Text),
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
    op.create_table(
        "run_keys",
        sa.Column("job_id", _NUMBER, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("run_number", _NUMBER, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "key", name="pk_run_keys"),
        _of_job("run_keys"),
    )
    op.create_table(
        "run_lines",
        sa.Column("run_number", _NUMBER, nullable=False),
        sa.Column("line", sa.Integer, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_number", "line", name="pk_run_lines"),
    )
    op.create_index("ix_runs_job_id_number", "runs", ["job_id", "number"])
    op.create_index("ix_runs_job_id_scheduled_at", "runs", ["job_id", "scheduled_at"])
    op.create_index("ix_runs_job_id_finished_at", "runs", ["job_id", "finished_at"])
    op.create_index(
        "uq_runs_pending", "runs", ["job_id"], unique=True, sqlite_where=_PENDING, postgresql_where=_PENDING
    )
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
        sa.Column("run_number", _NUMBER),
        sa.Column("webhook", _NUMBER),
        sa.Column("told_at", _TIME),
        sa.PrimaryKeyConstraint("number", name="pk_events"),
        _of_job("events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_job_id_number", "events", ["job_id", "number"])
    op.create_index("ix_events_untold", "events", ["number"], sqlite_where=_UNTOLD, postgresql_where=_UNTOLD)


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("number", _NUMBER, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("former_secret", sa.Text),
        sa.Column("former_until", _TIME),
        sa.Column("events", sa.JSON, nullable=False),
        sa.Column("jobs", sa.JSON),
        sa.Column("max_seconds_behind", sa.Integer),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_webhooks"),
        sa.UniqueConstraint("name", name="uq_webhooks_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("number", _NUMBER, autoincrement=True),
        sa.Column("webhook", _NUMBER, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("job_id", _NUMBER),
        sa.Column("run_number", _NUMBER),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", _TIME),
        sa.Column("last_status", sa.Integer),
        sa.Column("last_error", sa.Text),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("delivered_at", _TIME),
        sa.PrimaryKeyConstraint("number", name="pk_webhook_deliveries"),
        sa.ForeignKeyConstraint(["webhook"], ["webhooks.number"], name="fk_webhook_deliveries_webhook"),
        _of_job("webhook_deliveries"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_webhook_deliveries_webhook_number", "webhook_deliveries", ["webhook", "number"])
    op.create_index(
        "ix_webhook_deliveries_pending",
        "webhook_deliveries",
        ["webhook", "next_attempt_at"],
        sqlite_where=_UNSENT,
        postgresql_where=_UNSENT,
    )
    op.create_table(
        "webhook_breaches",
        sa.Column("webhook", _NUMBER, nullable=False),
        sa.Column("job_id", _NUMBER, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("webhook", "job_id", name="pk_webhook_breaches"),
        sa.ForeignKeyConstraint(["webhook"], ["webhooks.number"], name="fk_webhook_breaches_webhook"),
        _of_job("webhook_breaches"),
    )


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("number", _NUMBER, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("jobs", sa.JSON),
        sa.Column("databases", sa.JSON),
        sa.Column("knowledge_bases", sa.JSON),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by", sa.Text),
        sa.Column("expires_at", _TIME),
        sa.Column("revoked_at", _TIME),
        sa.Column("last_used_at", _TIME),
        sa.PrimaryKeyConstraint("number", name="pk_tokens"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_tokens_name", "tokens", ["name"], unique=True, sqlite_where=_UNREVOKED, postgresql_where=_UNREVOKED
    )


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
