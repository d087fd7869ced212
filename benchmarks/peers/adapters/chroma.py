"""What an embedded Chroma holds, and how some of it gets lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import chromadb
import chromadb.api.rust  # else the peers' clients would load it while the clock is running
from chromadb.errors import NotFoundError

PAGE = 5000
KeyOf = Callable[[str, Mapping[str, Any]], int]


def chunks(folder: Path, name: str, key_of: KeyOf) -> Iterator[Mapping[str, Any]]:
    """Yield each chunk of a collection, in the form of `Adapter.dump`; none where no run has made it.

    Args:
        key_of: tells the row's key by a chunk's id and metadata.
    """
    try:
        held = _collection(folder, name)
    except NotFoundError:
        return
    for offset in range(0, held.count(), PAGE):
        page = held.get(limit=PAGE, offset=offset, include=["documents", "metadatas", "embeddings"])
        columns = (page[name] for name in ("ids", "documents", "metadatas", "embeddings"))
        for id_, text, metadata, vector in zip(*columns, strict=True):
            yield {
                "key": key_of(id_, metadata),
                "text": text,
                "category": metadata.get("category"),
                "price": metadata.get("price"),
                "vector": [round(float(number), 6) for number in vector],
            }


def lose(folder: Path, name: str, key_of: KeyOf, keys: Sequence[int]) -> None:
    """Delete every chunk of these rows."""
    held = _collection(folder, name)
    found = held.get(include=["metadatas"])
    lost = [id_ for id_, meta in zip(found["ids"], found["metadatas"], strict=True) if key_of(id_, meta) in set(keys)]
    held.delete(ids=lost)


def _collection(folder: Path, name: str) -> chromadb.Collection:
    return chromadb.PersistentClient(str(folder)).get_collection(name, embedding_function=None)
