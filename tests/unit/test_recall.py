"""Vectors are taken from a generation only where they are certainly those that embedding would make again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from syncd.knowledge.chroma import ChromaKnowledgeBase
from syncd.knowledge.chroma.options import ChromaOptions
from syncd.model.record import Chunk, Document
from syncd.recall import Recall
from syncd.testing.documents import numbered
from syncd.testing.knowledge_base import EMBEDDING

WHOLE = numbered("whole", 3)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChromaKnowledgeBase]:
    """A knowledge base that holds one document of three chunks."""
    opened = ChromaKnowledgeBase("things", ChromaOptions(path=str(tmp_path / "kb")), EMBEDDING, {"pid": "1"})
    opened.upsert([WHOLE])
    yield opened
    opened.close()


def contents(*documents: Document) -> dict[str, str]:
    return {document.id: document.fingerprint.content for document in documents}


def test_what_is_held_whole_comes_back(store: ChromaKnowledgeBase) -> None:
    """Texts and vectors in order, of the documents that are held and no others."""
    other = numbered("other", 1)
    store.upsert([other])
    found = Recall([store])(contents(WHOLE, other, numbered("unknown", 1)))
    assert set(found) == {WHOLE.id, other.id}
    assert [chunk.text for chunk in found[WHOLE.id]] == [chunk.text for chunk in WHOLE.chunks]
    for recalled, written in zip(found[WHOLE.id], WHOLE.chunks, strict=True):
        assert recalled.vector == pytest.approx(written.vector, abs=1e-6)
    assert Recall()(contents(WHOLE)) == {}
    assert Recall([store])({}) == {}


def test_the_first_generation_that_has_it_is_asked(store: ChromaKnowledgeBase) -> None:
    """What the first does not hold is looked for in the next."""
    later = store.generation(store.begin(EMBEDDING, "", recalls=False).uuid)
    other = numbered("other", 1)
    later.upsert([other])
    assert set(Recall([store, later])(contents(WHOLE, other))) == {WHOLE.id, other.id}


def test_another_text_is_not_recalled(store: ChromaKnowledgeBase) -> None:
    """The same row with another text has other vectors."""
    assert Recall([store])(contents(numbered("whole", 3, version=2))) == {}


def test_what_lost_a_chunk_is_not_recalled(store: ChromaKnowledgeBase) -> None:
    """Its mark alone does not make it whole."""
    store._entries.remove([f"{WHOLE.id}#1"])
    assert Recall([store])(contents(WHOLE)) == {}


@pytest.mark.parametrize("damage", [0.0, 0.5, 3.0])
def test_what_no_embedder_makes_is_not_recalled(store: ChromaKnowledgeBase, damage: float) -> None:
    """A vector that is not of length one was not written by an embedder."""
    torn = tuple(Chunk(chunk.text, tuple(damage * value for value in chunk.vector)) for chunk in WHOLE.chunks)
    store.upsert([replace(WHOLE, chunks=torn)])
    assert Recall([store])(contents(WHOLE)) == {}
