"""Each stage of a sync alone, and its limit: the same work by the library beneath, without anything else.

python -m benchmarks.stages prints them beside each other.
"""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest

from benchmarks.peers.adapters.command import TABLE
from benchmarks.peers.model import Model
from benchmarks.peers.table import Table
from benchmarks.peers.texts import text
from syncd.chunk.text import TextChunker, TextOptions
from syncd.compare import compare
from syncd.config.settings import PartConfig
from syncd.embed.checked import CheckedEmbedder
from syncd.knowledge.chroma import ChromaKnowledgeBase
from syncd.knowledge.chroma.options import ChromaOptions
from syncd.model.fingerprint import fingerprint
from syncd.model.job import Job, JobDefinition, Origin
from syncd.model.record import Chunk, Document, Metadata, Record
from syncd.model.run import Counts, RunOptions
from syncd.plugins import Plugins
from syncd.ports import Embedder
from syncd.source.database import SqlOptions
from syncd.source.sql import SqlSource
from syncd.state import State
from tests.integration.state.values import NOW, checkpoint, definition, start
from tests.services import postgres_server

READ_ROWS = 20_000
HASHED_ROWS = 20_000
SPLIT_TEXTS, SENTENCES = 100, 60
COUNTED_TEXTS = 2_000
EMBEDDED_TEXTS = 256
WRITTEN_DOCUMENTS = 1_000
COMMITS = 100

ITEMS = {
    "read": READ_ROWS,
    "compare and hash": HASHED_ROWS,
    "split": SPLIT_TEXTS,
    "count tokens": COUNTED_TEXTS,
    "embed": EMBEDDED_TEXTS,
    "write": WRITTEN_DOCUMENTS,
    "commit": COMMITS,
}
"""How many rows, texts, documents or commits one round of a stage has."""

_numbers = itertools.count(1)


@cache
def _embedder() -> Embedder:
    plugins, type_ = Plugins([]), "sentence-transformers"
    config = PartConfig("embedder", type_, plugins.options_for("embedder", type_)())
    made = CheckedEmbedder(plugins.embedder(config))
    made.embed(["one text loads the model", "and two that differ show that it keeps their order"])
    return made


@cache
def _model() -> Model:
    return Model()


@cache
def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(_model().folder / "tokenizer.json"))
    found.no_truncation()
    found.no_padding()
    return found


def _texts(count: int, sentences: int = 1) -> Iterator[list[str]]:
    """Yield other texts than the time before, without end: syncd keeps the last ones' tokens."""
    random = Random(1)
    return itertools.cycle([[text(random, key, sentences) for key in range(count)] for _ in range(2)])


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    """A table of short rows on PostgreSQL."""
    with postgres_server() as server:
        made = Table(server, Random(1))
        made.create(READ_ROWS)
        yield made


@pytest.mark.benchmark(group="read")
class TestRead:
    """Rows come out of PostgreSQL."""

    def test_syncd(self, benchmark: Any, table: Table) -> None:
        """A whole pass, with its fence and its windows."""
        job = JobDefinition.model_validate(
            {
                "source_table": f"bench.{TABLE}",
                "kb_name": "kb",
                "content_columns": ["body"],
                "template": "{body}",
                "metadata_columns": ["category", "price"],
                "filter_column": "updated_at",
                "interval": "10 MINUTES",
            }
        )
        source = SqlSource(SqlOptions.model_validate({"url": table.url}), job)

        def read() -> int:
            return sum(window.rows for window in source.windows(source.begin(None, RunOptions())))

        assert benchmark(read) == READ_ROWS
        source.close()

    def test_limit(self, benchmark: Any, table: Table) -> None:
        """A bare cursor."""

        def read() -> int:
            with psycopg.connect(table.url) as connection:
                return len(connection.execute(f"SELECT * FROM {TABLE} ORDER BY updated_at, id").fetchall())

        assert benchmark(read) == READ_ROWS


@pytest.mark.benchmark(group="compare and hash")
class TestCompare:
    """Rows are compared with what is held; nothing has changed."""

    def test_syncd(self, benchmark: Any) -> None:
        """Texts and metadata are hashed and looked up."""
        records = [
            Record((key,), f"bench.{TABLE}:{key}", body, {"category": "garden", "price": 1.5})
            for key, body in enumerate(next(_texts(HASHED_ROWS)))
        ]
        held = {record.document_id: fingerprint(record.text, record.metadata) for record in records}
        assert benchmark(compare, records, held).unchanged == HASHED_ROWS

    def test_limit(self, benchmark: Any) -> None:
        """The texts alone are hashed."""
        texts = [body.encode() for body in next(_texts(HASHED_ROWS))]
        assert len(benchmark(lambda: [hashlib.blake2b(body, digest_size=16).digest() for body in texts])) == HASHED_ROWS


