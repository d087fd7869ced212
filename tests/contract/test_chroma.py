"""Chroma keeps the knowledge base contract, embedded and on a server, and what only a look into it can show."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from syncd.errors import InUse, PermanentError, TransientError
from syncd.knowledge.chroma import ChromaKnowledgeBase
from syncd.knowledge.chroma.options import ChromaOptions
from syncd.model.fingerprint import fingerprint
from syncd.model.generation import GenerationState
from syncd.model.record import Fingerprint, MetadataUpdate
from syncd.ports import KnowledgeBase
from syncd.testing.documents import document, numbered
from syncd.testing.generational import GenerationalContract, GenerationalOpener, states
from syncd.testing.knowledge_base import EMBEDDING, KnowledgeBaseContract, Opener, held
from tests.contract.cutting import cut_off

HOLDER = {"pid": "4711", "role": "daemon", "since": "2026-01-01T00:00:00Z", "url": "http://127.0.0.1:8000"}
_numbers = itertools.count(1)

OpenFresh = Callable[[], KnowledgeBase]


class ChromaContract(KnowledgeBaseContract, GenerationalContract):
    """What Chroma does in both forms."""

    @pytest.fixture
    def options(self) -> ChromaOptions:
        """Return options that lead to an empty Chroma."""
        raise NotImplementedError

    @pytest.fixture
    def open_fresh(self, options: ChromaOptions) -> OpenFresh:
        """Open a new, empty knowledge base each time."""

        def fresh() -> KnowledgeBase:
            number = next(_numbers)
            place = options if options.path is None else ChromaOptions(path=f"{options.path}-{number}")
            return ChromaKnowledgeBase(f"fresh-{os.getpid()}-{number}", place, EMBEDDING, HOLDER)

        return fresh

    @pytest.fixture
    def name(self) -> str:
        """A name that no other test uses."""
        return f"things-{os.getpid()}-{next(_numbers)}"

    @pytest.fixture
    def open_knowledge_base(self, options: ChromaOptions, name: str) -> GenerationalOpener:
        """Open the same knowledge base again and again."""
        return lambda embedding: ChromaKnowledgeBase(name, options, embedding, HOLDER)

    @pytest.mark.parametrize("lost", ["call", "answer"])
    def test_a_swap_that_is_cut_off_has_happened_or_has_not(
        self, options: ChromaOptions, monkeypatch: pytest.MonkeyPatch, lost: str
    ) -> None:
        """Whichever call fails, the next opening finds one whole generation serving, and repeating completes it."""
        for failing in itertools.count():
            name = f"swapped-{os.getpid()}-{next(_numbers)}"
            place = options if options.path is None else ChromaOptions(path=f"{options.path}-{name}")
            store = ChromaKnowledgeBase(name, place, EMBEDDING, HOLDER)
            store.upsert([numbered("old", 1)])
            store.swap(store.begin(EMBEDDING, "", recalls=False).uuid)
            begun = store.begin(EMBEDDING, "", recalls=False)
            store.generation(begun.uuid).upsert([numbered("new", 2)])
            served = next(uuid for uuid, state in states(store).items() if state is GenerationState.SERVING)
            cut = cut_off(monkeypatch, failing, lost, partial(store.swap, begun.uuid))
            store.close()
            store = ChromaKnowledgeBase(name, place, EMBEDDING, HOLDER)
            assert (store.identity().uuid, store.count()) in {(served, 0), (begun.uuid, 2)}
            store.swap(begun.uuid)
            store.close()
            store = ChromaKnowledgeBase(name, place, EMBEDDING, HOLDER)
            assert (store.identity().uuid, store.count()) == (begun.uuid, 2)
            assert states(store)[served] is GenerationState.FORMER
            store.close()
            if not cut:
                assert failing == 2, "a swap is two renames"
                return

    @pytest.mark.parametrize("lost", ["call", "answer"])
    def test_an_upsert_that_is_cut_off_is_never_taken_for_whole(
        self, open_fresh: OpenFresh, monkeypatch: pytest.MonkeyPatch, lost: str
    ) -> None:
        """Whichever call to the store fails, no fingerprint is answered but of what is there whole (3)."""
        old = [numbered("shrinks", 5), numbered("grows", 1), document("renamed", ["same"], {"before": 1})]
        new = [numbered("shrinks", 2, 2), numbered("grows", 4, 2), document("renamed", ["same"], {"after": 1})]
        new.append(numbered("fresh", 3))
        expected = {chunk.text: dict(one.metadata) for one in new for chunk in one.chunks}
        for failing in itertools.count():
            store = open_fresh()
            store.upsert(old)
            cut = cut_off(monkeypatch, failing, lost, partial(store.upsert, new))
            ids = [one.id for one in new]
            answered = store.fingerprints(ids)
            stored = store.stored(ids)
            for before, after in zip(old, new, strict=False):
                assert answered.get(before.id) in {before.fingerprint, after.fingerprint, Fingerprint("", "")}
                for whole in (before, after):
                    if answered.get(before.id) == whole.fingerprint:
                        there = [(one.text, dict(one.metadata)) for one in stored[before.id].chunks.values()]
                        assert there == [(one.text, dict(whole.metadata)) for one in whole.chunks]
            assert answered.get(new[-1].id) in {None, new[-1].fingerprint}
            store.upsert(new)
            assert store.fingerprints(ids) == {one.id: one.fingerprint for one in new}
            assert held(store, {}) == expected
            assert store.count() == len(expected)
            store.close()
            if not cut:
                assert failing >= 4, "the upsert made fewer calls than it has steps"
                return

    @pytest.mark.parametrize("lost", ["call", "answer"])
    def test_an_update_that_is_cut_off_is_never_taken_for_whole(
        self, open_fresh: OpenFresh, monkeypatch: pytest.MonkeyPatch, lost: str
    ) -> None:
        """The new fingerprint is only answered once every chunk has the new metadata."""
        old = document("it", ["one", "two", "three"], {"a": 1, "b": 1})
        update = MetadataUpdate(old.id, {"a": 2}, fingerprint("one\ntwo\nthree", {"a": 2}))
        for failing in itertools.count():
            store = open_fresh()
            store.upsert([old])
            cut = cut_off(monkeypatch, failing, lost, partial(store.update_metadata, [update]))
            answered = store.fingerprints([old.id])[old.id]
            assert answered.content == old.fingerprint.content, "nothing has to be embedded again"
            if answered in {old.fingerprint, update.fingerprint}:
                metadata = update.metadata if answered == update.fingerprint else old.metadata
                assert all(values == metadata for values in held(store, {}).values())
            store.update_metadata([update])
            assert held(store, {}) == {"one": {"a": 2}, "two": {"a": 2}, "three": {"a": 2}}
            assert store.fingerprints([old.id]) == {old.id: update.fingerprint}
            store.close()
            if not cut:
                assert failing >= 3
                return

    @pytest.mark.parametrize("lost", ["call", "answer"])
    def test_a_deletion_that_is_cut_off_leaves_nothing_whole(
        self, open_fresh: OpenFresh, monkeypatch: pytest.MonkeyPatch, lost: str
    ) -> None:
        """A document that lost a chunk is not answered as held, and repeating the deletion removes the rest."""
        it = numbered("it", 3)
        for failing in itertools.count():
            store = open_fresh()
            store.upsert([it])
            cut = cut_off(monkeypatch, failing, lost, partial(store.delete, [it.id]))
            assert store.count() == 3 or store.fingerprints([it.id]) == {}
            store.delete([it.id])
            assert store.count() == 0
            store.close()
            if not cut:
                assert failing >= 3
                return

    def test_chunks_that_no_mark_knows_are_removed(
        self, open_fresh: OpenFresh, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Chunks of a first version that was cut off do not outlive a shorter second one."""
        store = open_fresh()
        cut = (cut_off(monkeypatch, failing, "call", lambda: store.upsert([numbered("it", 5)])) for failing in range(5))
        assert any(once and store.count() == 4 for once in cut), "no cut left the chunks without the first"
        short = numbered("it", 2, version=2)
        store.upsert([short])
        assert set(held(store, {})) == {chunk.text for chunk in short.chunks}
        store.close()

    def test_entries_are_laid_out_as_documented(
        self, open_knowledge_base: Opener, name: str, raw: RawCollection
    ) -> None:
        """Chunk 0 carries the mark, the others their document's id, and all of them the metadata."""
        opened = open_knowledge_base(EMBEDDING)
        it = document("it", ["one", "two"], {"colour": "red"})
        opened.upsert([it])
        assert opened.identity().uuid
        opened.close()
        collection, close = raw(name)
        found = collection.get(include=["metadatas", "documents"])
        entries = {
            one: (text, values)
            for one, text, values in zip(found["ids"], found["documents"], found["metadatas"], strict=True)
        }
        mark = f"1:{it.fingerprint.content}:{it.fingerprint.metadata}:2"
        assert entries == {
            f"{it.id}#0": ("one", {"colour": "red", "syncd_mark": mark}),
            f"{it.id}#1": ("two", {"colour": "red", "syncd_part_of": it.id}),
        }
        assert collection.configuration_json["hnsw"]["space"] == "cosine"
        close()

    def test_a_collection_of_another_program_is_left_alone(
        self, open_knowledge_base: Opener, name: str, raw: RawCollection
    ) -> None:
        """It is refused, and stays as it was."""
        collection, close = raw(name)
        collection.add(ids=["theirs"], embeddings=[[1.0, 0.0]])
        close()
        with pytest.raises(PermanentError, match="not made by syncd") as refusal:
            open_knowledge_base(EMBEDDING)
        assert "another name" in refusal.value.hint
        collection, close = raw(name)
        assert collection.get()["ids"] == ["theirs"]
        assert collection.metadata is None
        close()

    def test_vectors_of_another_length_are_a_fault_of_the_job(self, knowledge_base: KnowledgeBase) -> None:
        """No row is blamed for it."""
        knowledge_base.upsert([numbered("it", 1)])
        with pytest.raises(PermanentError, match="another length"):
            knowledge_base.search([1.0, 0.0], 1, {})

    @pytest.mark.parametrize("name", ["ab", "-things", "things-", "with space", "a/b", "../up", "x" * 513, "ünï"])
    def test_a_name_that_chroma_cannot_carry_is_refused(self, options: ChromaOptions, name: str) -> None:
        """The message says which names it can carry."""
        with pytest.raises(PermanentError, match="3 to 512"):
            ChromaKnowledgeBase(name, options, EMBEDDING, HOLDER)

    def test_a_closed_one_says_so(self, open_knowledge_base: Opener) -> None:
        """Calls after `close` fail as if the store were away."""
        opened = open_knowledge_base(EMBEDDING)
        opened.close()
        with pytest.raises(TransientError, match="closed"):
            opened.count()


