"""The file of a SQLite state: made whole or not at all, looked through before it is trusted, private."""

from __future__ import annotations

import os
import sqlite3
import stat
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from syncd.errors import Unavailable
from syncd.state.failure import sqlite_hint

APPLICATION_ID = 0x73796E63
"""`sync` in ASCII, in the file's header: tells a state from any other SQLite database."""

BUSY_TIMEOUT_S = 5.0
_OWNER_ONLY = stat.S_IRUSR | stat.S_IWUSR
_RESTORE = "stop syncd and put a backup of the file in its place"


def ensure(path: Path, build: Callable[[Path], None]) -> None:
    """Make sure that a sound state file is at `path`, making one when there is none.

    A new file appears in one step, complete, so a file that is found was complete once: nothing ever starts empty
    in place of a damaged one. A damaged file is left as it is.

    Args:
        path: where the state lives.
        build: fills a new, empty SQLite file with the schema and closes it.

    Raises:
        Unavailable: the file is damaged, is no state of syncd, or cannot be made or read.
    """
    try:
        # In this order: a live state's log appears only after its file.
        orphaned_log = path.with_name(path.name + "-wal").exists()
        if not path.exists():
            if orphaned_log:
                raise Unavailable(
                    f"the state {path} is missing, but its log {path.name}-wal is there",
                    "put the file back beside its log, or move the log away to start anew",
                )
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _create(path, build)
        _inspect(path)
        if path.stat().st_mode & 0o077:
            path.chmod(_OWNER_ONLY)
    except sqlite3.Error as error:
        raise Unavailable(f"the state {path} cannot be made: {error}", sqlite_hint(error)) from error
    except OSError as error:
        raise Unavailable(
            f"the state {path} cannot be made or read: {error.strerror}", "let this user write the folder"
        ) from error


def prepare(connection: sqlite3.Connection) -> None:
    """Set up a new connection: durable commits, references checked, transactions begun by hand."""
    connection.isolation_level = None
    for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {setting}").close()


def _create(path: Path, build: Callable[[Path], None]) -> None:
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")
    try:
        # The log and its index take their mode from the file, so it must be private before SQLite sees it.
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNER_ONLY))
        with closing(sqlite3.connect(draft)) as connection:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        build(draft)
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # another process was first; its file is as good
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        for suffix in ("", "-wal", "-shm"):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def _inspect(path: Path) -> None:
    if path.stat().st_size == 0:
        raise Unavailable(f"the state {path} is empty, and a state never is", f"{_RESTORE}, or remove it to start anew")
    try:
        # Read-only, so that looking at a damaged file cannot change it.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)) as found:
            faults = [row[0] for row in found.execute("PRAGMA quick_check(1)")]
            application = found.execute("PRAGMA application_id").fetchone()[0]
    except sqlite3.OperationalError as error:
        raise Unavailable(f"the state {path} cannot be read: {error}", sqlite_hint(error)) from error
    except sqlite3.DatabaseError as error:
        raise Unavailable(f"the state {path} is damaged: {error}", _RESTORE) from error
    if faults != ["ok"]:
        raise Unavailable(f"the state {path} is damaged: {faults[0].splitlines()[-1]}", _RESTORE)
    if application != APPLICATION_ID:
        raise Unavailable(
            f"{path} is a SQLite database, but no state of syncd", "name a file of its own for syncd in `state`"
        )
