"""Keeps the documentation in a SQLite table, as an application would keep its own rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from syncd.demo.python_docs import Entry

TABLE = "python_docs"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS python_docs (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL,
    signature  TEXT NOT NULL,
    docstring  TEXT NOT NULL,
    module     TEXT NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX IF NOT EXISTS python_docs_updated_at ON python_docs (updated_at, id);
"""
_COLUMNS = "name, kind, signature, docstring, module"


@dataclass(frozen=True, slots=True)
class Built:
    """What building the table did, in rows."""

    rows: int
    changed: int


def build(file: Path, entries: Iterable[Entry], now: datetime) -> Built:
    """Make the table hold exactly these entries.

    A new table takes the times of the source files. In a table that was there before, what is added or differs gets
    the present time, as it would in any application; so a sync sees it.

    Args:
        file: the SQLite file, made where it is missing.
        entries: what the table shall hold.
        now: the present time.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executescript(_SCHEMA)
        kept = {row[0]: row for row in connection.execute(f"SELECT {_COLUMNS} FROM python_docs")}  # noqa: S608  (constants)
        wanted = {entry.name: entry for entry in entries}
        changed = [entry for entry in wanted.values() if kept.get(entry.name) != _row(entry)]
        connection.executemany("DELETE FROM python_docs WHERE name = ?", [(name,) for name in kept.keys() - wanted])
        connection.executemany(
            f"INSERT INTO python_docs ({_COLUMNS}, updated_at) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608
            " ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, signature = excluded.signature,"
            " docstring = excluded.docstring, module = excluded.module, updated_at = excluded.updated_at",
            [(*_row(entry), _time(now if kept else min(entry.changed, now))) for entry in changed],
        )
    return Built(len(wanted), len(changed))


def change(file: Path, names: Sequence[str], now: datetime) -> int:
    """Add a sentence to some docstrings, and return how many rows that changed.

    Args:
        file: the SQLite file.
        names: which rows.
        now: the present time, which makes each sentence a new one.
    """
    sentence = f"\n\nThis sentence was added at {now.astimezone(UTC).isoformat()}."
    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.executemany(
            "UPDATE python_docs SET docstring = docstring || ?, updated_at = ? WHERE name = ?",
            [(sentence, _time(now), name) for name in names],
        ).rowcount


def _row(entry: Entry) -> tuple[str, str, str, str, str]:
    return entry.name, entry.kind, entry.signature, entry.docstring, entry.module


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
