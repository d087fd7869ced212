"""A text that changes gets a new place in an embedded store's index, and is never lost on the way there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncd.errors import RecordError, TransientError
from syncd.knowledge.chroma import ChromaKnowledgeBase
from syncd.model.record import Document
from syncd.testing.documents import numbered
from tests.unit.knowledge.test_healing import opened

OLD = [numbered(f"d{number}", 1 + number % 3) for number in range(30)]
NEW = [numbered(f"d{number}", 1 + number % 2, version=2) for number in range(30)]
IDS = [one.id for one in OLD]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChromaKnowledgeBase]:
    """A store that holds the old documents."""
    made = opened(tmp_path / "kb")
    made.upsert(OLD)
    yield made
    made.close()


def chunks(documents: list[Document]) -> int:
    return sum(len(one.chunks) for one in documents)


def test_the_new_vectors_are_found_and_the_old_ones_count_as_removed(store: ChromaKnowledgeBase) -> None:
    """So the index is written anew in time; see `compaction`."""
    store.upsert(NEW)
    nearest = store.neighbours([chunk.vector for one in NEW for chunk in one.chunks], 1)
    found = [(near.document_id, near.number) for [near] in nearest]
    assert found == [(one.id, number) for one in NEW for number in range(len(one.chunks))]
    assert store.count() == chunks(NEW)
    assert store._store is not None and store._store.collection._mirror.removed() == chunks(OLD)


@pytest.mark.parametrize("refused", ["half a character: \ud800", ["not", 1, "kind"]])
def test_what_stands_beside_a_refused_document_stays_as_it_was(store: ChromaKnowledgeBase, refused: Any) -> None:
    """Also the old version of the document that is refused, with its vectors."""
    before = store.stored(IDS)
    poison = replace(OLD[0], metadata={"name": refused})
    with pytest.raises(RecordError):
        store.upsert([*(one for one in NEW[1:] if before[one.id].size == len(one.chunks) == 1), poison])
    assert store.stored(IDS) == before
    store.upsert(NEW)
    assert store.fingerprints(IDS) == {one.id: one.fingerprint for one in NEW}


def test_a_tail_goes_after_a_removal_that_failed(store: ChromaKnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mirror has forgotten the chunks by then, and Chroma still has them."""
    from chromadb.api.models.Collection import Collection
    from chromadb.errors import InternalError

    def failing(*_: object, **__: object) -> None:
        raise InternalError("no answer")

    store.upsert([numbered("long", 5)])
    with monkeypatch.context() as patch:
        patch.setattr(Collection, "delete", failing)
        with pytest.raises(TransientError):
            store.delete([numbered("long", 5).id])
    store.upsert([numbered("long", 2, version=2)])
    assert store.count() == chunks(OLD) + 2
