"""Counts what an embedded store holds without opening it, for which Chroma would have to be loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from syncd.knowledge.chroma.closing import is_closed
from syncd.knowledge.chroma.collection import NEXT, embedding_in
from syncd.knowledge.chroma.lock import FolderLock
from syncd.knowledge.chroma.mirror import MirrorError, look
from syncd.knowledge.chroma.mirrored import mirror_files


def count_unopened(folder: Path, name: str, embedding: str, holder: Mapping[str, str]) -> int | None:
    """Count the chunks of a store that was closed in order, and change nothing.

    Args:
        embedding: what must fill it.

    Returns:
        None where only opening the store can tell, or would complain.

    Raises:
        InUse: another process owns the folder.
        Unavailable: its lock cannot be taken.
    """
    folder = folder.expanduser().resolve()
    lock = FolderLock(folder, holder)
    try:
        if not is_closed(folder):
            return None
        seen = {told[0]: told[1:] for told in map(look, mirror_files(folder)) if told is not None}
    except MirrorError:
        return None
    finally:
        lock.release()
    if name not in seen or name + NEXT in seen:
        return None
    metadata, chunks = seen[name]
    return chunks if embedding_in(metadata) == embedding else None
