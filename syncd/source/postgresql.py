"""PostgreSQL: the fence is the start of the oldest transaction of any session, and of prepared transactions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.abc import Buffer
from psycopg.adapt import Loader

from syncd import postgres
from syncd.model.schedule import as_utc
from syncd.source.cursor import Fence
from syncd.source.dialect import Dialect, hold_warning

# A transaction's now() reaches pg_stat_activity a moment after it was taken, and a column of whole seconds rounds it.
MARGIN = timedelta(seconds=1)

# The clock comes first: a transaction that begins between the two looks started after it.
_CLOCK = sa.text("SELECT clock_timestamp(), pg_is_in_recovery()")
_ACTIVITY = sa.text("""
    SELECT min(xact_start) FILTER (WHERE xact_start > :oldest),
           count(*) FILTER (WHERE xact_start <= :oldest),
           count(*) FILTER (WHERE query = '<insufficient privilege>'),
           count(*) FILTER (WHERE state = 'disabled')
    FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND datname = current_database()
      AND backend_type IS DISTINCT FROM 'autovacuum worker'
""")
_PREPARED = sa.text("""
    SELECT count(*) FILTER (WHERE prepared > :oldest), count(*) FILTER (WHERE prepared <= :oldest)
    FROM pg_prepared_xacts WHERE database = current_database()
""")


class PostgreSqlDialect(Dialect):
    """Sees every transaction of the database, those without a transaction id too."""

    def connect_arguments(self, statement_timeout: timedelta) -> dict[str, Any]:
        return {
            "connect_timeout": 10,
            "application_name": "syncd",
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": int(statement_timeout.total_seconds() * 1000),
        }

    def prepare_engine(self, engine: sa.Engine, statement_timeout: timedelta) -> None:
        postgres.bound(engine, statement_timeout)

    def prepare_session(self, connection: Any, statement_timeout: timedelta) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'")
            cursor.execute("SET default_transaction_read_only = on")
            cursor.execute(f"SET statement_timeout = {int(statement_timeout.total_seconds() * 1000)}")
        connection.commit()
        for name in ("timestamp", "timestamptz", "date", "time", "timetz", "interval"):
            _survive(connection, name)

    def fence(self, connection: sa.Connection) -> Fence:
        clock, replica = connection.execute(_CLOCK).one()
        oldest = {"oldest": clock - self.max_hold}
        start, ignored, hidden, untracked = connection.execute(_ACTIVITY, oldest).one()
        prepared, forgotten = connection.execute(_PREPARED, oldest).one()
        warnings = list(hold_warning(ignored + forgotten, self.max_hold))
        if hidden:
            warnings.append(
                "this role cannot see other sessions, so late commits are found only inside the lookback: "
                "GRANT pg_read_all_stats to it"
            )
        if untracked:
            warnings.append(
                f"{untracked} session(s) have track_activities off, so what they commit late is found only inside the "
                "lookback: switch it on"
            )
        if replica:
            warnings.append("this is a replica: transactions of the primary are found only inside the lookback")
        return Fence(
            as_utc(clock if start is None else min(clock, start)) - MARGIN,
            as_utc(clock),
            None if start is None else as_utc(start),
            tuple(warnings),
            # A prepared transaction tells when it was prepared, not when it began; until then it held the fence itself.
            held_still=prepared > 0,
        )

    def estimated_rows(self, connection: sa.Connection, table: sa.Table) -> int | None:
        name = connection.dialect.identifier_preparer.format_table(table)
        rows = connection.execute(
            sa.text("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(:name)"), {"name": name}
        ).scalar_one_or_none()
        return rows if rows is not None and rows >= 0 else None


def _survive(connection: psycopg.Connection[Any], name: str) -> None:
    """Hand over values that Python cannot hold (infinity, BC, 24:00) as text instead of failing the whole read."""
    info = connection.adapters.types[name]
    plain = connection.adapters.get_loader(info.oid, psycopg.pq.Format.TEXT) or Loader

    class SurvivingLoader(Loader):
        def __init__(self, oid: int, context: psycopg.abc.AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._plain = plain(oid, context)

        def load(self, data: Buffer) -> Any:
            try:
                return self._plain.load(data)
            except (psycopg.DataError, psycopg.NotSupportedError):
                return bytes(data).decode("ascii", "replace")

    connection.adapters.register_loader(info.oid, SurvivingLoader)
