"""What every knowledge base must do; subclass it in your tests.

class TestMyKnowledgeBase(KnowledgeBaseContract):
    @pytest.fixture
    def open_knowledge_base(self, tmp_path):
        return lambda embedding: MyKnowledgeBase("things", MyOptions(path=tmp_path), embedding, {"pid": "1"})
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from syncd.errors import PermanentError
from syncd.model.fingerprint import fingerprint
from syncd.model.record import Metadata, MetadataUpdate
from syncd.ports import KnowledgeBase
from syncd.testing.documents import document, numbered, vector
from syncd.testing.side_by_side import SideBySideContract

EMBEDDING = "test:32:1 text:256:32"

Opener = Callable[[str], KnowledgeBase]


def held(knowledge_base: KnowledgeBase, where: Metadata) -> dict[str, dict[str, object]]:
    """Return text and metadata of every chunk with this metadata, by the chunk's text."""
    found = knowledge_base.search(vector("anything"), 1000, where)
    return {match.text: dict(match.metadata) for match in found}


class KnowledgeBaseContract(SideBySideContract):
    """The suite for the port `KnowledgeBase`."""

    @pytest.fixture
    def open_knowledge_base(self) -> Opener:
        """Return a function that opens the same knowledge base each time, empty at first, with this embedding."""
        raise NotImplementedError("override the fixture open_knowledge_base")

    @pytest.fixture
    def knowledge_base(self, open_knowledge_base: Opener) -> Iterator[KnowledgeBase]:
        """An empty knowledge base."""
        opened = open_knowledge_base(EMBEDDING)
        yield opened
        opened.close()

    def test_an_empty_one_answers(self, knowledge_base: KnowledgeBase) -> None:
        """A new knowledge base holds nothing, and says so."""
        assert knowledge_base.count() == 0
        assert knowledge_base.fingerprints(["shop.things:1"]) == {}
        assert knowledge_base.fingerprints([]) == {}
        assert knowledge_base.search(vector("x"), 5, {}) == []

    def test_empty_calls_change_nothing(self, knowledge_base: KnowledgeBase) -> None:
        """Writing, updating and deleting nothing is fine."""
        knowledge_base.upsert([numbered("kept", 1)])
        knowledge_base.upsert([])
        knowledge_base.update_metadata([])
        knowledge_base.delete([])
        assert knowledge_base.count() == 1

    def test_fingerprints_are_what_was_written(self, knowledge_base: KnowledgeBase) -> None:
        """The fingerprints of whole documents come back; unknown ids are left out."""
        one, two = numbered("one", 1), numbered("two", 3)
        knowledge_base.upsert([one, two])
        answered = knowledge_base.fingerprints([one.id, two.id, "shop.things:0"])
        assert answered == {one.id: one.fingerprint, two.id: two.fingerprint}
        assert knowledge_base.count() == 4

    def test_upsert_is_idempotent(self, knowledge_base: KnowledgeBase) -> None:
        """The same documents written twice are held once (invariant 3)."""
        documents = [numbered("one", 1), numbered("two", 3)]
        knowledge_base.upsert(documents)
        before = held(knowledge_base, {})
        knowledge_base.upsert(documents)
        assert held(knowledge_base, {}) == before
        assert knowledge_base.count() == 4

    @pytest.mark.parametrize(("before", "after"), [(5, 2), (2, 5), (1, 4), (4, 1), (3, 3)])
    def test_no_chunk_of_an_older_version_survives(
        self, knowledge_base: KnowledgeBase, before: int, after: int
    ) -> None:
        """A document that shrinks or grows leaves exactly its new chunks (invariant 3)."""
        knowledge_base.upsert([numbered("bystander", 2), numbered("it", before, version=1)])
        new = numbered("it", after, version=2)
        knowledge_base.upsert([new])
        assert set(held(knowledge_base, {"name": "it"})) == {chunk.text for chunk in new.chunks}
        assert knowledge_base.count() == after + 2
        assert knowledge_base.fingerprints([new.id]) == {new.id: new.fingerprint}

    def test_metadata_of_an_older_version_does_not_survive(self, knowledge_base: KnowledgeBase) -> None:
        """Keys that a newer version has not are gone from every chunk, also those that are None now."""
        texts = ["first", "second"]
        knowledge_base.upsert([document("it", texts, {"colour": "red", "size": 3, "price": 1.5})])
        knowledge_base.upsert([document("it", texts, {"colour": "blue", "size": None})])
        assert held(knowledge_base, {}) == {"first": {"colour": "blue"}, "second": {"colour": "blue"}}

    def test_metadata_types_come_back(self, knowledge_base: KnowledgeBase) -> None:
        """Every kind of metadata value comes back with its value and its type."""
        values: dict[str, str | int | float | bool | None] = {
            "text": "plain",
            "empty": "",
            "emoji": "🦜 ünï 漢字 \u202eright to left",
            "nul": "a\x00b",
            "line": 'one\ntwo\t"quoted" \\ ',
            "integer": 42,
            "largest": 2**63 - 1,
            "smallest": -(2**63 - 1),
            "zero": 0,
            "float": 0.1,
            "whole float": 3.0,
            "tiny": 5e-324,
            "true": True,
            "false": False,
            "absent": None,
            "a key with spaces, 'quotes' and ünï": "x",
        }
        knowledge_base.upsert([document("it", ["text"], values)])
        [found] = knowledge_base.search(vector("text"), 1, {})
        expected = {key: value for key, value in values.items() if value is not None}
        assert dict(found.metadata) == expected
        assert {key: type(value) for key, value in found.metadata.items()} == {
            key: type(value) for key, value in expected.items()
        }

    @pytest.mark.parametrize(("before", "after"), [("5", 5), (5, "5"), (1, True), (2, 2.5), (None, "now"), (0.5, None)])
    def test_a_metadata_value_may_change_its_type(
        self, knowledge_base: KnowledgeBase, before: str | float | None, after: str | float | None
    ) -> None:
        """The new value replaces the old one, whatever types they have."""
        knowledge_base.upsert([document("it", ["text"], {"value": before})])
        knowledge_base.upsert([document("it", ["text"], {"value": after})])
        [found] = knowledge_base.search(vector("text"), 1, {})
        assert found.metadata.get("value") == after
        assert type(found.metadata.get("value")) is type(after)

    @pytest.mark.parametrize(
        "text", ["a\x00b", "🦜", " spaces around ", "line\r\nline", "e\u0301", "\ufeffmark", "x" * 200_000]
    )
    def test_texts_come_back(self, knowledge_base: KnowledgeBase, text: str) -> None:
        """A chunk's text comes back character for character."""
        knowledge_base.upsert([document("it", [text])])
        [found] = knowledge_base.search(vector(text), 1, {})
        assert found.text == text

    @pytest.mark.parametrize("key", ["a#1", 'quote"', "ünï🦜", "a b", "{}", "%s", "x'00'", "k" * 500])
    def test_awkward_ids(self, knowledge_base: KnowledgeBase, key: str) -> None:
        """Any text can be part of an id, also one that looks like a chunk's."""
        it, neighbour = numbered(key, 3), numbered(key + "x", 2)
        knowledge_base.upsert([it, neighbour])
        knowledge_base.upsert([numbered(key, 2, version=2)])
        knowledge_base.delete([neighbour.id])
        assert set(knowledge_base.fingerprints([it.id, neighbour.id])) == {it.id}
        assert knowledge_base.count() == 2

    def test_documents_are_listed_by_what_their_ids_start_with(self, knowledge_base: KnowledgeBase) -> None:
        """Each of them once, however many chunks it has, and no other."""
        documents = [numbered(f"order {n}", 1 + n % 3) for n in range(40)]
        knowledge_base.upsert([*documents, numbered("another", 2)])
        found = [id_ for ids in knowledge_base.document_ids('shop.things:"order ') for id_ in ids]
        assert sorted(found) == sorted(document.id for document in documents)

    def test_all_that_is_held_comes_back(self, knowledge_base: KnowledgeBase) -> None:
        """Texts, vectors and metadata of every chunk, by its number, and what the document was made from."""
        documents = [numbered("one", 1), numbered("many", 4)]
        knowledge_base.upsert([*documents, numbered("another", 2)])
        stored = knowledge_base.stored([*(it.id for it in documents), "shop.things:0"])
        assert set(stored) == {it.id for it in documents}
        for it in documents:
            held = stored[it.id]
            assert (held.id, held.fingerprint, held.size) == (it.id, it.fingerprint, len(it.chunks))
            assert list(held.chunks) == list(range(len(it.chunks)))
            for chunk, written in zip(held.chunks.values(), it.chunks, strict=True):
                assert (chunk.text, dict(chunk.metadata)) == (written.text, dict(it.metadata))
                assert chunk.vector == pytest.approx(written.vector, abs=1e-6)
        assert knowledge_base.stored([]) == {}

    def test_neighbours_are_what_a_search_finds(self, knowledge_base: KnowledgeBase) -> None:
        """For each vector the nearest chunks, nearest first, by document and number."""
        documents = [numbered(f"d{number}", 3) for number in range(20)]
        assert knowledge_base.neighbours([vector("x")], 5) == [[]]
        knowledge_base.upsert(documents)
        wanted = [(it.id, number) for it in documents for number in range(3)]
        found = knowledge_base.neighbours([chunk.vector for it in documents for chunk in it.chunks], 5)
        assert [(near[0].document_id, near[0].number) for near in found] == wanted
        for near in found:
            assert near[0].score == pytest.approx(1, abs=1e-4)
            assert [one.score for one in near] == sorted((one.score for one in near), reverse=True)
        assert knowledge_base.neighbours([], 5) == []

    def test_equal_texts_stay_apart(self, knowledge_base: KnowledgeBase) -> None:
        """Documents with the same text are three documents."""
        same = [document(name, ["the same text"]) for name in ("one", "two", "three")]
        knowledge_base.upsert(same)
        assert knowledge_base.count() == 3
        found = knowledge_base.search(vector("the same text"), 3, {})
        assert sorted(str(match.metadata["name"]) for match in found) == ["one", "three", "two"]

    def test_a_document_given_twice_is_an_error_of_the_program(self, knowledge_base: KnowledgeBase) -> None:
        """Which of the two should be held cannot be known."""
        with pytest.raises(ValueError, match="twice"):
            knowledge_base.upsert([numbered("it", 1), numbered("it", 2)])
        assert knowledge_base.count() == 0

    def test_update_metadata_reaches_every_chunk(self, knowledge_base: KnowledgeBase) -> None:
        """Metadata and fingerprint change; texts and vectors stay; other documents too."""
        it, other = document("it", ["one", "two", "three"], {"a": 1, "b": "x"}), numbered("other", 2)
        knowledge_base.upsert([it, other])
        update = MetadataUpdate(it.id, {"a": 2, "c": None}, fingerprint("one\ntwo\nthree", {"a": 2, "c": None}))
        knowledge_base.update_metadata([update])
        assert held(knowledge_base, {"a": 2}) == {"one": {"a": 2}, "two": {"a": 2}, "three": {"a": 2}}
        assert knowledge_base.fingerprints([it.id, other.id]) == {
            it.id: update.fingerprint,
            other.id: other.fingerprint,
        }
        assert knowledge_base.search(vector("two"), 1, {})[0].text == "two"
        assert knowledge_base.count() == 5

    def test_update_metadata_of_an_unknown_document_writes_nothing(self, knowledge_base: KnowledgeBase) -> None:
        """A document that is not held cannot be updated, and does not come into being."""
        gone = numbered("gone", 2)
        knowledge_base.update_metadata([MetadataUpdate(gone.id, {"a": 1}, gone.fingerprint)])
        assert knowledge_base.count() == 0
        assert knowledge_base.fingerprints([gone.id]) == {}

    def test_delete_removes_every_chunk(self, knowledge_base: KnowledgeBase) -> None:
        """Deleted documents are gone, the others stay, unknown ids are ignored, and repeating is fine."""
        gone, kept = numbered("gone", 4), numbered("kept", 2)
        knowledge_base.upsert([gone, kept])
        for _ in range(2):
            knowledge_base.delete([gone.id, "shop.things:0"])
            assert knowledge_base.count() == 2
            assert set(knowledge_base.fingerprints([gone.id, kept.id])) == {kept.id}
            assert knowledge_base.search(gone.chunks[0].vector, 10, {"name": "gone"}) == []

    def test_a_deleted_document_can_come_back(self, knowledge_base: KnowledgeBase) -> None:
        """What is written after a deletion is held, without the old metadata."""
        knowledge_base.upsert([document("it", ["one", "two"], {"old": 1})])
        knowledge_base.delete([document("it", ["one"]).id])
        knowledge_base.upsert([document("it", ["one"], {"new": 1})])
        assert held(knowledge_base, {}) == {"one": {"new": 1}}

    def test_search_is_ordered_by_similarity(self, knowledge_base: KnowledgeBase) -> None:
        """The nearest chunk comes first, and the score is the cosine similarity."""
        documents = [numbered(f"d{number}", 1) for number in range(50)]
        knowledge_base.upsert(documents)
        question = np.array(vector("a question"), dtype=np.float32)
        found = knowledge_base.search(question.tolist(), 10, {})
        similarity = {one.chunks[0].text: float(question @ np.array(one.chunks[0].vector)) for one in documents}
        expected = sorted(similarity, key=lambda text: -similarity[text])[:10]
        assert [match.text for match in found] == expected
        assert [match.score for match in found] == pytest.approx([similarity[text] for text in expected], abs=1e-4)

    def test_search_answers_no_more_than_there_is(self, knowledge_base: KnowledgeBase) -> None:
        """A `k` larger than the number of chunks returns them all."""
        knowledge_base.upsert([numbered("it", 3)])
        assert len(knowledge_base.search(vector("x"), 100, {})) == 3

    def test_search_where(self, knowledge_base: KnowledgeBase) -> None:
        """Only chunks whose metadata equals every condition are found."""
        sizes = [("red", 1), ("red", 2), ("blue", 1)]
        knowledge_base.upsert(
            [
                document(f"{colour}{size}", [f"{colour}{size}"], {"colour": colour, "size": size, "on": size == 1})
                for colour, size in sizes
            ]
        )
        assert set(held(knowledge_base, {"colour": "red"})) == {"red1", "red2"}
        assert set(held(knowledge_base, {"colour": "red", "size": 1})) == {"red1"}
        assert set(held(knowledge_base, {"on": True})) == {"red1", "blue1"}
        assert held(knowledge_base, {"colour": "green"}) == {}
        assert held(knowledge_base, {"no such": "key"}) == {}

    def test_every_chunk_is_found_first_by_its_own_vector(self, knowledge_base: KnowledgeBase) -> None:
        """The index holds what the store counts."""
        documents = [numbered(f"d{number}", 2) for number in range(150)]
        knowledge_base.upsert(documents)
        for one in documents:
            for chunk in one.chunks:
                assert knowledge_base.search(chunk.vector, 1, {})[0].text == chunk.text

    def test_many_documents_in_one_call(self, knowledge_base: KnowledgeBase) -> None:
        """6,000 documents are written, read and deleted by one call each, whatever the store's own limits."""
        documents = [numbered(f"d{number}", 1) for number in range(6000)]
        ids = [one.id for one in documents]
        knowledge_base.upsert(documents)
        assert knowledge_base.fingerprints(ids) == {one.id: one.fingerprint for one in documents}
        knowledge_base.delete(ids[:-1])
        assert knowledge_base.count() == 1

    def test_a_document_of_many_chunks(self, knowledge_base: KnowledgeBase) -> None:
        """A document may have more chunks than the store takes in one call."""
        long = numbered("long", 6000)
        knowledge_base.upsert([long])
        assert knowledge_base.count() == 6000
        knowledge_base.upsert([numbered("long", 2, version=2)])
        assert knowledge_base.count() == 2

    def test_identity_stays_and_its_epoch_grows(self, open_knowledge_base: Opener) -> None:
        """The same knowledge base is the same after it was closed, and remembers how far it advanced."""
        first = open_knowledge_base(EMBEDDING)
        born = first.identity()
        once = first.advance()
        assert once.epoch > born.epoch
        advanced = first.advance()
        assert advanced.epoch > once.epoch
        assert advanced == first.identity()
        first.close()
        second = open_knowledge_base(EMBEDDING)
        assert second.identity() == advanced
        assert advanced.uuid == born.uuid
        second.close()

    def test_documents_stay_over_a_reopening(self, open_knowledge_base: Opener) -> None:
        """What was acknowledged is there when it is opened again."""
        documents = [numbered(f"d{number}", 2) for number in range(30)]
        first = open_knowledge_base(EMBEDDING)
        first.upsert(documents)
        first.close()
        second = open_knowledge_base(EMBEDDING)
        assert second.fingerprints([one.id for one in documents]) == {one.id: one.fingerprint for one in documents}
        assert second.search(documents[7].chunks[1].vector, 1, {})[0].text == documents[7].chunks[1].text
        second.close()

    def test_another_embedding_is_refused(self, open_knowledge_base: Opener) -> None:
        """Vectors of two models never meet, and the refusal harms nothing (invariant 9); closing twice does not."""
        first = open_knowledge_base(EMBEDDING)
        it = numbered("it", 1)
        first.upsert([it])
        first.close()
        with pytest.raises(PermanentError) as refusal:
            open_knowledge_base("another:64:1 text:256:32")
        assert refusal.value.hint
        again = open_knowledge_base(EMBEDDING)
        assert again.fingerprints([it.id]) == {it.id: it.fingerprint}
        again.close()
        again.close()
