"""Opens an embedded store, and starts anew in place of one that is damaged for good."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from syncd.errors import SyncdError, Unavailable
from syncd.knowledge.chroma.collection import Binding
from syncd.knowledge.chroma.connection import Connection, connect_embedded
from syncd.knowledge.chroma.lock import FolderLock
from syncd.knowledge.chroma.probe import glance
from syncd.knowledge.chroma.translation import is_damage, translated

_log = logging.getLogger(__name__)

_PROBE_SECONDS = 180.0
"""How long a store may take to answer after it was not closed in order; a torn index can keep it busy for ever."""


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """An embedded store that answered, and the lock on its folder."""

    binding: Binding
    collection: Any
    lock: FolderLock


def open_embedded(folder: Path, name: str, embedding: str, holder: Mapping[str, str]) -> OpenedStore:
    """Open the store in a folder once it has shown that it answers.

    When its last owner was killed, it is examined in another process first. A damaged one is renamed to
    `<folder>.damaged-<time>`, and an empty one takes its place.

    Raises:
        InUse: another process owns the folder.
        Unavailable: the folder cannot be used; nothing was moved.
        PermanentError: as `Binding.open`.
    """
    folder = folder.expanduser().resolve()
    lock = FolderLock(folder, holder)
    try:
        _require_usable(folder)
        if lock.left_open and (damage := _examine(folder, name, lock)):
            _set_aside(folder, name, damage)
        try:
            binding, collection = _open(folder, name, embedding)
        except SyncdError as error:
            if not is_damage(error):
                raise
            _require_usable(folder)
            _set_aside(folder, name, error.message)
            binding, collection = _open(folder, name, embedding)
    except BaseException:
        lock.release(in_order=not lock.left_open)
        raise
    return OpenedStore(binding, collection, lock)


def remove_embedded(folder: Path, holder: Mapping[str, str]) -> None:
    """Remove a folder with all that it holds, unless it is gone already; its empty lock file stays.

    Raises:
        InUse: a process owns it.
        Unavailable: it is a link, or cannot be removed.
    """
    if folder.is_symlink():
        raise Unavailable(f"{folder} is a link, and what it leads to stays as it is", "remove the link by hand")
    lock = FolderLock(folder, holder)
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Unavailable(f"{folder} cannot be removed: {error}", "remove it by hand") from error
    finally:
        lock.release()


def _open(folder: Path, name: str, embedding: str) -> tuple[Binding, Any]:
    with translated(f"the knowledge base {name} in {folder}", opening=True):
        connection: Connection = connect_embedded(folder)
        try:
            binding = Binding(connection, name)
            collection = binding.open(embedding)
            glance(collection)
        except BaseException:
            connection.close()
            raise
    return binding, collection


def _examine(folder: Path, name: str, lock: FolderLock) -> str:
    """Return what is damaged in a store whose last owner did not close it; nothing when it is sound."""
    command = [sys.executable, "-m", "syncd.knowledge.chroma.examination", str(folder), name]
    try:
        # The probe holds the lock too: should this process be killed now, nobody opens the folder beside it.
        ended = subprocess.run(  # noqa: S603 - our own interpreter and module
            command, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False, pass_fds=[lock.descriptor]
        )
    except subprocess.TimeoutExpired:
        return f"it did not answer within {_PROBE_SECONDS:.0f} s"
    except OSError as error:
        raise Unavailable(f"{folder} cannot be examined: {error}", "free memory or process slots") from error
    if ended.returncode in {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT}:
        raise Unavailable(f"the examination of {folder} was stopped by a signal", "start again; check the memory")
    if ended.returncode < 0:
        return f"it crashes its reader ({signal.Signals(-ended.returncode).name})"
    return ended.stdout.strip()


def _set_aside(folder: Path, name: str, damage: str) -> None:
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    aside = folder.with_name(f"{folder.name}.damaged-{moment}")
    try:
        folder.rename(aside)
    except OSError as error:
        raise Unavailable(f"{folder} is damaged and cannot be set aside: {error}", "move it away by hand") from error
    _log.warning(
        "the knowledge base %s is damaged (%s): its files are now in %s, and it starts empty under a new identity; "
        "every document will be embedded again",
        name,
        damage,
        aside,
    )


def _require_usable(folder: Path) -> None:
    """Check that files here can be opened and written, so that an environment's fault is not taken for damage."""
    if not folder.exists():
        return
    trial = folder / f".syncd-{os.getpid()}"
    try:
        for file in folder.rglob("*"):
            if file.is_file():
                with file.open("rb+"):
                    pass
        with trial.open("wb") as stream:
            stream.write(bytes(65_536))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise Unavailable(
            f"the folder {folder} cannot be used: {error.strerror or error}",
            "check its permissions and the disk's space",
        ) from error
    finally:
        with suppress(OSError):
            trial.unlink(missing_ok=True)
