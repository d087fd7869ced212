"""The tables that hold syncd's state, equal on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from syncd.model.run import RunStatus

VERSION_TABLE = "syncd_version"
REVISION = "0001"
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

_QUEUED = sa.text(f"status = '{RunStatus.QUEUED}'")
_ACTIVE = sa.text(f"status IN ('{RunStatus.RUNNING}', '{RunStatus.CANCELING}')")


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
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.UniqueConstraint("name"),
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
    sa.Column("full", sa.Boolean, nullable=False),
    sa.Column("row_limit", sa.BigInteger),
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
    sa.Index("uq_runs_queued", "job_id", unique=True, sqlite_where=_QUEUED, postgresql_where=_QUEUED),
    sa.Index("uq_runs_active", "job_id", unique=True, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
    sqlite_autoincrement=True,
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
    sa.Index(None, "job_id", "number"),
    sqlite_autoincrement=True,
)
