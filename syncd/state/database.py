"""One door to the state's database: opening, transactions, retries, errors."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite

from syncd.errors import ConfigError, Fault, Unavailable
from syncd.state import migration, sqlite_file
from syncd.state.failure import contended, display, translated
from syncd.state.lock import StateLock
from syncd.state.turns import Turns

_ATTEMPTS = 4
_WRITES = "syncd_writes"
_STATEMENT_TIMEOUT = timedelta(seconds=60)
# One for each thread that may ask at once: those of the API, the workers and the few beside them. To open a connection
# takes longer than most of what is asked, and SQLite's are cheap to keep.
_SQLITE_CONNECTIONS = 64
_POSTGRES_CONNECTIONS = 20

T = TypeVar("T")
Insert = sqlite.Insert | postgresql.Insert


class Database:
    """A state database, checked and migrated, shared by all threads of a process."""

    def __init__(self, engine: sa.Engine, name: str, lock: StateLock | None = None) -> None:
        self._engine = engine
        self._name = name
        self._lock = lock
        # SQLite lets one write and has the others poll; threads of this process wait in line instead.
        self._turn: AbstractContextManager[None] = Turns() if engine.dialect.name == "sqlite" else nullcontext()

    @classmethod
    def open(cls, url: str) -> Database:
        """Open the state, make it when it is not there, and bring it to this program's schema.

        Several processes may do this at once.

        Args:
            url: `sqlite:///path` or `postgresql://user:password@host/database`.

        Raises:
            ConfigError: the URL names no such database.
            Unavailable: the database does not answer, is damaged, or was written by a newer program.
        """
        place = _parse(url)
        if place.get_backend_name() == "sqlite":
            path = Path(str(place.database))
            database = cls(_sqlite_engine(place), display(place), shared(path))
        else:
            path = None
            database = cls(_postgres_engine(place), display(place))
        try:
            if path is not None:
                sqlite_file.ensure(path, lambda draft: bring_up(draft, display(place)))
            database._migrate(new=path is None)
        except BaseException:
            database.close()
            raise
        return database

    @staticmethod
    def is_new(url: str) -> bool:
        """Tell whether there is no file of a state yet; a server is asked nothing. Makes no file.

        Raises:
            ConfigError: as `open`.
            Unavailable: there is no file, but something shows that there was one.
        """
        path = file_of(url)
        return path is not None and sqlite_file.is_new(path)

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in a transaction that only reads, and return what it returns.

        Raises:
            Unavailable: the database cannot be used.
        """
        with translated(self._name), self._engine.connect() as connection, connection.begin():
            return work(connection)

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in one write transaction: all of it is kept, durably, or nothing.

        It is repeated, a bounded number of times, when it could not run because others were writing; so it must do
        nothing but database work.

        Raises:
            Unavailable: the database cannot be used.
        """
        with translated(self._name):
            for attempt in range(1, _ATTEMPTS):
                try:
                    return self._write_once(work)
                except sa.exc.OperationalError as error:
                    if not contended(error):
                        raise
                time.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311 - spreads writers, hides nothing
            return self._write_once(work)

    def upsert(self, table: sa.Table) -> Insert:
        """Return an INSERT of this database's dialect, which can say what to do when the row is there."""
        return postgresql.insert(table) if self._engine.dialect.name == "postgresql" else sqlite.insert(table)

    @property
    def folder(self) -> Path | None:
        """The folder of a SQLite file; None for a server."""
        url = self._engine.url
        return Path(str(url.database)).parent if url.get_backend_name() == "sqlite" else None

    def ping(self) -> None:
        """Ask the database for its schema's version.

        Raises:
            Unavailable: it does not answer, or not as this program's state.
        """
        if not self.read(migration.current):
            raise Unavailable(
                f"the state {self._name} no longer has this program's schema",
                "restart syncd; if that does not help, put a backup in its place",
            )

    def close(self) -> None:
        """Close every connection, and let go of the file."""
        self._engine.dispose()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _write_once(self, work: Callable[[sa.Connection], T]) -> T:
        with self._turn, self._engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
            return work(connection)

    def _migrate(self, *, new: bool) -> None:
        if not self.read(migration.current):
            self.write(lambda connection: migration.migrate(connection, self._name, new=new))
        self.read(lambda connection: migration.require_tables(connection, self._name))


