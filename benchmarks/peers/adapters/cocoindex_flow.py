"""The flow that the CocoIndex adapter runs: its example of PostgreSQL as a source, with that of LanceDB as a target."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import cocoindex as coco
from cocoindex.connectors import lancedb, postgres
from cocoindex.ops.sentence_transformers import SentenceTransformerEmbedder
from cocoindex.ops.text import RecursiveSplitter
from cocoindex.resources.id import IdGenerator
from numpy.typing import NDArray

from benchmarks.peers.adapters.command import CHUNK_CHARACTERS, OVERLAP_CHARACTERS, TABLE

SOURCE = coco.ContextKey[asyncpg.Pool]("bench_source")
TARGET = coco.ContextKey[lancedb.LanceAsyncConnection]("bench_target")
EMBEDDER = coco.ContextKey[SentenceTransformerEmbedder]("bench_embedder", detect_change=True)

_splitter = RecursiveSplitter()


@dataclass
class Article:
    """A row."""

    id: int
    body: str
    category: str
    price: float


@dataclass
class Embedded:
    """A chunk of one."""

    id: int
    key: int
    text: str
    category: str
    price: float
    embedding: Annotated[NDArray, EMBEDDER]


@coco.fn
async def process_chunk(chunk: Any, article: Article, ids: IdGenerator, table: Any) -> None:
    """Embed a chunk and declare that it should be there."""
    table.declare_row(
        row=Embedded(
            id=await ids.next_id(chunk.text),
            key=article.id,
            text=chunk.text,
            category=article.category,
            price=article.price,
            embedding=await coco.use_context(EMBEDDER).embed(chunk.text),
        )
    )


@coco.fn(memo=True)
async def process_article(article: Article, table: Any) -> None:
    """Split a row; one that is as it was is passed over."""
    chunks = _splitter.split(article.body, chunk_size=CHUNK_CHARACTERS, chunk_overlap=OVERLAP_CHARACTERS)
    await coco.map(process_chunk, chunks, article, IdGenerator(), table)


@coco.fn
async def process_table() -> None:
    """Look at every row."""
    table = await lancedb.mount_table_target(
        TARGET, table_name=TABLE, table_schema=await lancedb.TableSchema.from_class(Embedded, primary_key=["id"])
    )
    source = postgres.PgTableSource(coco.use_context(SOURCE), table_name=TABLE, row_type=Article)
    await coco.mount_each(process_article, source.fetch_rows().items(lambda article: article.id), table)


def catch_up(database: str, store: Path, embedder: SentenceTransformerEmbedder) -> None:
    """Bring the target into step with the table, once."""

    @coco.lifespan
    async def lifespan(builder: coco.EnvironmentBuilder) -> AsyncIterator[None]:
        builder.settings.db_path = store / "cocoindex.db"
        async with asyncpg.create_pool(database) as pool:
            builder.provide(SOURCE, pool)
            builder.provide(TARGET, await lancedb.connect_async(str(store / "lance")))
            builder.provide(EMBEDDER, embedder)
            yield

    coco.App(coco.AppConfig(name="bench"), process_table).update_blocking()
