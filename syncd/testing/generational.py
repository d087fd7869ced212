"""What every knowledge base must do that can be filled anew while it serves; a suite beside `KnowledgeBaseContract`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from syncd.errors import Conflict, NotFound, OtherEmbedding
from syncd.generational import Generational
from syncd.model.generation import GenerationState
from syncd.model.record import Chunk, Document
from syncd.testing.documents import numbered
from syncd.testing.knowledge_base import EMBEDDING

NEXT = "test:16:2 text:256:32"

GenerationalOpener = Callable[[str], Generational]


def shortened(document: Document) -> Document:
    """Return a document as another embedder makes it: with vectors of half the length."""
    chunks = tuple(Chunk(chunk.text, chunk.vector[: len(chunk.vector) // 2]) for chunk in document.chunks)
    return Document(document.id, chunks, document.metadata, document.fingerprint)


def states(knowledge_base: Generational) -> dict[str, GenerationState]:
    """Return the state of each generation."""
    return {one.uuid: one.state for one in knowledge_base.generations()}


class GenerationalContract:
    """The suite for the protocol `Generational`."""

    @pytest.fixture
    def open_knowledge_base(self) -> GenerationalOpener:
        """Return a function that opens the same knowledge base each time, empty at first, with this embedding."""
        raise NotImplementedError("override the fixture open_knowledge_base")

    def test_one_generation_serves(self, open_knowledge_base: GenerationalOpener) -> None:
        """A new knowledge base has one generation, which remembers how its embedder is made."""
        first = open_knowledge_base(EMBEDDING)
        [before] = first.generations()
        assert (before.uuid, before.embedding, before.state, before.recipe) == (
            first.identity().uuid,
            EMBEDDING,
            GenerationState.SERVING,
            "",
        )
        first.describe('["test", {}]')
        advanced = first.advance()
        first.close()
        again = open_knowledge_base(EMBEDDING)
        assert [one.recipe for one in again.generations()] == ['["test", {}]']
        assert again.identity() == advanced
        again.close()

    def test_a_new_generation_is_filled_beside_the_old_one(self, open_knowledge_base: GenerationalOpener) -> None:
        """What is written to one is not in the other, vectors of another length neither; and it outlives a closing."""
        store = open_knowledge_base(EMBEDDING)
        old, new = numbered("old", 3), shortened(numbered("new", 2))
        store.upsert([old])
        begun = store.begin(NEXT, '["next", {}]', recalls=True)
        assert (begun.embedding, begun.recipe, begun.recalls) == (NEXT, '["next", {}]', True)
        assert begun.created_at is not None
        assert store.begin(NEXT, '["next", {}]', recalls=True) == begun
        filling = store.generation(begun.uuid)
        assert filling.count() == 0
        assert filling.advance().epoch > store.identity().epoch
        filling.upsert([new])
        filling.close()
        store.close()
        store = open_knowledge_base(EMBEDDING)
        filling = store.generation(begun.uuid)
        assert filling.identity().uuid == begun.uuid != store.identity().uuid
        assert set(filling.fingerprints([old.id, new.id])) == {new.id}
        assert set(store.fingerprints([old.id, new.id])) == {old.id}
        assert filling.search(new.chunks[0].vector, 1, {})[0].text == new.chunks[0].text
        assert store.search(old.chunks[0].vector, 1, {})[0].text == old.chunks[0].text
        assert states(store) == {
            store.identity().uuid: GenerationState.SERVING,
            begun.uuid: GenerationState.FILLING,
        }
        with pytest.raises(NotFound):
            store.generation("another")
        store.close()

    def test_a_swap_lets_the_new_one_serve_and_keeps_the_old(self, open_knowledge_base: GenerationalOpener) -> None:
        """Those who hold a generation go on with it; who opens the knowledge base afterwards finds the new one."""
        store = open_knowledge_base(EMBEDDING)
        served, old, new = store.identity().uuid, numbered("old", 3), shortened(numbered("new", 2))
        store.upsert([old])
        begun = store.begin(NEXT, "", recalls=False)
        filling = store.generation(begun.uuid)
        filling.upsert([new])
        for _ in range(2):
            store.swap(begun.uuid)
            assert states(store) == {served: GenerationState.FORMER, begun.uuid: GenerationState.SERVING}
        assert store.search(old.chunks[0].vector, 1, {})[0].text == old.chunks[0].text
        assert filling.identity().uuid == begun.uuid
        filling.upsert([shortened(numbered("later", 1))])
        store.swap(served)
        assert states(store)[served] is GenerationState.FORMER
        store.close()
        with pytest.raises(OtherEmbedding) as refused:
            open_knowledge_base(EMBEDDING)
        assert refused.value.held == NEXT
        store = open_knowledge_base(NEXT)
        assert (store.identity().uuid, store.count()) == (begun.uuid, 3)
        assert store.generation(served).fingerprints([old.id]) == {old.id: old.fingerprint}
        store.close()

    def test_only_the_last_of_those_that_served_is_kept(self, open_knowledge_base: GenerationalOpener) -> None:
        """Three generations in turn leave two."""
        store = open_knowledge_base(EMBEDDING)
        uuids = [store.identity().uuid]
        for _ in range(2):
            uuids.append(store.begin(EMBEDDING, "", recalls=False).uuid)
            store.swap(uuids[-1])
        assert states(store) == {uuids[1]: GenerationState.FORMER, uuids[2]: GenerationState.SERVING}
        store.close()

    def test_a_generation_can_be_dropped_unless_it_serves(self, open_knowledge_base: GenerationalOpener) -> None:
        """What was filling or has served goes with all that it holds; the serving one stays."""
        store = open_knowledge_base(EMBEDDING)
        served = store.identity().uuid
        given_up = store.begin(NEXT, "", recalls=False).uuid
        store.drop(given_up)
        store.drop(given_up)
        with pytest.raises(Conflict):
            store.drop(served)
        assert states(store) == {served: GenerationState.SERVING}
        second = store.begin(NEXT, "", recalls=False).uuid
        assert second != given_up
        store.swap(second)
        with pytest.raises(NotFound):
            store.swap(given_up)
        store.drop(served)
        assert states(store) == {second: GenerationState.SERVING}
        assert store.generation(second).count() == 0
        store.close()
