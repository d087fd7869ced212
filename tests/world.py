"""A whole installation in a folder: a table, a configuration, a state, a knowledge base, and what must be true of them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import sqlalchemy as sa
from chromadb.config import Settings as ChromaSettings

from syncd.attempt import Stop
from syncd.config.load import load
from syncd.embed.hashing import HashingEmbedder, HashingOptions
from syncd.jobs import JobService
from syncd.model.fingerprint import fingerprint
from syncd.model.run import Run, RunOptions
from syncd.parts import Parts
from syncd.plugins import Plugins
from syncd.runner import LEASE_TTL, Runner
from syncd.state import State, is_alive, owner_id
from syncd.triggers import Triggers, Wish
from tests.prepared import run_syncd

CONFIG = """
state: sqlite:///{folder}/state.db
databases:
  db: {url}
knowledge_bases:
  kb_one:
    type: chroma
    path: {folder}/kb
    embedder: {{type: hashing}}
    chunking: {{max_tokens: 16, overlap: 0}}
jobs:
  copy:
    source_table: db.t
    kb_name: kb_one
    content_columns: [body]
    metadata_columns: [tag]
    filter_column: f
    interval: 1 DAY
    window_rows: {window_rows}
    deletes: {{mode: soft, column: gone}}
server: {{port: 0}}
"""

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, f INTEGER NOT NULL, body TEXT, tag VARCHAR(20), gone INTEGER NOT NULL DEFAULT 0)"


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def words(n: int, count: int) -> str:
    """A text of so many words that is unlike that of any other number."""
    return " ".join(hashlib.blake2b(f"{n}/{w}".encode(), digest_size=4).hexdigest() for w in range(count))


@dataclass(frozen=True, slots=True)
class World:
    """Everything under one folder; `url` is the source database, `served` the port of a Chroma server, if it is one."""

    folder: Path
    url: str
    served: int | None = None

    @classmethod
    def make(cls, folder: Path, url: str, window_rows: int = 100) -> World:
        """Write the configuration and make an empty table `t`."""
        (folder / "syncd.yaml").write_text(CONFIG.format(folder=folder, url=url, window_rows=window_rows))
        world = cls(folder, url)
        world.execute(TABLE)
        return world

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "syncd.yaml"

    @property
    def state_url(self) -> str:
        """The URL of the state that the configuration is made with."""
        return f"sqlite:///{self.folder / 'state.db'}"

    def rewrite(self, *changes: tuple[str, str]) -> None:
        """Change texts of the configuration file, by putting another file in its place."""
        text = self.config.read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        draft = self.folder / "draft"
        draft.write_text(text)
        draft.rename(self.config)

    def execute(self, *statements: str) -> None:
        """Change the source, each call in one transaction of its own."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def fill(self, first: int, last: int, *, length: int = 4) -> None:
        """Insert the rows of these ids; `length` is that of their texts in words."""
        rows = ", ".join(f"({n}, {n}, '{words(n, length)}', 'tag{n % 5}')" for n in range(first, last + 1))
        self.execute(f"INSERT INTO t (id, f, body, tag) VALUES {rows}")

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs syncd on this configuration."""
        return [sys.executable, "-m", "syncd", *arguments, "--config", str(self.config)]

    def run(self, *arguments: str, env: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return run_syncd([*arguments, "--config", str(self.config)], self.folder, os.environ | dict(env), 170)

    def sync(self, job: str = "copy", options: RunOptions = RunOptions()) -> Run:
        """Run a job once, in this process, and let go of everything."""
        settings = load(self.config, {}, Plugins().options_for)
        state = State.open(settings.state.get_secret_value())
        parts = Parts(settings, Plugins(), {"pid": str(os.getpid()), "role": "test"})
        try:
            state.leases.recover(now(), is_alive)
            JobService(state, now).reconcile(settings.jobs)
            run = Triggers(state, now).ask(state.jobs.get(job), Wish(options))
            claimed = state.leases.claim(owner_id(), now(), LEASE_TTL, run.number)
            assert claimed is not None
            return Runner(state, parts, now).execute(*claimed, Stop())
        finally:
            parts.close()
            state.close()

    def expected(self) -> dict[str, tuple[str, str, dict[str, Any]]]:
        """What the table says should be held: document id to content hash, metadata hash, and metadata."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT id, f, body, tag, gone FROM t").all()
        documents = {}
        for id_, f, body, tag, gone in rows:
            if gone or not (body or "").strip():
                continue
            metadata = {"tag": tag, "f": f}
            print_ = fingerprint(f"body: {body}", metadata)
            held = {name: value for name, value in metadata.items() if value is not None}
            documents[f"db.t:{id_}"] = (print_.content, print_.metadata, held)
        return documents

    def held(self) -> dict[str, tuple[str, str, dict[str, Any]]]:
        """What the knowledge base holds, read with the store's own client, in the form of `expected`."""
        documents = {}
        for id_, metadata in self.chunks().items():
            if not id_.endswith("#0"):
                continue
            _, content, meta, _ = str(metadata["syncd_mark"]).split(":")
            plain = {name: value for name, value in metadata.items() if not name.startswith("syncd_")}
            documents[id_.removesuffix("#0")] = (content, meta, plain)
        return documents

    def chunks(self) -> dict[str, dict[str, Any]]:
        """Every chunk with its metadata, read with the store's own client, each of them found by its own vector.

        An embedded Chroma rebuilds what it has not yet persisted of its index at each opening, with threads that race: an
        opening may miss a vector, another one each time. What is damaged is missed every time. Chunks of equal texts are
        equally near: a chunk may come after as many more as there are others like it.
        """
        unreachable: set[str] | None = None
        for _ in range(4):
            with self._client() as client:
                collection = client.get_collection("kb_one", embedding_function=None)
                held = collection.get(include=["metadatas", "embeddings"])
                if not held["ids"]:
                    return {}
                _, kinds, counts = np.unique(held["embeddings"], axis=0, return_inverse=True, return_counts=True)
                allowed = (4 + counts[kinds.ravel()]).tolist()
                found = collection.query(query_embeddings=held["embeddings"], n_results=max(allowed), include=[])
            answers = zip(held["ids"], found["ids"], allowed, strict=True)
            missed = {id_ for id_, near, most in answers if id_ not in near[:most]}
            unreachable = missed if unreachable is None else unreachable & missed
            if not unreachable:
                return dict(zip(held["ids"], held["metadatas"], strict=True))
        raise AssertionError(f"not found by their own vectors: {unreachable}")

    @contextmanager
    def _client(self) -> Iterator[Any]:
        quiet = ChromaSettings(anonymized_telemetry=False)
        if self.served is None:
            client = chromadb.PersistentClient(str(self.folder / "kb"), quiet)
            close = client.close
        else:
            client = chromadb.HttpClient("127.0.0.1", self.served, settings=quiet)
            # The client's own `close` leaves its sockets open.
            close = client._server._session.close
        try:
            yield client
        finally:
            close()

    def assert_in_step(self) -> None:
        """The knowledge base equals the table, no chunk is left over, and every chunk can be found."""
        chunks = self.chunks()
        counted: dict[str, int] = {}
        for id_ in chunks:
            document = id_.rpartition("#")[0]
            counted[document] = counted.get(document, 0) + 1
        marks = {id_[:-2]: str(chunks[id_]["syncd_mark"]) for id_ in chunks if id_.endswith("#0")}
        assert counted == {document: int(mark.split(":")[3]) for document, mark in marks.items()}
        assert self.held() == self.expected()

    def assert_pure(self) -> None:
        """Every vector of every collection is that of its text by the embedder that the collection names (invariant 9)."""
        with self._client() as client:
            for known in client.list_collections():
                if self.served is not None and not known.name.startswith("kb_one"):
                    continue  # the server may hold what other tests have left
                collection = client.get_collection(known.name, embedding_function=None)
                held = collection.get(include=["documents", "embeddings"])
                name, dimension, _ = collection.metadata["syncd_embedding"].split(" ")[0].split(":")
                assert name == "hashing"
                expected = HashingEmbedder(HashingOptions(dimension=int(dimension))).embed(held["documents"])
                assert not held["ids"] or np.allclose(held["embeddings"], expected, atol=1e-5), known.name

    def collections(self) -> dict[str, int]:
        """The collections of the store, with the number of their chunks."""
        with self._client() as client:
            found = [client.get_collection(known.name, embedding_function=None) for known in client.list_collections()]
            return {collection.name: collection.count() for collection in found}

    def relabel(self, collection: str, **metadata: str) -> None:
        """Have a collection say something else of itself."""
        with self._client() as client:
            found = client.get_collection(collection, embedding_function=None)
            found.modify(metadata={**found.metadata, **metadata})