@pytest.mark.benchmark(group="split")
class TestSplit:
    """Long texts become chunks."""

    def test_syncd(self, benchmark: Any) -> None:
        """Natural pieces that the model reads whole."""
        chunker = TextChunker(TextOptions(), _embedder())
        texts = _texts(SPLIT_TEXTS, SENTENCES)
        assert len(benchmark(lambda: chunker.split(next(texts)))) == SPLIT_TEXTS

    def test_limit(self, benchmark: Any) -> None:
        """The tokens of each text are counted once."""
        tokenizer, texts = _tokenizer(), _texts(SPLIT_TEXTS, SENTENCES)
        assert len(benchmark(lambda: tokenizer.encode_batch_fast(next(texts)))) == SPLIT_TEXTS


@pytest.mark.benchmark(group="count tokens")
class TestCount:
    """Short texts are found to be short."""

    def test_syncd(self, benchmark: Any) -> None:
        """As the chunker asks."""
        embedder, texts = _embedder(), _texts(COUNTED_TEXTS)
        assert len(benchmark(lambda: embedder.count_tokens(next(texts)))) == COUNTED_TEXTS

    def test_limit(self, benchmark: Any) -> None:
        """The bare tokenizer."""
        tokenizer, texts = _tokenizer(), _texts(COUNTED_TEXTS)
        assert len(benchmark(lambda: tokenizer.encode_batch_fast(next(texts)))) == COUNTED_TEXTS


@pytest.mark.benchmark(group="embed", min_rounds=3)
class TestEmbed:
    """Short texts become vectors."""

    def test_syncd(self, benchmark: Any) -> None:
        """With the default options, and the answers checked."""
        embedder, texts = _embedder(), _texts(EMBEDDED_TEXTS)
        assert len(benchmark(lambda: embedder.embed(next(texts)))) == EMBEDDED_TEXTS

    def test_limit(self, benchmark: Any) -> None:
        """sentence-transformers as it comes."""
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(_model().folder), local_files_only=True)
        texts = _texts(EMBEDDED_TEXTS)
        assert len(benchmark(lambda: model.encode(next(texts), show_progress_bar=False))) == EMBEDDED_TEXTS


@pytest.mark.benchmark(group="write", min_rounds=3)
class TestWrite:
    """Documents of one chunk each go into an empty embedded Chroma."""

    def test_syncd(self, benchmark: Any, tmp_path: Path) -> None:
        """With texts, metadata and marks, read back."""
        texts = next(_texts(WRITTEN_DOCUMENTS))
        metadata: Metadata = {"category": "garden", "price": 1.5, "updated_at": "2026-01-01T00:00:00+00:00"}
        documents = [
            Document(
                f"bench.{TABLE}:{key}",
                (Chunk(body, tuple(map(float, vector))),),
                metadata,
                fingerprint(body, metadata),
            )
            for key, (body, vector) in enumerate(zip(texts, _model().embed(texts), strict=True))
        ]
        opened = []

        def empty() -> tuple[tuple[Any, ...], dict[str, Any]]:
            path = str(tmp_path / str(next(_numbers)))
            opened.append(ChromaKnowledgeBase("articles_kb", ChromaOptions(path=path), "model", {}))
            return (opened[-1],), {}

        benchmark.pedantic(lambda kb: kb.upsert(documents), setup=empty, rounds=3)
        for knowledge_base in opened:
            knowledge_base.close()

    def test_limit(self, benchmark: Any, tmp_path: Path) -> None:
        """The same ids and vectors, and nothing else."""
        import chromadb

        vectors = _model().embed(next(_texts(WRITTEN_DOCUMENTS)))
        ids = [f"bench.{TABLE}:{key}#0" for key in range(WRITTEN_DOCUMENTS)]

        def empty() -> tuple[tuple[Any, ...], dict[str, Any]]:
            client = chromadb.PersistentClient(str(tmp_path / str(next(_numbers))))
            return (client.create_collection("raw", embedding_function=None),), {}

        benchmark.pedantic(lambda raw: raw.upsert(ids=ids, embeddings=vectors), setup=empty, rounds=3)


@pytest.mark.benchmark(group="commit")
class TestCommit:
    """Checkpoints are saved, one after the other, in a SQLite file."""

    def test_syncd(self, benchmark: Any, tmp_path: Path) -> None:
        """With the lease proven, and the run's counts."""
        state = State.open(f"sqlite:///{tmp_path / 'state.db'}")
        job: Job = state.jobs.put("articles", definition(), Origin.FILE, NOW)
        run, lease = start(state, job)

        def commit() -> None:
            for _ in range(COMMITS):
                state.checkpoints.commit(
                    lease,
                    run.number,
                    checkpoint(next(_numbers)),
                    counts=Counts(),
                    stages={},
                    rejects=[],
                    resolved=[],
                    now=NOW,
                )

        benchmark(commit)
        state.close()

    def test_limit(self, benchmark: Any, tmp_path: Path) -> None:
        """One row is updated, and as safe on the disk."""
        connection = sqlite3.connect(tmp_path / "raw.db")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE checkpoint (watermark TEXT)")
        connection.execute("INSERT INTO checkpoint VALUES ('')")
        connection.commit()

        def commit() -> None:
            for _ in range(COMMITS):
                connection.execute("UPDATE checkpoint SET watermark = ?", [str(next(_numbers))])
                connection.commit()

        benchmark(commit)
        connection.close()
