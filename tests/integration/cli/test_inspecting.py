"""`syncd plan`, `verify` and `why`, alone and beside a daemon."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from syncd.chunk.text import TextChunker, TextOptions
from syncd.embed.hashing import HashingEmbedder, HashingOptions
from syncd.knowledge.chroma import ChromaKnowledgeBase
from syncd.knowledge.chroma.options import ChromaOptions
from tests.integration.cli.conftest import Shop, Started


@pytest.fixture
def damaged(shop: Shop) -> Shop:
    """A shop in step but for one document that the store has lost and one new row; no tick mends it."""
    assert shop.json("sync", "orders")["embedded"] == 40
    embedder = HashingEmbedder(HashingOptions())
    chunker = TextChunker(TextOptions(), embedder)
    embedding = f"{embedder.fingerprint} {chunker.fingerprint}"
    store = ChromaKnowledgeBase("goods", ChromaOptions(path=str(shop.folder / "data" / "kb")), embedding, {})
    store.delete(["shop.orders:7"])
    store.close()
    shop.execute("INSERT INTO orders VALUES (41, 'a late one', '041', 1.5, 1, '2027-01-01 00:00:00')")
    assert shop.syncd("jobs", "pause", "orders").returncode == 0
    return shop


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a daemon"])
def test_questions_are_answered_alike(damaged: Shop, daemon_of: Callable[[Shop], Started], beside: bool) -> None:
    """A plan, the reasons for single rows, a verification, and a repair that embeds only what is lost."""
    if beside:
        daemon_of(damaged)
    plan = damaged.json("plan", "orders")
    assert {"job": "orders", "embedded": 2, "inserted": 2, "updated": 0, "unchanged": 39, "sweeps": False}.items() <= (
        plan.items()
    )
    answers = [damaged.json("why", "orders", key)["answer"] for key in ("1", "7", "41", "777", "90001")]
    assert answers == ["synced", "not read yet", "not read yet", "not in the source", "filter value is NULL"]
    found = damaged.syncd("verify", "orders", "--json")
    assert found.returncode == 1
    told = json.loads(found.stdout)
    assert told["differences"] == [{"document_id": "shop.orders:7", "kind": "missing", "detail": "it is not held"}]
    assert (told["in_step"], told["rows"], told["ahead"], told["without_value"]) == (False, 42, 1, 1)
    mended = damaged.syncd("verify", "orders", "--repair", "--json")
    assert mended.returncode == 0, mended.stderr
    repair = json.loads(mended.stdout)["repair"]
    assert (repair["status"], repair["embedded"], repair["repaired"]) == ("completed", 1, 1)
    assert damaged.json("verify", "orders")["in_step"]


def test_people_read_what_differs_and_what_to_expect(damaged: Shop) -> None:
    """One line for each document, a sum, and what waits."""
    done = damaged.syncd("verify", "orders")
    assert done.returncode == 1
    assert "missing  shop.orders:7  it is not held" in done.stdout
    assert "orders: 1 missing: 42 rows, 39 documents, 39 chunks compared" in done.stdout
    assert "1 rows wait for the next run" in done.stderr
    assert "documents to insert" in damaged.syncd("plan", "orders").stdout
    why = damaged.syncd("why", "orders", "7")
    assert why.stdout == (
        "shop.orders:7: not read yet\n  it is not held: the next run reads it (filter value 2026-01-01 00:00:07)\n"
    )


def test_a_job_that_is_not_there_is_told(shop: Shop) -> None:
    """With what to do about it, and the status of a wrong input."""
    for command in (["plan", "nothing"], ["verify", "nothing"], ["why", "nothing", "1"]):
        done = shop.syncd(*command)
        assert done.returncode == 2
        assert "nothing" in done.stderr
