"""The file of a SQLite state: made whole or not at all, looked through before it is trusted, private."""

from __future__ import annotations

import os
import sqlite3
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from syncd.errors import Unavailable
from syncd.state.failure import RESTORE, sqlite_hint
from syncd.state.lock import ENDING as LOCK

APPLICATION_ID = 0x73796E63
"""`sync` in ASCII, in the file's header: tells a state from any other SQLite database."""

BUSY_TIMEOUT_S = 5.0
_LOGS = ("-wal", "-journal")
_NEXT = ".restoring"
_OWNER_ONLY = stat.S_IRUSR | stat.S_IWUSR


def is_new(path: Path) -> bool:
    """Tell whether there is no state at `path` yet.

    Raises:
        Unavailable: there is none, but something shows that there was one.
    """
    # In this order: a live state's log appears only after its file.
    orphaned_log = next((log for ending in _LOGS if (log := _beside(path, ending)).exists()), None)
    if path.exists() or is_replaced(path):
        return False
    if orphaned_log is not None:
        raise Unavailable(
            f"the state {path} is missing, but its log {orphaned_log.name} is there",
            f"put the file back beside its log, or move the log away; {RESTORE}",
        )
    require_linked(path)
    return True


def require_linked(path: Path) -> None:
    """Return unless `path` is a link that leads nowhere.

    Raises:
        Unavailable: it is.
    """
    if path.is_symlink() and not path.exists():
        raise Unavailable(
            f"the state {path} is a link to {path.readlink()}, which is not there",
            "mount the disk that it is on, or remove the link",
        )


def files_of(path: Path) -> list[Path]:
    """Return every file that belongs to a state, whether it is there or not."""
    return [_beside(path, ending) for ending in ("", *_LOGS, "-shm", _NEXT, LOCK)]


def ensure(path: Path, build: Callable[[Path], None]) -> None:
    """Make sure that a sound state file is at `path`, making one when there is none.

    A new file appears in one step, complete, so a file that is found was complete once: nothing ever starts empty
    in place of a damaged one. A damaged file is left as it is.

    Args:
        path: where the state lives, in a folder that is there.
        build: fills a new, empty SQLite file with the schema and closes it.

    Raises:
        Unavailable: the file is damaged, is no state of syncd, or cannot be made or read.
    """
    with told(path):
        if is_new(path):
            _create(path, build)
        inspect(path, f"the state {path}", RESTORE)
        if path.stat().st_mode & 0o077:
            path.chmod(_OWNER_ONLY)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Raise Unavailable for what the system and SQLite cannot do with a state's file."""
    try:
        yield
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


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Lend an empty file of its owner's beside `path`, under another name; what is left of it is removed at the end."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")
    try:
        # SQLite's logs take their mode from the file, so it must be private before SQLite sees it.
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNER_ONLY))
        yield draft
    finally:
        for ending in ("", "-shm", *_LOGS):
            _beside(draft, ending).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(path: Path, draft: Path) -> Path | None:
    """Let a complete file be the state at `path`, and return where the one before it is now, if there was one.

    From its first step on it is completed by the next `go_on`, whenever this process ends. The caller owns the state's
    lock.
    """
    sync(draft)
    draft.rename(_beside(path, _NEXT))
    sync(path.parent)
    return go_on(path)


def is_replaced(path: Path) -> bool:
    """Tell whether a `replace` has begun and not ended."""
    return _beside(path, _NEXT).exists()


def go_on(path: Path) -> Path | None:
    """Complete a `replace` that has begun; returns as that. The caller owns the state's lock."""
    following = _beside(path, _NEXT)
    # Whoever completes it finds the same name, so that a file and its logs stay together.
    made = datetime.fromtimestamp(following.stat().st_mtime_ns / 1e9, UTC)
    aside = _beside(path, f".before-restore-{made:%Y%m%dT%H%M%S%fZ}")
    # The logs first: beside another file they would damage it.
    for ending in ("-shm", *_LOGS, ""):
        with suppress(FileNotFoundError):
            _beside(path, ending).rename(_beside(aside, ending))
    sync(path.parent)
    following.rename(path)
    sync(path.parent)
    return aside if any(file.exists() for file in files_of(aside)) else None


def inspect(path: Path, name: str, remedy: str, *, check: str = "quick_check") -> None:
    """Look through a file without changing it.

    Args:
        name: what messages call it.
        remedy: what to do about a damaged one.
        check: SQLite's check of the whole file.

    Raises:
        Unavailable: it is damaged, or no state of syncd.
    """
    if path.stat().st_size == 0:
        raise Unavailable(f"{name} is empty, and a state never is", remedy)
    try:
        with closing(reader(path)) as found:
            faults = [row[0] for row in found.execute(f"PRAGMA {check}(1)")]
            application = found.execute("PRAGMA application_id").fetchone()[0]
    except sqlite3.OperationalError as error:
        raise Unavailable(f"{name} cannot be read: {error}", sqlite_hint(error)) from error
    except sqlite3.DatabaseError as error:
        raise Unavailable(f"{name} is damaged: {error}", remedy) from error
    if faults != ["ok"]:
        raise Unavailable(f"{name} is damaged: {faults[0].splitlines()[-1]}", remedy)
    if application != APPLICATION_ID:
        raise Unavailable(
            f"{path} is a SQLite database, but no state of syncd", "name a file of its own for syncd in `state`"
        )


def reader(path: Path) -> sqlite3.Connection:
    """Open a file for reading alone, so that looking at a damaged one cannot change it."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)


def _create(path: Path, build: Callable[[Path], None]) -> None:
    with drafted(path) as draft:
        with closing(sqlite3.connect(draft)) as connection:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        build(draft)
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # another process was first; its file is as good
        sync(path.parent)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
