"""The table that everybody syncs, on a real PostgreSQL, and what happens to it between two runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random

import psycopg
import sqlalchemy as sa
from psycopg import sql

from benchmarks.peers.adapters.command import TABLE
from benchmarks.peers.oracle import Row
from benchmarks.peers.texts import text

CATEGORIES = ("kitchen", "travel", "music", "history", "garden")
LONG, SHORT_AGAIN = 60, 20
"""Sentences of a text that is split into about four chunks, and of what is left of it when it shrinks."""
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_NAME = sql.Identifier(TABLE)
_DATABASE, _KEPT = "bench", "bench_kept"


class Table:
    """The table `articles`: a key, a text, two columns of metadata, and the time of the last change.

    Args:
        server: a PostgreSQL server of its own, as a superuser's URL.
        random: what its texts and changes depend on.
    """

    def __init__(self, server: sa.URL, random: Random) -> None:
        self._server = server.set(drivername="postgresql")
        self._random = random
        self.url = self._server.set(database=_DATABASE).render_as_string(hide_password=False)

    def create(self, rows: int, long_every: int = 0) -> None:
        """Make it anew, filled; every so many rows a long text."""
        self._recreate(_DATABASE, "template1")
        self.keys = list(range(1, rows + 1))
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(
                sql.SQL(
                    "CREATE TABLE {} (id bigint PRIMARY KEY, body text NOT NULL, category text NOT NULL,"
                    " price double precision NOT NULL, updated_at timestamptz)"
                ).format(_NAME)
            )
            with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(_NAME)) as copy:
                for key in self.keys:
                    long = long_every and key % long_every == 0
                    copy.write_row((key, *self._row(key, LONG if long else 1), _EPOCH + timedelta(minutes=key)))
            cursor.execute(sql.SQL("CREATE INDEX ON {} (updated_at)").format(_NAME))
        with self._connect() as connection:
            connection.execute(sql.SQL("ANALYZE {}").format(_NAME))
        self.long = [key for key in self.keys if long_every and key % long_every == 0]

    def keep(self) -> None:
        """Remember it as it is."""
        self._recreate(_KEPT, _DATABASE)

    def restore(self) -> None:
        """Make it what it was when it was kept."""
        self._recreate(_DATABASE, _KEPT)

    def rows(self) -> dict[int, Row]:
        """Return what it says now, by key."""
        with self._connect() as connection:
            found = connection.execute(sql.SQL("SELECT id, body, category, price FROM {}").format(_NAME)).fetchall()
        return {key: Row(body, category, price) for key, body, category, price in found}

    def some(self, count: int) -> list[int]:
        """Choose so many of the rows with short texts."""
        return self._random.sample(sorted(set(self.keys) - set(self.long)), count)

    def edit_texts(self, keys: Sequence[int], sentences: int = 1, mark: str = "") -> None:
        """Give rows new texts, and say so in `updated_at`; `mark` stands in the first one's."""
        texts = [text(self._random, key, sentences) for key in keys]
        texts[0] = f"{mark} {texts[0]}".strip()
        self._many("UPDATE {} SET body = %s, updated_at = clock_timestamp() WHERE id = %s", texts, keys)

    def edit_metadata(self, keys: Sequence[int]) -> None:
        """Give rows new metadata, and say so in `updated_at`."""
        names = [f"moved {self._random.randrange(10**6)}" for _ in keys]
        self._many("UPDATE {} SET category = %s, updated_at = clock_timestamp() WHERE id = %s", names, keys)

    def delete(self, keys: Sequence[int]) -> None:
        """Delete rows."""
        self._many("DELETE FROM {} WHERE %s = 'gone' AND id = %s", ["gone"] * len(keys), keys)

    def insert_without_stamp(self, count: int) -> None:
        """Insert rows whose `updated_at` is NULL."""
        with self._connect() as connection:
            self._insert(connection, count, None)

    @contextmanager
    def held_insert(self, count: int) -> Iterator[None]:
        """Insert rows in a transaction that is committed when the block ends; they carry the time of its beginning."""
        with self._connect() as connection:
            [began] = connection.execute("SELECT now()").fetchone() or [None]
            self._insert(connection, count, began)
            yield

    def _insert(self, connection: psycopg.Connection, count: int, stamp: datetime | None) -> None:
        first = max(self.keys) + 1
        added = range(first, first + count)
        rows = [(key, *self._row(key, 1), stamp) for key in added]
        statement = sql.SQL("INSERT INTO {} VALUES (%s, %s, %s, %s, %s)").format(_NAME)
        connection.cursor().executemany(statement, rows)

    def _many(self, statement: str, values: Sequence[str], keys: Sequence[int]) -> None:
        with self._connect() as connection:
            connection.cursor().executemany(
                sql.SQL(statement).format(_NAME),
                list(zip(values, keys, strict=True)),
            )

    def _row(self, key: int, sentences: int) -> tuple[str, str, float]:
        price = self._random.randrange(100, 10**5) / 100
        return text(self._random, key, sentences), self._random.choice(CATEGORIES), price

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url)

    def _recreate(self, name: str, template: str) -> None:
        with psycopg.connect(self._server.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
