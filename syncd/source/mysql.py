"""MySQL and MariaDB: the fence is the start of the oldest InnoDB transaction or running statement."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from syncd.model.job import JobDefinition
from syncd.model.schedule import as_utc
from syncd.model.watermark import FilterValue
from syncd.source.cursor import Fence
from syncd.source.dialect import Dialect, hold_warning
from syncd.source.filter_type import FilterType, InstantType, time_lookback

# Transactions show their start in whole seconds, a moment after the statement took its NOW().
MARGIN = timedelta(seconds=2)

_CLOCK = sa.text("SELECT UTC_TIMESTAMP(6)")
_TRANSACTIONS = sa.text("""
    SELECT MIN(CASE WHEN trx_started > :oldest THEN trx_started END),
           SUM(CASE WHEN trx_started <= :oldest THEN 1 ELSE 0 END)
    FROM information_schema.innodb_trx WHERE trx_mysql_thread_id <> CONNECTION_ID()
""")
_STATEMENTS = sa.text("""
    SELECT MAX(time) FROM information_schema.processlist
    WHERE command IN ('Query', 'Execute') AND id <> CONNECTION_ID()
""")
_NO_PRIVILEGE = 1227
_PERMANENT = frozenset({1044, 1054, 1142, 1143, 1146, 1356})


class MySqlDialect(Dialect):
    """Sees InnoDB's transactions where the role has the PROCESS privilege."""

    def connect_arguments(self, statement_timeout: timedelta) -> dict[str, Any]:
        seconds = int(statement_timeout.total_seconds())
        return {"connect_timeout": 10, "read_timeout": seconds, "write_timeout": seconds}

    def prepare_engine(self, engine: sa.Engine, statement_timeout: timedelta) -> None:
        @sa.event.listens_for(engine, "invalidate")
        def forget(connection: Any, _record: Any, _error: Any) -> None:
            # PyMySQL would go on to read the rest of a broken answer, and complain on stderr that it cannot.
            if (answer := connection._result) is not None:
                answer.unbuffered_active, connection._result = False, None

    def prepare_session(self, connection: Any, statement_timeout: timedelta) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            cursor.execute("SET SESSION TRANSACTION READ ONLY")

    def fence(self, connection: sa.Connection) -> Fence:
        clock = connection.execute(_CLOCK).scalar_one()
        warnings: tuple[str, ...] = ()
        start, seconds = None, None
        try:
            start, ignored = connection.execute(_TRANSACTIONS, {"oldest": clock - self.max_hold}).one()
            warnings = hold_warning(int(ignored or 0), self.max_hold)
            seconds = connection.execute(_STATEMENTS).scalar_one()
        except sa.exc.DBAPIError as error:
            if _number(error) != _NO_PRIVILEGE:
                raise
            warnings = (
                "this role cannot see other transactions, so late commits are found only inside the lookback: "
                "GRANT PROCESS ON *.* to it",
            )
        bounds = [clock]
        if start is not None:
            bounds.append(start)
        if seconds is not None and timedelta(seconds=int(seconds)) < self.max_hold:
            bounds.append(clock - timedelta(seconds=int(seconds)))
        return Fence(as_utc(min(bounds)) - MARGIN, as_utc(clock), warnings)

    def filter_type(
        self, connection: sa.Connection, column: sa.Column[Any], job: JobDefinition, since: FilterValue | None
    ) -> FilterType:
        if isinstance(column.type, sa.TIMESTAMP):
            return InstantType(time_lookback(job.lookback), naive_utc=True)
        return super().filter_type(connection, column, job, since)

    def estimated_rows(self, connection: sa.Connection, table: sa.Table) -> int | None:
        rows: int | None = connection.execute(
            sa.text(
                "SELECT table_rows FROM information_schema.tables "
                "WHERE table_schema = COALESCE(:schema, DATABASE()) AND table_name = :name"
            ),
            {"schema": table.schema, "name": table.name},
        ).scalar_one_or_none()
        return rows

    def permanent(self, error: sa.exc.DBAPIError) -> bool:
        return _number(error) in _PERMANENT or super().permanent(error)


def _number(error: sa.exc.DBAPIError) -> object:
    return error.orig.args[0] if error.orig is not None and error.orig.args else None
