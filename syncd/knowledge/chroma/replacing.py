"""Puts a store in another's place, so that a kill at any moment leaves one of the two.

It grows in a folder inside the other one, gets another name once it is complete and has reached the disk, and then
takes the other one's place in two renames. `finish` completes or drops what a kill has left of that.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from syncd.knowledge.chroma.closing import mark_closed, sync_path

_GROWING, _COMPLETE = "healing", "healed"


def begin(folder: Path) -> Path:
    """Return the folder, not there yet, in which the store shall grow that will take this one's place."""
    growing = folder / _GROWING
    shutil.rmtree(growing, ignore_errors=True)
    return growing


def replace(folder: Path) -> Path:
    """Put what has grown in the place of the folder that it grew in, once it has reached the disk.

    Returns:
        Where the former files are now.
    """
    growing = folder / _GROWING
    mark_closed(growing)
    growing.rename(folder / _COMPLETE)
    sync_path(folder)
    return _swap(folder)


def finish(folder: Path) -> Path | None:
    """Complete a replacement that was cut off when its new store was complete, and drop what is left of any other.

    Returns:
        Where the former files are now, if there was one to complete.
    """
    shutil.rmtree(folder / _GROWING, ignore_errors=True)
    if (folder / _COMPLETE).exists():
        return _swap(folder)
    if not folder.exists():
        for aside in set_aside(folder)[-1:]:
            if (aside / _COMPLETE).exists():
                _put_in_place(aside, folder)
                return aside
    return None


def set_aside(folder: Path) -> list[Path]:
    """Return the folders that stores were replaced in, the oldest first."""
    return sorted(entry for entry in folder.parent.iterdir() if entry.name.startswith(f"{folder.name}.damaged-"))


def _swap(folder: Path) -> Path:
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    aside = folder.with_name(f"{folder.name}.damaged-{moment}")
    folder.rename(aside)
    _put_in_place(aside, folder)
    return aside


def _put_in_place(aside: Path, folder: Path) -> None:
    (aside / _COMPLETE).rename(folder)
    sync_path(aside)
    sync_path(folder.parent)
