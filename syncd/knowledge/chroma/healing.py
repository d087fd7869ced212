"""Fills a new store in place of a damaged one, with the documents that are certain."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from syncd.knowledge.chroma.collection import Binding, is_ours
from syncd.knowledge.chroma.connection import connect_embedded
from syncd.knowledge.chroma.index_files import has_database
from syncd.knowledge.chroma.mirror import Copy, Mirror, MirrorError, is_broken
from syncd.knowledge.chroma.mirrored import mirror_file, mirror_files
from syncd.knowledge.chroma.replacing import begin, replace, set_aside
from syncd.knowledge.chroma.translation import is_damage
from syncd.model.record import Metadata

ENTRIES = 2000
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
    growing = begin(folder)
    damaged, complete = _collections(folder)
    counts = _fill(growing, damaged)
    aside = replace(folder)
    for older in set_aside(folder):
        if older != aside:
            shutil.rmtree(older, ignore_errors=True)
    lost = [count for _, count in counts if count is not None]
    return Healed(
        recovered=sum(count for count, _ in counts),
        lost=sum(lost) if complete and len(lost) == len(counts) else None,
        seconds=time.monotonic() - started,
        aside=aside,
    )


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
                if len(page) >= ENTRIES:
                    write_copies(collection, page)
                    page = []
    except MirrorError as error:
        if not is_broken(error):
            raise
        broken = True
    write_copies(collection, page)
    return recovered, None if broken else others


def write_copies(collection: Any, page: list[Copy]) -> None:
    """Write entries of a mirror to a collection."""
    if page:
        collection.upsert(
            ids=[copy.id for copy in page],
            embeddings=np.stack([copy.vector for copy in page]),
            documents=[copy.text for copy in page],
            metadatas=[dict(copy.metadata) for copy in page],
        )
