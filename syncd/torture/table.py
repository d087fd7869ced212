"""The table that is tormented, in a database that holds nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from syncd.errors import Conflict, Fault, Invalid, Unavailable

NAME = "torture"
LOOKBACK = 40
"""How many values of a counter a run reads again, where the filter column is one."""

Row = Mapping[str, Any]


class Table:
    """A table with a key, a filter column, two columns of text and two of metadata.

    On PostgreSQL, MySQL and MariaDB the filter column is the time at which a row's transaction began. SQLite, which
    has one writer at a time, has a counter, so that the same seed does the same.

    Args:
        url: the database's SQLAlchemy URL.

    Raises:
        Invalid: it is of a kind that this does not know.
        Conflict: the database is not empty.
        Unavailable: it does not answer.
    """

    def __init__(self, url: str) -> None:
        try:
            made = sa.make_url(url)
        except sa.exc.ArgumentError as error:
            raise Invalid([Fault("--database", "write kind://user:password@host/name")]) from error
        kind = made.get_backend_name()
        if kind not in {"sqlite", "postgresql", "mysql", "mariadb"}:
            raise Invalid([Fault("--database", f"{kind} is not one of sqlite, postgresql, mysql, mariadb")])
        if made.drivername in {"mysql", "mariadb"}:
            made = made.set(drivername=f"{made.drivername}+pymysql")
        # A child must not inherit a connection that lies in a pool.
        self._engine = sa.create_engine(made, poolclass=sa.NullPool, hide_parameters=True)
        self.counts = kind == "sqlite"
        self._now: sa.ColumnElement[Any] = sa.func.now() if kind == "postgresql" else sa.func.utc_timestamp(6)
        self._top = 0
        time: sa.types.TypeEngine[Any] = sa.TIMESTAMP(timezone=True) if kind == "postgresql" else mysql.DATETIME(fsp=6)
        self._table = sa.Table(
            NAME,
            sa.MetaData(),
            sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("f", sa.Integer if self.counts else time, nullable=False, index=True),
            sa.Column("title", sa.String(40)),
            sa.Column("body", sa.Text),
            sa.Column("tag", sa.String(20)),
            sa.Column("size", sa.Integer),
        )
        self._make()
        # Only a server that was asked tells which of the two it is.
        self.kind = "mariadb" if getattr(self._engine.dialect, "is_mariadb", False) else kind

    def _make(self) -> None:
        try:
            with self._engine.begin() as connection:
                found = sa.inspect(connection)
                if there := [*found.get_table_names(), *found.get_view_names()]:
                    raise Conflict(
                        f"the database holds {there[0]} already, and stays as it is",
                        "name an empty database that is there for this alone",
                    )
                self._table.create(connection)
        except sa.exc.SQLAlchemyError as error:
            raise Unavailable(f"the database cannot be used: {getattr(error, 'orig', None) or error}") from error

    def remove(self) -> None:
        """Leave the database as it was."""
        self._table.drop(self._engine)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Lend a transaction that is committed at the end."""
        with self._engine.begin() as connection:
            yield connection

    def hold(self) -> sa.Connection:
        """Begin a transaction that stays open; its time is fixed now."""
        connection = self._engine.connect()
        connection.execute(sa.select(self._now)).scalar_one()
        return connection

    def rows(self) -> dict[int, Row]:
        """Return every row as it is committed, by key."""
        with self._engine.connect() as connection:
            return {row["id"]: dict(row) for row in connection.execute(sa.select(self._table)).mappings()}

    def insert(self, connection: sa.Connection, rows: Sequence[Row], back: int = 0) -> None:
        """Insert rows, stamped now.

        Args:
            back: how far below the newest value of a counter.
        """
        for row in rows:
            connection.execute(sa.insert(self._table).values(**row, **self._stamp(back)))

    def update(
        self, connection: sa.Connection, key: int, *, silent: bool = False, back: int = 0, **values: Any
    ) -> None:
        """Change a row, and stamp it now unless it is done in silence."""
        stamp = {} if silent else self._stamp(back)
        connection.execute(sa.update(self._table).where(self._table.c.id == key).values(**values, **stamp))

    def delete(self, connection: sa.Connection, key: int) -> None:
        """Delete a row."""
        connection.execute(sa.delete(self._table).where(self._table.c.id == key))

    def _stamp(self, back: int) -> dict[str, Any]:
        if not self.counts:
            return {"f": self._now}
        if back:
            return {"f": max(0, self._top - min(back, LOOKBACK))}
        self._top += 1
        return {"f": self._top}
