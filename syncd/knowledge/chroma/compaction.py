"""Writes a store anew whose index holds more vectors that were removed than vectors that are there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from syncd.knowledge.chroma.collection import Binding, is_ours
from syncd.knowledge.chroma.connection import Connection, connect_embedded
from syncd.knowledge.chroma.healing import ENTRIES, write_copies
from syncd.knowledge.chroma.mirror import Mirror
from syncd.knowledge.chroma.mirrored import mirror_file
from syncd.knowledge.chroma.replacing import begin, replace


class Incomplete(Exception):
    """The store cannot be written anew as it is, and stays."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A collection, and what has to be in the one that takes its place."""

    model: Any
    mirror: Path
    entries: int


def compact(folder: Path, connection: Connection) -> int:
    """Put a store in a sound one's place that holds the same under the same identities; returns how many entries.

    Args:
        connection: to the store in the folder, which this closes.

    Raises:
        Incomplete: not all of it can be taken over. After this and any other error, `finish` has to decide which of the
            two stores stays, before one is opened.
    """
    try:
        held = list(_held(folder, connection))
    finally:
        connection.close()
    _fill(begin(folder), held)
    shutil.rmtree(replace(folder), ignore_errors=True)
    return sum(one.entries for one in held)


def _held(folder: Path, connection: Connection) -> Iterator[_Held]:
    for model in connection.collections():
        if not is_ours(model.metadata):
            raise Incomplete(f"the collection {model.name} was not made by syncd")
        # Bound, it is brought in step with its mirror first.
        collection = Binding(connection, model.name).bound(model).collection
        yield _Held(model, mirror_file(folder, str(model.id)), int(collection.count()))


def _fill(folder: Path, held: list[_Held]) -> None:
    connection = connect_embedded(folder)
    try:
        for one in held:
            written = _copy(Binding(connection, one.model.name).again(one.model.metadata), one.mirror)
            if written != one.entries:
                raise Incomplete(f"{one.model.name} holds {one.entries} chunks, and {written} are certain")
    finally:
        connection.close()


def _copy(collection: Any, file: Path) -> int:
    written = 0
    with closing(Mirror(file)) as mirror:
        entries = mirror.certain()
        while page := list(islice(entries, ENTRIES)):
            write_copies(collection, page)
            written += len(page)
    return written
