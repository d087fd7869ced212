"""Examines an embedded store in a process of its own: one that a kill has torn apart can take its reader with it.

`python -m syncd.knowledge.chroma.examination FOLDER NAME` prints what is damaged for good, or nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from syncd.knowledge.chroma.connection import connect_embedded
from syncd.knowledge.chroma.index_files import torn
from syncd.knowledge.chroma.probe import glance
from syncd.knowledge.chroma.translation import is_damage

SAMPLE = 64
"""How many vectors a thorough probe looks for."""

_NEAR = 0.01
"""The largest cosine distance at which a vector counts as found by itself."""


def missing(collection: Any) -> str:
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


def main(folder: str, name: str) -> str:
    """Examine the collection in a folder; returns what is damaged, or nothing."""
    from chromadb.api.models.Collection import Collection
    from chromadb.errors import NotFoundError

    try:
        if damage := torn(Path(folder)):
            return damage
        connection = connect_embedded(Path(folder))
        model = connection.api.get_collection(name=name, tenant=connection.tenant, database=connection.database)
        collection = Collection(client=connection.api, model=model, embedding_function=None)
        glance(collection)
        return missing(collection)
    except NotFoundError:
        return ""
    except BaseException as error:
        # What is not damage will be met again, and told, by the process that asked.
        return str(error) if is_damage(error) else ""


if __name__ == "__main__":
    sys.stdout.write(main(*sys.argv[1:3]))
