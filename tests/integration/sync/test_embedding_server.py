"""Embedding on a server comes to what embedding in this process comes to, whatever the server does meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from syncd.model.run import RunStatus
from syncd.state import State
from tests.embedding_server import DIMENSION, Asked, EmbeddingServer, Reply, embedding_server
from tests.world import World

HASHING = "{type: hashing}"
CHUNKING = "{max_tokens: 16, overlap: 0}"
CANARY = "canary-7Qx-do-not-tell"
REFUSAL = json.dumps({"error": {"message": "not this one"}}).encode()


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    """A server that answers each request backwards."""
    with embedding_server() as running:
        running.spoil = lambda entries: entries[::-1]
        yield running


def world(folder: Path, embedder: str) -> World:
    """A table of 300 rows, and a knowledge base that is filled by this embedder, a chunk for each row."""
    folder.mkdir()
    made = World.make(folder, f"sqlite:///{folder / 'source.db'}")
    made.rewrite((HASHING, embedder), (CHUNKING, "{max_tokens: 256}"))
    made.fill(1, 300)
    return made


def on(server: EmbeddingServer, more: str = "") -> str:
    return f"{{type: openai, url: '{server.url}', model: hashing, key: '${{EMBEDDING_KEY:-{CANARY}}}'{more}}}"


def vectors(of: World) -> dict[str, tuple[str, list[float]]]:
    """The text and the vector of every chunk, read with the store's own client."""
    with of._client() as client:
        held = client.get_collection("kb_one", embedding_function=None).get(include=["documents", "embeddings"])
    return dict(zip(held["ids"], zip(held["documents"], held["embeddings"], strict=True), strict=True))


def test_a_sync_through_a_server_equals_one_without(tmp_path: Path, server: EmbeddingServer) -> None:
    """While it is overloaded, refuses large requests, and has several requests under way, answered in any order."""
    direct = world(tmp_path / "direct", f"{{type: hashing, dimension: {DIMENSION}}}")
    assert direct.sync().status is RunStatus.COMPLETED
    served = world(tmp_path / "served", on(server, ", concurrency: 3"))
    server.replies += [Reply(429, headers={"Retry-After": "0"}), Reply(503, headers={"Retry-After": "0"})]
    server.reply = lambda asked: Reply(413) if len(asked.texts) > 20 else None
    together = threading.Barrier(2)
    first = iter([together.wait] * 2)
    server.before = lambda _: next(first, lambda _: None)(30)
    run = served.sync()
    assert (run.status, run.counts.embedded, run.counts.truncated_tokens) == (RunStatus.COMPLETED, 300, 0)
    assert server.most_at_once >= 2
    served.assert_in_step()
    expected, got = vectors(direct), vectors(served)
    assert {id_: text for id_, (text, _) in got.items()} == {id_: text for id_, (text, _) in expected.items()}
    assert len(got) == 300
    assert all(np.allclose(vector, expected[id_][1], atol=1e-6) for id_, (_, vector) in got.items())
    assert served.sync().counts.embedded == 0


def test_a_row_that_the_server_refuses_becomes_a_dead_letter(tmp_path: Path, server: EmbeddingServer) -> None:
    """And no other; the key is in no file but the configuration."""
    served = world(tmp_path / "served", on(server))
    served.execute("UPDATE t SET body = 'poison' WHERE id = 7")

    def reply(asked: Asked) -> Reply | None:
        return Reply(400, REFUSAL) if any("poison" in text for text in asked.texts) else None

    server.reply = reply
    run = served.sync()
    assert (run.status, run.counts.embedded, run.counts.dead_lettered) == (RunStatus.COMPLETED_WITH_WARNINGS, 299, 1)
    state = State.open(served.state_url)
    [letter] = state.dead_letters.list(state.jobs.get("copy").id)
    state.close()
    assert letter.key == "7"
    assert letter.reason.endswith("refuses the text: 400: not this one")
    assert served.held().keys() == served.expected().keys() - {"db.t:7"}
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path != served.config]
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


def test_a_server_that_does_not_know_the_model_blocks_the_job(tmp_path: Path, server: EmbeddingServer) -> None:
    """And buries no row."""
    served = world(tmp_path / "served", on(server, ", dimensions: 7"))
    server.reply = lambda _: Reply(400, REFUSAL)
    run = served.sync()
    assert (run.status, run.counts.dead_lettered) == (RunStatus.FAILED, 0)
    assert "refuses every text: 400: not this one" in str(run.error)
