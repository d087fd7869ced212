"""One door to a source database: the URL, the session, the errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import Field, SecretStr

from syncd.errors import PermanentError, TransientError
from syncd.model.fields import Duration, Model
from syncd.model.schedule import parse_duration
from syncd.source.dialects import dialect_of


class SqlOptions(Model):
    """A database that SQLAlchemy can reach."""

    url: SecretStr = Field(strict=False)
    """The database's SQLAlchemy URL, such as postgresql://user:password@host/name or sqlite:///file.db."""
    max_hold: Duration = "15 MINUTES"
    """How long one open transaction may hold the watermark back; after that syncd warns and relies on the lookback."""
    statement_timeout: Duration = "5 MINUTES"
    """How long the database may take to answer one statement."""


class Database:
    """A source database; every session is in UTC, reads only, and bounds its statements.

    Args:
        name: what the configuration calls it.
        options: where it is.
        patience: how long a statement may take, where that is less than the options say.

    Raises:
        PermanentError: the URL is none, or its driver is missing.
    """

    def __init__(self, name: str, options: SqlOptions, patience: timedelta | None = None) -> None:
        self._url = _driver_url(options.url.get_secret_value())
        # A query can hold secrets too.
        shown = self._url if self._url.get_backend_name() == "sqlite" else self._url.set(query={})
        self._where = f"database {name} ({shown.render_as_string(hide_password=True)})"
        self.dialect = dialect_of(self._url.get_backend_name())(parse_duration(options.max_hold))
        timeout = parse_duration(options.statement_timeout)
        self._engine = self._make_engine(timeout if patience is None else min(timeout, patience))

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Lend a connection in a fresh transaction.

        Raises:
            PermanentError: the database refuses what it is asked, or its SQLite file is missing.
            TransientError: it does not answer.
        """
        with self._translated(), self._connected() as connection:
            yield connection

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()

    def _connected(self) -> sa.Connection:
        try:
            return self._engine.connect()
        except (TypeError, ValueError) as error:  # what drivers raise for a parameter that they do not know
            raise PermanentError(f"{self._where} cannot be used: {error}", "correct its url") from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            if self._url.get_backend_name() == "sqlite":
                _require_file(self._url, self._where)
            yield
        except sa.exc.DBAPIError as error:
            reason = str(error.orig).strip()
            if self.dialect.permanent(error) and not error.connection_invalidated:
                raise PermanentError(f"{self._where} refused the query: {reason}") from error
            raise TransientError(f"{self._where} did not answer: {reason}") from error
        except sa.exc.StatementError as error:
            raise PermanentError(f"{self._where}: a value does not fit its column: {error.orig}") from error
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise TransientError(f"{self._where} did not answer: {error}") from error

    def _make_engine(self, timeout: timedelta) -> sa.Engine:
        try:
            engine = sa.create_engine(
                self._url,
                hide_parameters=True,
                pool_pre_ping=True,
                pool_size=1,
                max_overflow=1,
                connect_args=self.dialect.connect_arguments(timeout),
            )
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise PermanentError(f"{self._where} cannot be used: {error}") from error

        self.dialect.prepare_engine(engine, timeout)

        @sa.event.listens_for(engine, "connect")
        def prepare(connection: Any, _record: Any) -> None:
            self.dialect.prepare_session(connection, timeout)

        return engine


def _driver_url(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError as error:
        raise PermanentError(
            "the database's url is not a SQLAlchemy URL", "write kind://user:password@host/name"
        ) from error
    if url.drivername in {"mysql", "mariadb"}:
        return url.set(drivername=f"{url.drivername}+pymysql")
    return url


def _require_file(url: sa.URL, where: str) -> None:
    """Refuse to make an empty SQLite database where a name was misspelt."""
    if url.database and not url.database.startswith((":", "file:")) and not Path(url.database).exists():
        raise PermanentError(f"{where}: there is no file {url.database}")
