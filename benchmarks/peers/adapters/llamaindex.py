"""LlamaIndex's ingestion pipeline: a docstore beside Chroma, and the whole table on every run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.peers.adapters import chroma
from benchmarks.peers.adapters.command import TABLE, Adapter, counted, main

CHUNK_TOKENS, OVERLAP_TOKENS = 256, 32
"""Its default, 1,024 tokens, is more than the model reads."""
METADATA = ["category", "price"]


class LlamaIndex(Adapter):
    """`UPSERTS_AND_DELETE`, which alone notices deleted rows, and for which the pipeline is given the whole table."""

    def prepare(self, warm: bool) -> None:
        """Import the libraries; the embedding loads its model when it is made."""
        import llama_index.vector_stores.chroma  # noqa: F401
        import psycopg  # noqa: F401
        import tiktoken_ext.openai_public  # noqa: F401
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        counted()
        self._embedding = HuggingFaceEmbedding(str(self.model)) if warm else None

    def sync(self) -> None:
        """Run the pipeline over every row, and keep its docstore and its cache."""
        import chromadb
        from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
        from llama_index.core.node_parser import SentenceSplitter
        from llama_index.core.storage.docstore import SimpleDocumentStore
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding
        from llama_index.vector_stores.chroma import ChromaVectorStore

        client = chromadb.PersistentClient(str(self.store / "chroma"))
        collection = client.get_or_create_collection(
            TABLE, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )
        pipeline = IngestionPipeline(
            transformations=[
                SentenceSplitter(chunk_size=CHUNK_TOKENS, chunk_overlap=OVERLAP_TOKENS),
                self._embedding or HuggingFaceEmbedding(str(self.model)),
            ],
            docstore=SimpleDocumentStore(),
            docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
            vector_store=ChromaVectorStore(chroma_collection=collection),
        )
        kept = self.store / "pipeline"
        if kept.exists():
            pipeline.load(str(kept))
        pipeline.run(documents=list(self._documents()))
        pipeline.persist(str(kept))

    def _documents(self) -> Iterator[Any]:
        import psycopg
        from llama_index.core import Document

        with psycopg.connect(self.database) as connection:
            for key, body, category, price in connection.execute(
                f"SELECT id, body, category, price FROM {TABLE} ORDER BY id"
            ):
                yield Document(
                    text=body,
                    id_=str(key),
                    metadata={"category": category, "price": price},
                    # So that the text alone is embedded, as with the others.
                    excluded_embed_metadata_keys=METADATA,
                )

    def dump(self) -> Iterator[Mapping[str, Any]]:
        """Yield each chunk."""
        return chroma.chunks(self.store / "chroma", TABLE, _key)

    def lose(self, keys: Sequence[int]) -> None:
        """Delete these rows' chunks."""
        chroma.lose(self.store / "chroma", TABLE, _key, keys)


def _key(_: str, metadata: Mapping[str, Any]) -> int:
    return int(metadata["ref_doc_id"])


if __name__ == "__main__":
    main(LlamaIndex, ["llama-index-core", "llama-index-vector-stores-chroma", "chromadb"])
