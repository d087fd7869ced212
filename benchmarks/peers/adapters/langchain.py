"""LangChain's `index()`: a record manager beside Chroma, and the whole table on every run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.peers.adapters import chroma
from benchmarks.peers.adapters.command import (
    CHUNK_CHARACTERS,
    OVERLAP_CHARACTERS,
    TABLE,
    Adapter,
    counted,
    main,
)


class LangChain(Adapter):
    """`cleanup="full"`, which alone notices deleted rows, and for which the loader returns the whole table."""

    def prepare(self, warm: bool) -> None:
        """Import the libraries; the embeddings load their model when they are made."""
        import langchain_chroma  # noqa: F401
        import langchain_classic.indexes  # noqa: F401
        import langchain_text_splitters  # noqa: F401
        import psycopg  # noqa: F401
        import sqlalchemy.dialects.sqlite  # noqa: F401
        from langchain_huggingface import HuggingFaceEmbeddings

        counted()
        self._embeddings = HuggingFaceEmbeddings(model_name=str(self.model)) if warm else None

    def sync(self) -> None:
        """Index every row."""
        from langchain_chroma import Chroma
        from langchain_classic.indexes import SQLRecordManager
        from langchain_core.indexing import index
        from langchain_huggingface import HuggingFaceEmbeddings

        store = Chroma(
            TABLE,
            self._embeddings or HuggingFaceEmbeddings(model_name=str(self.model)),
            persist_directory=str(self.store / "chroma"),
            collection_configuration={"hnsw": {"space": "cosine"}},
        )
        records = SQLRecordManager(f"chroma/{TABLE}", db_url=f"sqlite:///{self.store / 'records.db'}")
        records.create_schema()
        index(self._documents(), records, store, cleanup="full", source_id_key="source", key_encoder="blake2b")

    def _documents(self) -> Iterator[Any]:
        import psycopg
        from langchain_core.documents import Document
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        splitter = RecursiveCharacterTextSplitter(chunk_size=CHUNK_CHARACTERS, chunk_overlap=OVERLAP_CHARACTERS)
        with psycopg.connect(self.database) as connection, connection.cursor("rows") as rows:
            rows.execute(f"SELECT id, body, category, price FROM {TABLE} ORDER BY id")
            for key, body, category, price in rows:
                metadata = {"source": str(key), "category": category, "price": price}
                yield from splitter.split_documents([Document(body, metadata=metadata)])

    def dump(self) -> Iterator[Mapping[str, Any]]:
        """Yield each chunk."""
        return chroma.chunks(self.store / "chroma", TABLE, _key)

    def lose(self, keys: Sequence[int]) -> None:
        """Delete these rows' chunks."""
        chroma.lose(self.store / "chroma", TABLE, _key, keys)


def _key(_: str, metadata: Mapping[str, Any]) -> int:
    return int(metadata["source"])


if __name__ == "__main__":
    main(
        LangChain,
        ["langchain-core", "langchain-classic", "langchain-chroma", "langchain-huggingface", "chromadb"],
    )
