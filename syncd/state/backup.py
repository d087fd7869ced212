"""Copies of a SQLite state: made while it is in use, and put in its place while it is not."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from syncd.errors import Conflict, NotFound, Unavailable
from syncd.state import events, migration, sqlite_file
from syncd.state.database import bring_up, file_of, shared
from syncd.state.events import RESTORED
from syncd.state.failure import RESTORE, sqlite_hint
from syncd.state.lock import StateLock
from syncd.state.schema import VERSION_TABLE, checkpoints, sweeps

_PASSED_OVER = 1_000_000
_PASS_OVER = (
    "UPDATE sqlite_sequence SET seq = seq + ?",
    "INSERT INTO sqlite_sequence SELECT name, ? FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'"
    " AND name NOT IN (SELECT name FROM sqlite_sequence)",
)


@dataclass(frozen=True, slots=True)
class Copied:
    """A backup that was made, or put in place.

    Args:
        file: where the copy is.
        size: in bytes.
        seconds: how long it took.
        jobs: how many jobs it holds.
        aside: where the state is that it replaced, None where there was none.
    """

    file: Path
    size: int
    seconds: float
    jobs: int
    aside: Path | None = None


def back_up(url: str, file: Path, *, overwrite: bool = False) -> Copied:
    """Copy the state as it is at one moment, while others use it, into one file that needs no other.

    The file appears complete, checked and on the disk, or not at all.

    Args:
        url: the state's.
        file: where the copy shall be, in a folder that is there.
        overwrite: whether it may replace a file.

    Raises:
        Conflict: there is a file already, or the state is on a server.
        NotFound: there is no state yet.
        Unavailable: the state is damaged, or from a newer program; or the file cannot be written.
    """
    begun = time.monotonic()
    state = _path(url, "pg_dump")
    _require_apart(file, state)
    if file.is_dir():
        raise Conflict(f"{file} is a folder", "name a file in it")
    if file.exists() and not overwrite:
        raise Conflict(f"{file} is there already", "name another file, or replace it with --force")
    if sqlite_file.is_new(state):
        raise NotFound(f"there is no state {state} yet", "syncd makes one when it is first used")
    lock = shared(state)
    try:
        with _told(file), sqlite_file.drafted(file) as draft:
            _copy(state, draft, f"the state {state}", RESTORE)
            jobs = _jobs(draft, str(state))
            sqlite_file.sync(draft)
            draft.replace(file)
            sqlite_file.sync(file.parent)
    finally:
        lock.release()
    return Copied(file, file.stat().st_size, time.monotonic() - begun, jobs)


def restore(url: str, file: Path, now: datetime) -> Copied:
    """Put a backup in the state's place, brought to this program's schema, and move what was there aside.

    Killed at any moment, the state is the one before or the restored one. Numbers of runs, jobs, tokens and messages go
    on far above those of the backup, so that none that was given out since names something else.

    Args:
        url: the state's; it may be damaged or missing.
        file: the backup, which stays as it is.
        now: when.

    Raises:
        Conflict: the state is on a server, or is the backup itself.
        NotFound: there is no such file.
        Unavailable: a process uses the state; or the backup is damaged, no state, or from a newer program; or the
            folder cannot be written. The state is as it was.
    """
    begun = time.monotonic()
    state = _path(url, "pg_restore")
    _require_apart(file, state)
    if not file.is_file():
        raise NotFound(f"there is no file {file}", "name one that `syncd backup` has made")

    def begin(connection: sa.Connection) -> None:
        for statement in _PASS_OVER:
            connection.exec_driver_sql(statement, (_PASSED_OVER,))
        # Whatever its clock said, all of it is from before.
        connection.execute(sa.update(checkpoints).values(saved_at=now))
        # Somebody's word was given for what the table looked like then.
        connection.execute(sa.update(sweeps).values(approved_at=None, approved_by=None))
        events.append(connection, None, RESTORED, f"from {file.name}", now)

    sqlite_file.require_linked(state)
    with sqlite_file.told(state), _owned(state) as real, sqlite_file.drafted(real) as draft:
        _copy(file, draft, f"the backup {file}", "restore another one")
        jobs = _jobs(draft, str(file))
        bring_up(draft, str(file), new=False, also=begin)
        size = draft.stat().st_size
        aside = sqlite_file.replace(real, draft)
    return Copied(state, size, time.monotonic() - begun, jobs, aside)


def _path(url: str, tool: str) -> Path:
    path = file_of(url)
    if path is None:
        raise Conflict("the state is in PostgreSQL, which has its own tools for this", f"use {tool}")
    return path


def _require_apart(file: Path, state: Path) -> None:
    if file.resolve() in sqlite_file.files_of(state.resolve()):
        raise Conflict(f"{file} belongs to the state itself", "name another file")


@contextmanager
def _owned(state: Path) -> Iterator[Path]:
    """Own a state's lock, with nothing half done, and lend the place of its file."""
    state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    real = state.resolve()
    lock = StateLock(state)
    try:
        lock.own()
        if sqlite_file.is_replaced(real):
            sqlite_file.go_on(real)
        yield real
    finally:
        lock.release()


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{file} cannot be written: {error.strerror}", "check its folder and its disk") from error
    except sqlite3.Error as error:
        raise Unavailable(f"{file} cannot be written: {error}", sqlite_hint(error)) from error


def _copy(source: Path, draft: Path, name: str, remedy: str) -> None:
    sqlite_file.inspect(source, name, remedy)
    with closing(sqlite_file.reader(source)) as original, closing(sqlite3.connect(draft)) as copy:
        # In one step: it is of one moment, and no writer makes it begin again.
        original.backup(copy, pages=-1)
        # A file without a log can be moved, and read where nothing can be written.
        copy.execute("PRAGMA journal_mode = DELETE").close()
    sqlite_file.inspect(draft, name, remedy, check="integrity_check")


def _jobs(draft: Path, name: str) -> int:
    """Count the jobs of a copy, whose schema must be one that this program knows."""
    try:
        with closing(sqlite_file.reader(draft)) as copy:
            [revision] = copy.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone() or ["none"]  # noqa: S608
            migration.require_known(revision, name)
            return int(copy.execute("SELECT count(*) FROM jobs WHERE deleted IS NULL").fetchone()[0])
    except sqlite3.Error as error:
        raise Unavailable(f"the state {name} is damaged: {error}", "use another backup, if there is one") from error
