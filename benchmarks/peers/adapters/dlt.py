"""dlt: `sql_table` with an incremental cursor, merged into LanceDB, which embeds what is written."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.peers.adapters.command import CHUNK_CHARACTERS, TABLE, Adapter, counted, main

DATASET, CHUNKS = "bench", "chunks"


class Dlt(Adapter):
    """Chunks that are merged by their row, so that those of older versions go."""

    def prepare(self, warm: bool) -> None:
        """Import the libraries; LanceDB loads the model when it first embeds, or finds it loaded here."""
        import dlt.destinations.adapters
        import dlt.destinations.impl.lancedb.lancedb_client
        import dlt.sources.sql_database  # noqa: F401
        import lancedb.embeddings
        import psycopg  # noqa: F401
        import sentence_transformers

        counted()
        if warm:
            loaded = sentence_transformers.SentenceTransformer(str(self.model))
            lancedb.embeddings.SentenceTransformerEmbeddings.get_embedding_model = lambda _: loaded

    def sync(self) -> None:
        """Load what is newer than what was loaded last."""
        import dlt
        from dlt.destinations import lancedb
        from dlt.destinations.adapters import lancedb_adapter
        from dlt.sources.sql_database import sql_table

        @dlt.transformer(
            name=CHUNKS,
            primary_key=["id", "number"],
            write_disposition={"disposition": "merge", "strategy": "upsert"},
        )
        def chunks(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
            for row in rows:
                for number, text in enumerate(textwrap.wrap(row["body"], CHUNK_CHARACTERS)):
                    kept = {"id": row["id"], "category": row["category"], "price": row["price"]}
                    yield {**kept, "number": number, "text": text}

        source = sql_table(
            self.database.replace("postgresql://", "postgresql+psycopg://"),
            TABLE,
            incremental=dlt.sources.incremental("updated_at"),
        )
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=str(self.store / "pipelines"),
            dataset_name=DATASET,
            destination=lancedb(
                lance_uri=str(self.store / "lance"),
                embedding_model_provider="sentence-transformers",
                embedding_model=str(self.model),
            ),
        )
        pipeline.run(lancedb_adapter(source | chunks, embed="text", merge_key="id"))

    def dump(self) -> Iterator[Mapping[str, Any]]:
        """Yield each chunk."""
        from benchmarks.peers.adapters import lance

        return lance.chunks(self.store / "lance", f"{DATASET}___{CHUNKS}", "id", "text", "vector")

    def lose(self, keys: Sequence[int]) -> None:
        """Delete these rows' chunks."""
        from benchmarks.peers.adapters import lance

        lance.lose(self.store / "lance", f"{DATASET}___{CHUNKS}", "id", keys)


if __name__ == "__main__":
    main(Dlt, ["dlt", "lancedb", "sentence-transformers"])
