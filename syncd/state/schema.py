"""The tables that hold syncd's state, equal on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from syncd.model.run import RunStatus
from syncd.model.webhook import DeliveryStatus

VERSION_TABLE = "syncd_version"
REVISION = "0002"
"""The newest migration; a state that carries another one is migrated or refused."""


class UtcTime(TypeDecorator[datetime]):
    """A moment to the microsecond; what is read is aware and in UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class FreeText(TypeDecorator[str]):
    """Text from anywhere: what a database cannot hold (NUL, lone surrogates) is written as an escape.

    Args:
        limit: the most characters to keep, None for all.
    """

    impl = sa.Text
    cache_ok = True

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        self.limit = limit

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else storable(value, self.limit)


def storable(text: str, limit: int | None = None) -> str:
    """Return the text as both databases can hold it, cut after `limit` characters."""
    clean = text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")
    return clean if limit is None or len(clean) <= limit else clean[: limit - 1] + "…"


metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MESSAGE = FreeText(limit=10_000)
# Sorted by code point, as SQLite sorts, so that paging meets the same order everywhere.
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_PENDING = sa.text(f"plain AND status IN ('{RunStatus.DELAYED}', '{RunStatus.QUEUED}', '{RunStatus.WAITING}')")
_KEPT = sa.text("deleted IS NULL")
_ACTIVE = sa.text(f"status IN ('{RunStatus.RUNNING}', '{RunStatus.CANCELING}')")
_UNREVOKED = sa.text("revoked_at IS NULL")
_UNTOLD = sa.text("told_at IS NULL")
_UNSENT = sa.text(f"status = '{DeliveryStatus.PENDING}'")


def _job_id(*, primary_key: bool = False, nullable: bool = False) -> sa.Column[int]:
    return sa.Column("job_id", _NUMBER, sa.ForeignKey("jobs.id"), primary_key=primary_key, nullable=nullable)


version = sa.Table(VERSION_TABLE, sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True))

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("definition", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("paused", sa.Boolean, nullable=False),
    sa.Column("blocked", _MESSAGE),
    sa.Column("ended", UtcTime),
    sa.Column("deleted", UtcTime),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("created_by", sa.Text),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.Column("updated_by", sa.Text),
    sa.Index("uq_jobs_name", "name", unique=True, sqlite_where=_KEPT, postgresql_where=_KEPT),
    sqlite_autoincrement=True,
)

