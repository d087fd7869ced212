"""Turns what a state database reports into errors that say what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import exc

from syncd.errors import Unavailable

RESTORE = "stop syncd and put a backup in its place with `syncd restore`"
"""What helps a state that is damaged."""

_SQLITE_HINTS = {
    sqlite3.SQLITE_FULL: "free some space on its disk",
    sqlite3.SQLITE_READONLY: "make the file, its folder and its file system writable",
    sqlite3.SQLITE_CANTOPEN: "let this user read and write the file and its folder",
    sqlite3.SQLITE_BUSY: "find the process that keeps it locked",
    sqlite3.SQLITE_CORRUPT: RESTORE,
    sqlite3.SQLITE_NOTADB: RESTORE,
    sqlite3.SQLITE_IOERR: "check that its disk is sound and not full",
}
# No privilege; a table that is there already, or is missing, or has other columns.
_POSTGRES_NOT_OURS = frozenset({"42501", "42P07", "42P01", "42703"})
_POSTGRES_CONTENTION = frozenset({"40001", "40P01", "55P03"})


def sqlite_hint(error: sqlite3.Error) -> str:
    """Say what to do about a SQLite error."""
    return _SQLITE_HINTS.get(_sqlite_code(error), "check the file and its folder")


def contended(error: exc.DBAPIError) -> bool:
    """Tell whether the transaction was undone only because others were busy, so that it may be repeated."""
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_code(error.orig) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
    return getattr(error.orig, "sqlstate", None) in _POSTGRES_CONTENTION


@contextmanager
def translated(state: str) -> Iterator[None]:
    """Raise Unavailable, with its cause, for what the database cannot do; mistakes of this program pass as they are.

    Args:
        state: the database's name in messages, without any secret.
    """
    try:
        yield
    except (exc.IntegrityError, exc.DataError):
        raise
    except exc.DBAPIError as error:
        raise Unavailable(f"the state {state} cannot be used: {_reason(error)}", _hint(error)) from error
    except exc.TimeoutError as error:
        raise Unavailable(f"the state {state} is too busy: every connection was in use", "try again") from error


def _sqlite_code(error: sqlite3.Error) -> int:
    # The low byte is the kind of error; the rest tells variants such as BUSY_SNAPSHOT apart.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _reason(error: exc.DBAPIError) -> str:
    return " ".join(str(error.orig).split()) or type(error.orig).__name__


def _hint(error: exc.DBAPIError) -> str:
    if isinstance(error.orig, sqlite3.Error):
        return sqlite_hint(error.orig)
    if getattr(error.orig, "sqlstate", None) in _POSTGRES_NOT_OURS:
        return "give syncd a database of its own, in which its user may create tables"
    return "check that the server runs and that the URL, the user and the password are right"


def display(url: sa.URL) -> str:
    """Return the URL as it may be shown: no password, and no query, which can hold secrets too."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(query={}).render_as_string(hide_password=True)
