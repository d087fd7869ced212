"""A connection to PostgreSQL that does not wait for ever: libpq has no timeout for a server that says nothing."""

from __future__ import annotations

import time
from collections.abc import Generator
from datetime import timedelta
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa

_T = TypeVar("_T")

MARGIN = timedelta(seconds=10)
"""How much longer than its own limit for a statement a server may take to say that it was reached."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server has said nothing for longer than `patience`, in seconds."""

    patience = float("inf")

    def wait(self, gen: Generator[Any, Any, _T], *args: Any, **named: Any) -> _T:
        """Wait for an answer; psycopg comes through here with every one.

        Raises:
            psycopg.OperationalError: the server has said nothing for too long.
        """
        return super().wait(self._impatient(gen), *args, **named)

    def _impatient(self, gen: Generator[Any, Any, _T]) -> Generator[Any, Any, _T]:
        ready = None
        heard = time.monotonic()
        while True:
            try:
                wanted = gen.send(ready)
            except StopIteration as answered:
                found: _T = answered.value
                return found
            # Several times a second, with nothing while the server is silent.
            ready = yield wanted
            if ready:
                heard = time.monotonic()
            elif time.monotonic() - heard > self.patience:
                self.pgconn.finish()
                raise psycopg.OperationalError(f"the server has said nothing for {self.patience:.0f} s")


def bound(engine: sa.Engine, statement_timeout: timedelta) -> None:
    """Let an engine's connections wait a little longer than a statement may take, and no longer.

    Args:
        engine: of PostgreSQL.
        statement_timeout: after how long the server itself ends a statement.
    """
    patience = (statement_timeout + MARGIN).total_seconds()

    @sa.event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, named: Any) -> BoundedConnection:
        connection = BoundedConnection.connect(*arguments, **named)
        connection.patience = patience
        return connection
