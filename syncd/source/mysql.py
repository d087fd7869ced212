"""MySQL and MariaDB: the fence is the start of the oldest InnoDB transaction or running statement."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from syncd.model.job import JobDefinition
from syncd.model.schedule import as_utc
from syncd.source.cursor import Fence
from syncd.source.dialect import Dialect, hold_warning
from syncd.source.filter_type import FilterType, InstantType, time_lookback

# A statement shows its age in whole seconds, a transaction begins a moment after its statement took NOW(), and a column
# of whole seconds cuts that.
MARGIN = timedelta(seconds=2)

_CLOCK = sa.text("SELECT UTC_TIMESTAMP(6)")
_STATEMENTS = sa.text("""
    SELECT MAX(CASE WHEN time < :hold THEN time END), COUNT(CASE WHEN time >= :hold THEN 1 END)
    FROM information_schema.processlist
    WHERE command IN ('Query', 'Execute', 'Bulk_execute') AND id <> CONNECTION_ID()
""")
# InnoDB answers everybody from an old list for as long as somebody looks within each 0.1 seconds. A list that shows
# this session's own transaction with the mark in its query is newer than the mark. One that only reads adds no rows.
_APPEAR = sa.text("START TRANSACTION WITH CONSISTENT SNAPSHOT")
_MARK = sa.bindparam("mark", type_=sa.String(), literal_execute=True)
_TRANSACTIONS = sa.text("""
    SELECT trx_mysql_thread_id = CONNECTION_ID() AND LOCATE(:mark, trx_query) > 0 AS marked,
           trx_mysql_thread_id = CONNECTION_ID() AS own, trx_mysql_thread_id = 0 AS left_behind, trx_started AS started
    FROM information_schema.innodb_trx WHERE trx_is_read_only = 0 OR trx_mysql_thread_id = CONNECTION_ID()
""").bindparams(_MARK)
_PAUSE = sa.text("SELECT SLEEP(0.25), :mark").bindparams(_MARK)
_LOOKS = 5
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
        # Statements first: one that ends between the two looks has left its transaction, or has committed.
        hold = {"hold": int(self.max_hold.total_seconds())}
        seconds, ignored = connection.execute(_STATEMENTS, hold).one()
        warnings: list[str] = []
        try:
            running = _running(connection, str(clock))
        except sa.exc.DBAPIError as error:
            if _number(error) != _NO_PRIVILEGE:
                raise
            running = []
            warnings.append(
                "this role cannot see other transactions, so late commits are found only inside the lookback: "
                "GRANT PROCESS ON *.* to it"
            )
        if running is None:
            warnings.append(
                "information_schema.innodb_trx is read so often that it shows old transactions, so the watermark "
                "waits: let other programs look less than ten times a second"
            )
        recent = [item for item in running or () if item.started > clock - self.max_hold]
        warnings += hold_warning(max(ignored, len(running or ()) - len(recent)), self.max_hold)
        starts = [item.started for item in recent]
        if seconds is not None:
            starts.append(clock - timedelta(seconds=int(seconds)))
        return Fence(
            as_utc(min([clock, *starts])) - MARGIN,
            as_utc(clock),
            as_utc(min(starts)) - MARGIN if starts else None,
            tuple(warnings),
            # A prepared transaction without a session shows the server's start, if that is later than its own.
            held_still=running is None or any(item.left_behind for item in recent),
        )

    def filter_type(self, connection: sa.Connection, column: sa.Column[Any], job: JobDefinition) -> FilterType:
        if isinstance(column.type, sa.TIMESTAMP):
            return InstantType(time_lookback(job.lookback), naive_utc=True)
        return super().filter_type(connection, column, job)

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


def _running(connection: sa.Connection, mark: str) -> list[sa.Row[Any]] | None:
    """Return the transactions of others that can write, or None when only an old list can be had."""
    connection.execute(_APPEAR)
    for look in range(_LOOKS):
        if look:
            connection.execute(_PAUSE, {"mark": mark})
        rows = connection.execute(_TRANSACTIONS, {"mark": mark}).all()
        if any(row.marked for row in rows):
            return [row for row in rows if not row.own]
    return None


def _number(error: sa.exc.DBAPIError) -> object:
    return error.orig.args[0] if error.orig is not None and error.orig.args else None
