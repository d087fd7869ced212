"""Examines an embedded store in a process of its own: one that a kill has torn apart can take its reader with it.

`python -m syncd.knowledge.chroma.examination FOLDER` prints what is damaged for good, or nothing.
"""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from syncd.knowledge.chroma.collection import is_ours
from syncd.knowledge.chroma.connection import Connection, connect_embedded
from syncd.knowledge.chroma.index_files import has_database, torn
from syncd.knowledge.chroma.mirror import Mirror
from syncd.knowledge.chroma.mirrored import mirror_file, mirror_files
from syncd.knowledge.chroma.probe import glance
from syncd.knowledge.chroma.translation import is_damage

SAMPLE = 64
"""How many vectors are looked for by themselves."""

_NEAR = 0.01
"""The largest cosine distance at which a vector counts as found by itself."""

_EQUAL = 1e-5
"""The largest cosine distance between a vector and what became of it in an index that stores it at length 1."""

_PAGE = 1000


def unfound(collection: Any) -> str:
    """Look for a sample of the stored vectors by themselves.

    Returns:
        What is wrong; empty when most are found. The index is approximate: a few may always be missed.
    """
    ids = collection.get(include=[])["ids"]
    if not ids:
        return ""
    step = max(1, len(ids) // SAMPLE)
    chosen = sorted({*ids[::step], ids[-1]})
    vectors = collection.get(ids=chosen, include=["embeddings"])["embeddings"]
    answers = collection.query(query_embeddings=vectors, n_results=1, include=["distances"])["distances"]
    lost = sum(1 for distances in answers if not distances or not distances[0] < _NEAR)
    return f"{lost} of {len(chosen)} vectors are not found by themselves" if lost * 2 > len(chosen) else ""


def differing(collection: Any, file: Path) -> str:
    """Compare every vector with the one in the collection's mirror; returns what is wrong."""
    if not file.exists():
        return ""
    mirror = Mirror(file)
    try:
        copies = mirror.certain()
        while page := {copy.id: copy.vector for copy in islice(copies, _PAGE)}:
            held = collection.get(ids=list(page), include=["embeddings"])
            if len(held["ids"]) < len(page):
                return f"{len(page) - len(held['ids'])} chunks of {len(page)} that it had taken are gone"
            written = np.stack([page[entry] for entry in held["ids"]])
            if other := _count_other(held["embeddings"], written):
                return f"{other} vectors of {len(page)} are not those that were written"
    finally:
        mirror.close()
    return ""


def main(folder: Path) -> str:
    """Examine the collections in a folder that syncd made; returns what is damaged, or nothing."""
    try:
        if damage := torn(folder):
            return damage
        if not has_database(folder):
            return "its database is gone" if mirror_files(folder) else ""
        connection = connect_embedded(folder)
        return next(filter(None, (_examined(connection, model, folder) for model in connection.collections())), "")
    except BaseException as error:
        # What is not damage will be met again, and told, by the process that asked.
        return str(error) if is_damage(error) else ""


def _examined(connection: Connection, model: Any, folder: Path) -> str:
    from chromadb.api.models.Collection import Collection

    if not is_ours(model.metadata):
        return ""
    collection = Collection(client=connection.api, model=model, embedding_function=None)
    glance(collection)
    return unfound(collection) or differing(collection, mirror_file(folder, str(model.id)))


def _count_other(held: Any, written: npt.NDArray[np.float32]) -> int:
    """Count the vectors that point elsewhere than those that were written; those without a direction count as equal."""
    one, other = np.asarray(held, np.float64), np.asarray(written, np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    equal = np.einsum("ij,ij->i", one, other) >= (1 - _EQUAL) * lengths
    return int(np.count_nonzero(~equal))


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1])))
