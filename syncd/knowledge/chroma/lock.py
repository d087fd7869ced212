"""One process owns an embedded knowledge base (invariant 5)."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path

from syncd.errors import InUse, Unavailable


class FolderLock:
    """A lock on a folder, held until it is released or the process ends, however it ends.

    It is a file beside the folder, so that the folder can be moved away under it. While it is held it tells who holds
    it; it is empty after a release.

    Args:
        folder: the folder to own.
        holder: what others are told about the owner.

    Raises:
        InUse: another open knowledge base owns it, in this process or another.
        Unavailable: the lock file cannot be made or written.
    """

    def __init__(self, folder: Path, holder: Mapping[str, str]) -> None:
        self.path = _file_of(folder)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Python's descriptors do not pass to child processes, or a child would go on holding the lock.
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Unavailable(
                f"{self.path} cannot be made: {error.strerror}", "check the folder's permissions"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = _told(self._file)
            os.close(self._file)
            raise _in_use(folder, owner) from error
        try:
            self._write(json.dumps(dict(holder) or {"pid": str(os.getpid())}))
        except OSError as error:
            os.close(self._file)
            raise Unavailable(
                f"{self.path} cannot be written: {error.strerror}", "check the disk's space and permissions"
            ) from error

    @property
    def descriptor(self) -> int:
        """The open lock file: a child process that is given it holds the lock as well."""
        return self._file

    def release(self) -> None:
        """Let go."""
        self._write("")
        os.close(self._file)

    def _write(self, text: str) -> None:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text.encode("utf-8"), 0)
        os.fsync(self._file)


def holder_of(folder: Path) -> dict[str, str]:
    """Return what the owner of a folder says of itself; nothing where nobody owns it. Makes no file."""
    try:
        file = os.open(_file_of(folder), os.O_RDONLY)
    except OSError:
        return {}
    try:
        owner = _told(file)
        # An empty file has no owner; to try its lock would be in the way of one who comes just now.
        return owner if owner and not _is_free(file) else {}
    finally:
        os.close(file)


def _file_of(folder: Path) -> Path:
    return folder.with_name(folder.name + ".lock")


def _is_free(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _told(file: int) -> dict[str, str]:
    text = os.pread(file, 65_536, 0).decode("utf-8", "replace")
    if not text:
        return {}
    try:
        return {str(key): str(value) for key, value in json.loads(text).items()}
    except (ValueError, AttributeError):
        return {"unknown": "the lock file is not readable"}


def _in_use(folder: Path, owner: dict[str, str]) -> InUse:
    told = ", ".join(f"{key} {value}" for key, value in owner.items()) or "another process"
    return InUse(
        f"{folder} is in use by {told}", owner, "stop that one, or ask it: one process owns an embedded Chroma"
    )
