"""The loop that most people write first: rows above the largest value seen, embedded, upserted, the largest value kept.

It is here to be tormented beside syncd, and is written as well as such a loop usually is: it remembers only what has
been written, writes in batches, and starts from the beginning when its definition changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from syncd.chunk.text import TextChunker, TextOptions
from syncd.embed.hashing import HashingEmbedder, HashingOptions
from syncd.model.identity import document_of, number_of
from syncd.model.record import Fingerprint, StoredChunk, StoredDocument
from syncd.torture.comparison import NEAREST, Chunk, Vector
from syncd.torture.installation import DIMENSION, KNOWLEDGE_BASE, MOST_TOKENS, Setting
from syncd.torture.table import NAME, Row

BATCH = 50


class NaiveLoop:
    """A collection of its own, and a file with the largest filter value.

    Args:
        folder: where both lie.
        url: the database.
    """

    def __init__(self, folder: Path, url: str) -> None:
        import chromadb
        from chromadb.config import Settings

        self._remembered = folder / "largest.json"
        self._url = url
        self._client = chromadb.PersistentClient(str(folder / "kb"), Settings(anonymized_telemetry=False))
        self.collection = self._client.get_or_create_collection(
            KNOWLEDGE_BASE, embedding_function=None, metadata={"hnsw:space": "cosine", "hnsw:M": 48}
        )

    def sync(self, setting: Setting, reached: Callable[[str], None]) -> None:
        """Take over every row above the largest value seen."""
        embedder = HashingEmbedder(HashingOptions(dimension=DIMENSION))
        chunker = TextChunker(TextOptions(max_tokens=MOST_TOKENS, overlap=0), embedder)
        for rows in self._batches(setting):
            reached("read")
            texts = {f"db.{NAME}:{row['id']}": (setting.text(row), row) for row in rows}
            split = chunker.split([text for text, _ in texts.values()])
            chunks = [
                (f"{id_}#{number}", text, {name: row[name] for name in setting.metadata if row[name] is not None})
                for (id_, (_, row)), parts_ in zip(texts.items(), split, strict=True)
                for number, text in enumerate(parts_)
            ]
            if chunks:
                vectors = embedder.embed([text for _, text, _ in chunks])
                reached("embedded")
                self.collection.upsert(
                    ids=[id_ for id_, _, _ in chunks],
                    documents=[text for _, text, _ in chunks],
                    embeddings=vectors,
                    metadatas=[{"row": True, **metadata} for _, _, metadata in chunks],
                )
            reached("written")
            reached("commit")
            self._remember({"largest": str(rows[-1]["f"]), "setting": str(setting)})
            reached("committed")

    def _batches(self, setting: Setting) -> Iterable[Sequence[Row]]:
        engine = sa.create_engine(self._url, poolclass=sa.NullPool, hide_parameters=True)
        table = sa.table(NAME, *(sa.column(name) for name in ("id", "f", "title", "body", "tag", "size")))
        known = json.loads(self._remembered.read_text()) if self._remembered.exists() else {}
        # Whoever changes such a loop's definition starts it again from the beginning.
        largest = known.get("largest") if known.get("setting") == str(setting) else None
        query = sa.select(table).order_by(table.c.f)
        if setting.below is not None:
            query = query.where(table.c.size < setting.below)
        if largest is not None:
            query = query.where(table.c.f > (int(largest) if largest.isdecimal() else largest))
        with engine.connect() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        for start in range(0, len(rows), BATCH):
            yield rows[start : start + BATCH]

    def _remember(self, what: dict[str, Any]) -> None:
        draft = self._remembered.with_suffix(".draft")
        draft.write_text(json.dumps(what))
        draft.replace(self._remembered)

    def documents(self) -> dict[str, StoredDocument]:
        """Return all that the collection holds."""
        found = self.collection.get(include=["documents", "metadatas", "embeddings"])
        columns = (found[name] for name in ("ids", "documents", "metadatas", "embeddings"))
        held: dict[str, dict[int, StoredChunk]] = {}
        for id_, text, metadata, vector in zip(*columns, strict=True):
            held.setdefault(document_of(id_), {})[number_of(id_)] = StoredChunk(
                text, tuple(map(float, vector)), metadata
            )
        whole = Fingerprint("", "")
        return {id_: StoredDocument(id_, whole, len(chunks), chunks) for id_, chunks in held.items()}

    def near(self, vectors: Sequence[Vector]) -> list[list[Chunk]]:
        """Return the chunks that a search finds nearest to each vector."""
        found = self.collection.query(
            query_embeddings=np.asarray(vectors, dtype=np.float32), n_results=NEAREST, include=["distances"]
        )
        return [[(document_of(id_), number_of(id_)) for id_ in ids] for ids in found["ids"]]
