"""The loop that most people write first: rows above the largest stamp, embedded and upserted."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.peers.adapters import chroma
from benchmarks.peers.adapters.command import CHUNK_CHARACTERS, TABLE, Adapter, counted, main

BATCH = 500
_QUERY = "SELECT id, body, category, price, updated_at FROM {} {} ORDER BY updated_at"


class Handwritten(Adapter):
    """sentence-transformers and Chroma, joined by a SELECT."""

    def prepare(self, warm: bool) -> None:
        """Import the libraries; the loop loads its model when it begins, unless it is loaded here."""
        import chromadb
        import psycopg
        from sentence_transformers import SentenceTransformer

        counted()
        self._chroma, self._connect, self._load = chromadb, psycopg.connect, SentenceTransformer
        self._model = SentenceTransformer(str(self.model)) if warm else None

    def sync(self) -> None:
        """Read what is newer than what was read last, embed it, upsert it, remember."""
        model = self._model or self._load(str(self.model))
        client = self._chroma.PersistentClient(str(self.store / "chroma"))
        collection = client.get_or_create_collection(
            TABLE, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )
        remembered = self.store / "largest"
        largest = remembered.read_text() if remembered.exists() else None
        where = "" if largest is None else "WHERE updated_at > %s"
        with self._connect(self.database) as connection:
            rows = connection.execute(_QUERY.format(TABLE, where), [largest] if largest else []).fetchall()
        for start in range(0, len(rows), BATCH):
            batch = [
                (f"{key}#{number}", text, {"key": key, "category": category, "price": price}, stamp)
                for key, body, category, price, stamp in rows[start : start + BATCH]
                for number, text in enumerate(textwrap.wrap(body, CHUNK_CHARACTERS))
            ]
            ids, texts, metadatas, stamps = map(list, zip(*batch, strict=True))
            vectors = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
            collection.upsert(ids=ids, documents=texts, metadatas=metadatas, embeddings=vectors)
            told = [stamp for stamp in stamps if stamp is not None]
            if told:
                remembered.write_text(max(told).isoformat())

    def dump(self) -> Iterator[Mapping[str, Any]]:
        """Yield each chunk."""
        return chroma.chunks(self.store / "chroma", TABLE, _key)

    def lose(self, keys: Sequence[int]) -> None:
        """Delete these rows' chunks."""
        chroma.lose(self.store / "chroma", TABLE, _key, keys)


def _key(_: str, metadata: Mapping[str, Any]) -> int:
    return int(metadata["key"])


if __name__ == "__main__":
    main(Handwritten, ["sentence-transformers", "chromadb"])
