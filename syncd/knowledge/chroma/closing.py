"""Tells, in a store's own folder, that its last owner closed it in order and that all of it has reached the disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

_MARK = "closed.json"


def mark_closed(folder: Path) -> None:
    """Sync every file to disk, which Chroma does not do for its index, and then leave the mark."""
    for path in folder.rglob("*"):
        sync_path(path)
    mark = folder / _MARK
    mark.write_text(json.dumps(_sizes(folder)))
    sync_path(mark)
    sync_path(folder)


def is_closed(folder: Path) -> bool:
    """Tell whether the mark is there and every file is as long as it was then."""
    try:
        return bool(json.loads((folder / _MARK).read_text()) == _sizes(folder))
    except (OSError, ValueError):
        return False


def unmark(folder: Path) -> None:
    """Take the mark away, so that a copy that is made from now on does not carry it either."""
    mark = folder / _MARK
    if mark.exists():
        mark.unlink()
        sync_path(folder)


def sync_path(path: Path) -> None:
    """Wait until a file's content, or a folder's entries, have reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sizes(folder: Path) -> dict[str, int]:
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != _MARK)
    return {str(file.relative_to(folder)): file.stat().st_size for file in sorted(files)}