RawCollection = Callable[[str], tuple[Any, Callable[[], None]]]
"""Opens a collection with Chroma's own client, as another program would; the second value closes it."""


class TestEmbedded(ChromaContract):
    """Chroma in this process."""

    @pytest.fixture
    def options(self, tmp_path: Path) -> ChromaOptions:
        """A folder that does not exist yet."""
        return ChromaOptions(path=str(tmp_path / "deep" / "kb"))

    @pytest.fixture
    def raw(self, options: ChromaOptions) -> RawCollection:
        """Chroma's own client on the folder."""
        import chromadb

        def open_raw(name: str) -> tuple[Any, Callable[[], None]]:
            settings = chromadb.Settings(anonymized_telemetry=False)
            client = chromadb.PersistentClient(options.path or "", settings=settings)
            return client.get_or_create_collection(name, embedding_function=None), client.close

        return open_raw

    def test_a_second_owner_is_refused(self, open_knowledge_base: Opener) -> None:
        """The refusal says who holds it, and ends when that one closes (invariant 5)."""
        first = open_knowledge_base(EMBEDDING)
        with pytest.raises(InUse, match="4711") as refusal:
            open_knowledge_base(EMBEDDING)
        assert refusal.value.holder == HOLDER
        first.close()
        open_knowledge_base(EMBEDDING).close()

    def test_files_are_private(self, open_knowledge_base: Opener, options: ChromaOptions) -> None:
        """Neither the group nor others may read what is stored, whenever it was written."""
        before = os.umask(0o022)
        try:
            opened = open_knowledge_base(EMBEDDING)
            opened.upsert([numbered(f"d{number}", 1) for number in range(5100)])
            opened.close()
        finally:
            os.umask(before)
        folder = Path(options.path or "")
        files = [folder, folder.with_name("kb.lock"), *folder.rglob("*")]
        assert len(files) > 5
        assert {file.name: oct(stat.S_IMODE(file.stat().st_mode) & 0o077) for file in files} == {
            file.name: "0o0" for file in files
        }


class TestServer(ChromaContract):
    """Chroma behind HTTP."""

    @pytest.fixture
    def options(self, chroma_server: str) -> ChromaOptions:
        """The server that all tests share."""
        return ChromaOptions(url=chroma_server)

    @pytest.fixture
    def raw(self, chroma_server: str) -> RawCollection:
        """Chroma's own client on the server."""
        import chromadb

        def open_raw(name: str) -> tuple[Any, Callable[[], None]]:
            port = int(chroma_server.rpartition(":")[2])
            settings = chromadb.Settings(anonymized_telemetry=False)
            client = chromadb.HttpClient("127.0.0.1", port, settings=settings)
            # The client's own `close` leaves its sockets open.
            return client.get_or_create_collection(name, embedding_function=None), client._server._session.close

        return open_raw

    def test_a_database_that_is_not_there_is_named(self, chroma_server: str, name: str) -> None:
        """The message names database and tenant."""
        options = ChromaOptions(url=chroma_server, database="nowhere")
        with pytest.raises(PermanentError, match="no database nowhere"):
            ChromaKnowledgeBase(name, options, EMBEDDING, HOLDER)