job_versions = sa.Table(
    "job_versions",
    metadata,
    _job_id(primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("definition", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("created_by", sa.Text),
)

leases = sa.Table(
    "leases",
    metadata,
    _job_id(primary_key=True),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("expires_at", UtcTime),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    _job_id(),
    sa.Column("job_version", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("trigger", sa.Text, nullable=False),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("plain", sa.Boolean, nullable=False),
    sa.Column("digest", sa.Text),
    sa.Column("reason", _MESSAGE),
    sa.Column("expires_at", UtcTime),
    sa.Column("next_retry_at", UtcTime),
    sa.Column("created_by", sa.Text),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("scheduled_at", UtcTime, nullable=False),
    sa.Column("started_at", UtcTime),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.Column("finished_at", UtcTime),
    sa.Column("counts", sa.JSON, nullable=False),
    sa.Column("progress", sa.Double),
    sa.Column("stages", sa.JSON, nullable=False),
    sa.Column("watermark", FreeText),
    sa.Column("error", _MESSAGE),
    sa.Index(None, "job_id", "number"),
    sa.Index(None, "job_id", "scheduled_at"),
    sa.Index(None, "job_id", "finished_at"),
    sa.Index("uq_runs_pending", "job_id", unique=True, sqlite_where=_PENDING, postgresql_where=_PENDING),
    sa.Index("uq_runs_active", "job_id", unique=True, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
    sqlite_autoincrement=True,
)

run_keys = sa.Table(
    "run_keys",
    metadata,
    _job_id(primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("run_number", _NUMBER, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
)

run_lines = sa.Table(
    "run_lines",
    metadata,
    sa.Column("run_number", _NUMBER, primary_key=True, autoincrement=False),
    sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("message", _MESSAGE, nullable=False),
)

knowledge_bases = sa.Table(
    "knowledge_bases",
    metadata,
    sa.Column("name", _KEY, primary_key=True),
    sa.Column("definition", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
)

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    _job_id(primary_key=True),
    sa.Column("watermark", sa.Text, nullable=False),
    sa.Column("meaning", sa.Text, nullable=False),
    sa.Column("kb_uuid", sa.Text, nullable=False),
    sa.Column("kb_epoch", sa.BigInteger, nullable=False),
    sa.Column("glance", FreeText),
    sa.Column("read_at", UtcTime),
    sa.Column("saved_at", UtcTime, nullable=False),
)

sweeps = sa.Table(
    "sweeps",
    metadata,
    _job_id(primary_key=True),
    sa.Column("swept_at", UtcTime, nullable=False),
    sa.Column("orphans", sa.Integer),
    sa.Column("documents", sa.Integer),
    sa.Column("approved_at", UtcTime),
    sa.Column("approved_by", sa.Text),
)

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    _job_id(primary_key=True),
    # A key can be longer than an index entry may be.
    sa.Column("key_digest", sa.String(32), primary_key=True),
    sa.Column("key", _KEY, nullable=False),
    sa.Column("reason", _MESSAGE, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("first_seen", UtcTime, nullable=False),
    sa.Column("last_seen", UtcTime, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    _job_id(nullable=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("detail", _MESSAGE, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    # Runs are pruned, and their events outlive them for a while.
    sa.Column("run_number", _NUMBER),
    sa.Column("webhook", _NUMBER),
    sa.Column("told_at", UtcTime),
    sa.Index(None, "job_id", "number"),
    sa.Index("ix_events_untold", "number", sqlite_where=_UNTOLD, postgresql_where=_UNTOLD),
    sqlite_autoincrement=True,
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("jobs", sa.JSON(none_as_null=True)),
    sa.Column("databases", sa.JSON(none_as_null=True)),
    sa.Column("knowledge_bases", sa.JSON(none_as_null=True)),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("created_by", sa.Text),
    sa.Column("expires_at", UtcTime),
    sa.Column("revoked_at", UtcTime),
    sa.Column("last_used_at", UtcTime),
    sa.Index("uq_tokens_name", "name", unique=True, sqlite_where=_UNREVOKED, postgresql_where=_UNREVOKED),
    sqlite_autoincrement=True,
)
webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("former_secret", sa.Text),
    sa.Column("former_until", UtcTime),
    sa.Column("events", sa.JSON, nullable=False),
    sa.Column("jobs", sa.JSON(none_as_null=True)),
    sa.Column("max_seconds_behind", sa.Integer),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.UniqueConstraint("name"),
    sqlite_autoincrement=True,
)

webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("webhook", _NUMBER, sa.ForeignKey("webhooks.number"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    _job_id(nullable=True),
    sa.Column("run_number", _NUMBER),
    sa.Column("body", FreeText, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", UtcTime),
    sa.Column("last_status", sa.Integer),
    sa.Column("last_error", _MESSAGE),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("delivered_at", UtcTime),
    sa.Index(None, "webhook", "number"),
    sa.Index(
        "ix_webhook_deliveries_pending",
        "webhook",
        "next_attempt_at",
        sqlite_where=_UNSENT,
        postgresql_where=_UNSENT,
    ),
    sqlite_autoincrement=True,
)

webhook_breaches = sa.Table(
    "webhook_breaches",
    metadata,
    sa.Column("webhook", _NUMBER, sa.ForeignKey("webhooks.number"), primary_key=True),
    _job_id(primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
)
