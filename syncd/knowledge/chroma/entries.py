"""The entries of a collection, read and written in calls that a store takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from syncd.knowledge.chroma.batches import BYTES, IDS, cut, cut_by_size
from syncd.knowledge.chroma.layout import PART_OF, Entry
from syncd.knowledge.chroma.mirrored import MirroredCollection
from syncd.model.identity import chunk_id
from syncd.model.record import Metadata, StoredChunk


class Calling(Protocol):
    """Translates what a call to the store raises; see `translation.translated`."""

    def __call__(self, *, row_values: bool = False) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, slots=True)
class Entries:
    """What a collection holds, chunk by chunk.

    Args:
        collection: Chroma's.
        calling: put around every call.
        most: entries that the store takes in one call.
    """

    collection: Any
    calling: Calling
    most: int

    def heads(self, document_ids: Sequence[str]) -> dict[str, Metadata]:
        """Return the metadata of the first chunks of these documents, by the entries' ids."""
        return self._get(lambda ids: {"ids": [chunk_id(document, 0) for document in ids]}, document_ids)

    def parts(self, document_ids: Sequence[str]) -> dict[str, Metadata]:
        """Return the metadata of their other chunks."""
        known = None
        if isinstance(self.collection, MirroredCollection):
            with self.calling():
                known = self.collection.parts(document_ids)
        if known is None:
            return self._get(lambda ids: {"where": {PART_OF: {"$in": ids}}}, document_ids)
        return self._get(lambda ids: {"ids": ids}, known)

    def held(self, document_ids: Sequence[str]) -> dict[str, Metadata]:
        """Return the metadata of every entry of these documents, also of those that a cut-off call left behind."""
        return self.heads(document_ids) | self.parts(document_ids)

    def chunks(self, entry_ids: Sequence[str]) -> Iterator[tuple[str, StoredChunk]]:
        """Return these entries whole."""
        for batch in cut(entry_ids, IDS):
            with self.calling():
                found = self.collection.get(ids=batch, include=["documents", "metadatas", "embeddings"])
            columns = (found[name] for name in ("ids", "documents", "embeddings", "metadatas"))
            for id_, text, vector, metadata in zip(*columns, strict=True):
                yield id_, StoredChunk(text or "", tuple(map(float, vector)), metadata or {})

    def write(self, entries: Iterable[Entry]) -> None:
        """Write entries, in this order."""
        for batch in cut_by_size(entries, self.most, BYTES):
            ids = [entry.id for entry in batch]
            metadatas = [dict(entry.metadata) for entry in batch]
            chunks = [entry.chunk for entry in batch if entry.chunk is not None]
            with self.calling(row_values=True):
                if not chunks:
                    self.collection.update(ids=ids, metadatas=metadatas)
                    continue
                self.collection.upsert(
                    ids=ids,
                    embeddings=np.array([chunk.vector for chunk in chunks], dtype=np.float32),
                    documents=[chunk.text for chunk in chunks],
                    metadatas=metadatas,
                )

    def remove(self, entry_ids: Sequence[str]) -> None:
        """Remove entries."""
        for batch in cut(entry_ids, IDS):
            with self.calling():
                self.collection.delete(ids=batch)

    def _get(self, question: Callable[[list[str]], dict[str, Any]], ids: Sequence[str]) -> dict[str, Metadata]:
        entries: dict[str, Metadata] = {}
        for batch in cut(ids, IDS):
            with self.calling():
                found = self.collection.get(include=["metadatas"], **question(batch))
            entries.update(zip(found["ids"], found["metadatas"], strict=True))
        return entries