def file_of(url: str) -> Path | None:
    """Return where the SQLite file of a state is, None for a server.

    Raises:
        ConfigError: the URL names no such database.
    """
    place = _parse(url)
    return Path(str(place.database)) if place.get_backend_name() == "sqlite" else None


def bring_up(
    draft: Path, name: str, *, new: bool = True, also: Callable[[sa.Connection], object] = lambda connection: None
) -> None:
    """Bring a SQLite file that nobody has open to this program's schema, and close it.

    Args:
        name: the state's name in messages.
        new: whether it may be empty.
        also: what else is done to it, in a transaction of its own.

    Raises:
        Unavailable: it cannot be written, or was written by a newer program.
    """
    database = Database(_sqlite_engine(sa.URL.create("sqlite", database=str(draft))), name)
    try:
        database._migrate(new=new)
        database.write(also)
    finally:
        database.close()


def shared(path: Path) -> StateLock:
    """Share the lock of a state's file, and complete on the way what a restoration that was killed has begun.

    Raises:
        Unavailable: the state is being restored, or its folder cannot be used.
    """
    sqlite_file.require_linked(path)
    with sqlite_file.told(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        real = path.resolve()
        lock = StateLock(path)
        try:
            if sqlite_file.is_replaced(real):
                lock.own()
                sqlite_file.go_on(real)
            lock.share()
        except BaseException:
            lock.release()
            raise
    return lock


def _parse(url: str) -> sa.URL:
    try:
        place = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise ConfigError([Fault("state", "not a URL; write sqlite:///path or postgresql://...")]) from None
    backend = place.get_backend_name()
    if backend not in {"sqlite", "postgresql"}:
        raise ConfigError([Fault("state", f"{backend!r} cannot hold it; write sqlite:///path or postgresql://...")])
    if backend == "sqlite" and (not place.database or place.database.startswith((":memory:", "file:"))):
        raise ConfigError([Fault("state", "it must live in a file; write sqlite:///path")])
    if "+" in place.drivername and place.get_driver_name() not in {"pysqlite", "psycopg"}:
        raise ConfigError([Fault("state", f"leave out the driver: write {backend}://...")])
    return place


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        pool_size=_SQLITE_CONNECTIONS,
        connect_args={"timeout": sqlite_file.BUSY_TIMEOUT_S},
    )

    @event.listens_for(engine, "connect")
    def _(connection: sqlite3.Connection, _: Any) -> None:
        sqlite_file.prepare(connection)

    @event.listens_for(engine, "begin")
    def _(connection: sa.Connection) -> None:
        # A transaction that reads first and writes later fails at once, whatever the timeout, when another wrote
        # between: whoever will write says so at the start, and waits there.
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres_engine(url: sa.URL) -> sa.Engine:
    # Here, so that a state in SQLite does not load the driver.
    from syncd import postgres

    defaults = {"connect_timeout": "10", "application_name": "syncd", "keepalives_idle": "30"}
    seconds = f"{_STATEMENT_TIMEOUT.total_seconds():.0f}s"
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=_POSTGRES_CONNECTIONS,
        max_overflow=_POSTGRES_CONNECTIONS,
        isolation_level="READ COMMITTED",
        connect_args={name: value for name, value in defaults.items() if name not in url.query},
    )

    postgres.bound(engine, _STATEMENT_TIMEOUT)

    @event.listens_for(engine, "connect")
    def _(connection: Any, _: Any) -> None:
        connection.autocommit = True
        connection.execute(f"SET statement_timeout = '{seconds}'")
        # A process that is held up in a transaction must not keep others from taking over its job.
        connection.execute(f"SET idle_in_transaction_session_timeout = '{seconds}'")
        connection.autocommit = False

    return engine
