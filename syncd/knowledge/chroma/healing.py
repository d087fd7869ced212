"""Fills a new store in place of a damaged one, with the documents that are certain.

It grows in a folder inside the damaged one, gets another name once it is complete and has reached the disk, and then
takes the damaged one's place in two renames. `finish` completes or drops what a kill has left of that.
"""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from syncd.knowledge.chroma.closing import mark_closed, sync_path
from syncd.knowledge.chroma.collection import Binding, is_ours
from syncd.knowledge.chroma.connection import connect_embedded
from syncd.knowledge.chroma.index_files import has_database
from syncd.knowledge.chroma.mirror import Copy, Mirror, MirrorError, is_broken
from syncd.knowledge.chroma.mirrored import mirror_file, mirror_files
from syncd.knowledge.chroma.translation import is_damage
from syncd.model.record import Metadata

_GROWING, _COMPLETE = "healing", "healed"

_ENTRIES = 2000
"""Entries that are held in memory, and written at once."""


@dataclass(frozen=True, slots=True)
class Healed:
    """What became of a damaged store.

    Args:
        recovered: how many documents the new store holds.
        lost: how many more the damaged one held, whole or not; None when that cannot be told.
        seconds: what it took.
        aside: where the damaged files are now.
    """

    recovered: int
    lost: int | None
    seconds: float
    aside: Path


@dataclass(frozen=True, slots=True)
class _Damaged:
    """A collection of a damaged store, and where its mirror lies."""

    name: str
    metadata: Metadata
    mirror: Path


def heal(folder: Path) -> Healed:
    """Put a store in a damaged one's place, with all of its collections that syncd made, under new identities.

    What earlier healings set aside is removed: only the newest damaged folder is kept.

    Raises:
        OSError, MirrorError: the disk is full or out of reach; the damaged store is still in its place.
    """
    started = time.monotonic()
    growing = folder / _GROWING
    shutil.rmtree(growing, ignore_errors=True)
    damaged, complete = _collections(folder)
    counts = _fill(growing, damaged)
    mark_closed(growing)
    growing.rename(folder / _COMPLETE)
    sync_path(folder)
    aside = _swap(folder)
    lost = [count for _, count in counts if count is not None]
    return Healed(
        recovered=sum(count for count, _ in counts),
        lost=sum(lost) if complete and len(lost) == len(counts) else None,
        seconds=time.monotonic() - started,
        aside=aside,
    )


def finish(folder: Path) -> Path | None:
    """Complete a healing that was cut off when its new store was complete, and drop what is left of any other.

    Returns:
        Where the damaged files are now, if there was a healing to complete.
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
    """Return the damaged folders that healings have set aside, the oldest first."""
    return sorted(entry for entry in folder.parent.iterdir() if entry.name.startswith(f"{folder.name}.damaged-"))


def _collections(folder: Path) -> tuple[list[_Damaged], bool]:
    """Ask the store for its collections, which needs no index; where it cannot tell, their mirrors do.

    Returns:
        The collections, and whether they are known to be all.
    """
    try:
        if has_database(folder):
            connection = connect_embedded(folder)
            try:
                models = [model for model in connection.collections() if is_ours(model.metadata)]
            finally:
                connection.close()
            return [_Damaged(one.name, one.metadata, mirror_file(folder, str(one.id))) for one in models], True
    except BaseException as error:
        if not is_damage(error):
            raise
    told = [(_about(file), file) for file in mirror_files(folder)]
    # Of two with one name the first was written last.
    named = {about[0]: _Damaged(about[0], about[1], file) for about, file in reversed(told) if about is not None}
    return list(named.values()), bool(told) and all(about is not None for about, _ in told)


def _about(file: Path) -> tuple[str, dict[str, Any]] | None:
    try:
        with closing(Mirror(file)) as mirror:
            return mirror.about()
    except MirrorError as error:
        if not is_broken(error):
            raise
        return None


def _fill(folder: Path, damaged: list[_Damaged]) -> list[tuple[int, int | None]]:
    connection = connect_embedded(folder)
    try:
        return [_copy(Binding(connection, one.name).replace(one.metadata), one.mirror) for one in damaged]
    finally:
        connection.close()


def _copy(collection: Any, file: Path) -> tuple[int, int | None]:
    """Write a mirror's whole documents to a new collection; returns how many there were, and how many others."""
    if not file.exists():
        return 0, None
    recovered, others, broken = 0, 0, False
    page: list[Copy] = []
    try:
        with closing(Mirror(file)) as mirror:
            for document in mirror.documents():
                if document is None:
                    others += 1
                    continue
                recovered += 1
                page += document
                if len(page) >= _ENTRIES:
                    _write(collection, page)
                    page = []
    except MirrorError as error:
        if not is_broken(error):
            raise
        broken = True
    _write(collection, page)
    return recovered, None if broken else others


def _write(collection: Any, page: list[Copy]) -> None:
    if page:
        collection.upsert(
            ids=[copy.id for copy in page],
            embeddings=np.stack([copy.vector for copy in page]),
            documents=[copy.text for copy in page],
            metadatas=[dict(copy.metadata) for copy in page],
        )


def _swap(folder: Path) -> Path:
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    aside = folder.with_name(f"{folder.name}.damaged-{moment}")
    older = set_aside(folder)
    folder.rename(aside)
    _put_in_place(aside, folder)
    for one in older:
        shutil.rmtree(one, ignore_errors=True)
    return aside


def _put_in_place(aside: Path, folder: Path) -> None:
    (aside / _COMPLETE).rename(folder)
    sync_path(aside)
    sync_path(folder.parent)
