"""Opens an embedded store, and heals one that is damaged for good."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncd.errors import PermanentError, SyncdError, Unavailable
from syncd.knowledge.chroma.closing import is_closed, mark_closed, unmark
from syncd.knowledge.chroma.collection import Binding
from syncd.knowledge.chroma.compaction import compact
from syncd.knowledge.chroma.connection import Connection, connect_embedded
from syncd.knowledge.chroma.healing import heal
from syncd.knowledge.chroma.lock import FolderLock
from syncd.knowledge.chroma.probe import glance
from syncd.knowledge.chroma.replacing import finish, set_aside
from syncd.knowledge.chroma.translation import is_damage, translated

_log = logging.getLogger(__name__)

_SECONDS, _BYTES_PER_SECOND = 180.0, 10e6
"""How long the examination of a store may take, for its size; a torn index can keep it busy for ever."""


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """An embedded store that answered, and the lock on its folder.

    Args:
        worn: whether its index is mostly what was removed, and could not be written anew.
    """

    folder: Path
    binding: Binding
    collection: Any
    lock: FolderLock
    worn: bool

    def is_worn(self) -> bool:
        """Tell whether its index has become mostly what was removed."""
        # One that could not be written anew when it was opened would not be this time either.
        return not self.worn and bool(self.collection.is_worn())

    def close(self, *, in_order: bool) -> None:
        """Let go of it.

        Args:
            in_order: whether the next owner may trust what it finds.
        """
        try:
            self.binding.connection.close()
            if in_order:
                _trust(self.folder)
        finally:
            self.lock.release()


def open_embedded(folder: Path, name: str, embedding: str, holder: Mapping[str, str]) -> OpenedStore:
    """Open the store in a folder once it has shown that it answers.

    When its last owner did not close it in order, it is examined in another process first. A damaged one is renamed to
    `<folder>.damaged-<time>`, and one that holds all that is certain of it takes its place. One whose index is mostly
    what was removed is written anew.

    Raises:
        InUse: another process owns the folder.
        Unavailable: the folder cannot be used; nothing was moved.
        PermanentError: as `Binding.open`.
    """
    folder = folder.expanduser().resolve()
    lock = FolderLock(folder, holder)
    try:
        with _usable(folder):
            if aside := finish(folder):
                _log.warning("writing %s anew was cut off and is complete now: its former files are in %s", name, aside)
            _try_out(folder)
            if folder.exists() and not is_closed(folder) and (damage := _examine(folder, lock)):
                _heal(folder, name, damage)
            unmark(folder)
        try:
            binding, collection = _open(folder, name, embedding)
        except SyncdError as error:
            if isinstance(error, PermanentError):
                # Nothing was written, and whoever asks next need not examine it again.
                _trust(folder)
            if not is_damage(error):
                raise
            with _usable(folder):
                _try_out(folder)
                _heal(folder, name, error.message)
            binding, collection = _open(folder, name, embedding)
        if collection.is_worn():
            _compact(folder, name, binding.connection)
            binding, collection = _open(folder, name, embedding)
    except BaseException:
        lock.release()
        raise
    return OpenedStore(folder, binding, collection, lock, collection.is_worn())


def remove_embedded(folder: Path, holder: Mapping[str, str]) -> None:
    """Remove a folder with all that it holds, and what was set aside of it; its empty lock file stays.

    Raises:
        InUse: a process owns it.
        Unavailable: it is a link, or cannot be removed.
    """
    if folder.is_symlink():
        raise Unavailable(f"{folder} is a link, and what it leads to stays as it is", "remove the link by hand")
    lock = FolderLock(folder, holder)
    try:
        for one in (*set_aside(folder), folder):
            if one.exists():
                shutil.rmtree(one)
    except OSError as error:
        raise Unavailable(f"{folder} cannot be removed: {error}", "remove it by hand") from error
    finally:
        lock.release()


def _open(folder: Path, name: str, embedding: str) -> tuple[Binding, Any]:
    with translated(f"the knowledge base {name} in {folder}", opening=True):
        connection = connect_embedded(folder)
        try:
            binding = Binding(connection, name)
            collection = binding.open(embedding)
            glance(collection)
            connection.prune()
        except BaseException:
            connection.close()
            raise
    return binding, collection


def _examine(folder: Path, lock: FolderLock) -> str:
    """Return what is damaged in a store whose last owner did not close it; nothing when it is sound."""
    command = [sys.executable, "-m", "syncd.knowledge.chroma.examination", str(folder)]
    limit = _SECONDS + sum(file.stat().st_size for file in folder.rglob("*")) / _BYTES_PER_SECOND
    try:
        # The examination holds the lock too: should this process be killed now, nobody opens the folder beside it.
        ended = subprocess.run(  # noqa: S603 - our own interpreter and module
            command, capture_output=True, text=True, timeout=limit, check=False, pass_fds=[lock.descriptor]
        )
    except subprocess.TimeoutExpired:
        return f"it did not answer within {limit:.0f} s"
    except OSError as error:
        raise Unavailable(f"{folder} cannot be examined: {error}", "free memory or process slots") from error
    if ended.returncode in {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT}:
        raise Unavailable(f"the examination of {folder} was stopped by a signal", "start again; check the memory")
    if ended.returncode < 0:
        return f"it crashes its reader ({signal.Signals(-ended.returncode).name})"
    return ended.stdout.strip()


def _heal(folder: Path, name: str, damage: str) -> None:
    with translated(f"a store in place of {folder}, which is damaged ({damage}),", opening=True):
        healed = heal(folder)
    _log.warning(
        "the knowledge base %s was damaged (%s) and has been rebuilt under a new identity in %.1f s: "
        "%d documents were recovered, %s will be embedded again; its files are now in %s",
        name,
        damage,
        healed.seconds,
        healed.recovered,
        "an unknown number" if healed.lost is None else healed.lost,
        healed.aside,
    )


def _compact(folder: Path, name: str, connection: Connection) -> None:
    started = time.monotonic()
    try:
        entries = compact(folder, connection)
    except Exception as error:  # whatever it is, both stores are sound, and one of them is there after this
        with _usable(folder):
            finish(folder)
        _log.warning(
            "the index of %s holds more removed chunks than others, and could not be written anew: %s", name, error
        )
        return
    seconds = time.monotonic() - started
    _log.info(
        "the index of %s held more removed chunks than others: %d were written anew in %.1f s", name, entries, seconds
    )


def _trust(folder: Path) -> None:
    """Spare the next owner the examination, if the disk takes the mark."""
    with suppress(OSError):
        mark_closed(folder)


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    """Tell an environment's fault as such, so that it is not taken for damage."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"the folder {folder} cannot be used: {error.strerror or error}",
            "check its permissions and the disk's space",
        ) from error


def _try_out(folder: Path) -> None:
    """Open every file here for writing, and write one, which the next owner removes if this one dies before it does."""
    if not folder.exists():
        return
    trial = folder / ".syncd-trial"
    try:
        for file in folder.rglob("*"):
            if file.is_file():
                with file.open("rb+"):
                    pass
        with trial.open("wb") as stream:
            stream.write(bytes(65_536))
            stream.flush()
            os.fsync(stream.fileno())
    finally:
        with suppress(OSError):
            trial.unlink(missing_ok=True)
