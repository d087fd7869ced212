"""The second copy of a collection: what it calls whole is whole, whatever was cut off or broken."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from syncd.errors import TransientError
from syncd.knowledge.chroma import ChromaKnowledgeBase
from syncd.knowledge.chroma.closing import mark_closed
from syncd.knowledge.chroma.mirror import Copy, Mirror
from syncd.knowledge.chroma.mirrored import mirror_files
from syncd.knowledge.chroma.options import ChromaOptions
from syncd.model.fingerprint import fingerprint
from syncd.model.record import MetadataUpdate
from syncd.testing.documents import document, numbered
from tests.contract.cutting import cut_off

ONE, TWO = numbered("one", 1), numbered("two", 3)


class CutOffError(Exception):
    """The process ended before the collection answered."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kb"


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    with closing(Mirror(tmp_path / "mirror")) as made:
        yield made


def opened(folder: Path) -> ChromaKnowledgeBase:
    return ChromaKnowledgeBase("things", ChromaOptions(path=str(folder)), "e:1", {"pid": "1"})


def copies(name: str, chunks: int, version: int = 1) -> list[Copy]:
    """The entries of a document as a collection holds them, chunk 0 first."""
    made = numbered(name, chunks, version)
    mark = f"1:{made.fingerprint.content}:{made.fingerprint.metadata}:{chunks}"
    return [
        Copy(f"{made.id}#{n}", chunk.text, {"syncd_mark": mark} if n == 0 else {}, np.array(chunk.vector, np.float32))
        for n, chunk in enumerate(made.chunks)
    ]


def put(mirror: Mirror, entries: list[Copy], *, arrives: bool = True) -> None:
    with suppress(CutOffError), mirror.putting(entries):
        if not arrives:
            raise CutOffError


def whole(mirror: Mirror) -> tuple[list[list[str]], int]:
    """Return the texts of the documents that are whole, and how many are not."""
    found = list(mirror.documents())
    return [[copy.text for copy in one] for one in found if one is not None], found.count(None)


def texts(entries: list[Copy]) -> list[str]:
    return [copy.text for copy in entries]


def mirrored(folder: Path) -> dict[str, tuple[str, dict[str, Any], list[float]]]:
    """What the mirror of a closed knowledge base holds."""
    [file] = mirror_files(folder)
    with closing(Mirror(file)) as mirror:
        return {copy.id: (copy.text, dict(copy.metadata), copy.vector.tolist()) for copy in mirror.certain()}


def held(folder: Path) -> dict[str, tuple[str, dict[str, Any], list[float]]]:
    """What Chroma holds of a closed knowledge base."""
    import chromadb

    with closing(chromadb.PersistentClient(str(folder), chromadb.Settings(anonymized_telemetry=False))) as client:
        collection = client.get_collection("things", embedding_function=None)
        found = collection.get(include=["documents", "metadatas", "embeddings"])
    rows = zip(found["ids"], found["documents"], found["metadatas"], found["embeddings"], strict=True)
    return {entry: (text, dict(values), vector.tolist()) for entry, text, values, vector in rows}


def assert_equal(folder: Path) -> None:
    mine, theirs = mirrored(folder), held(folder)
    assert {entry: one[:2] for entry, one in mine.items()} == {entry: one[:2] for entry, one in theirs.items()}
    for entry, (_, _, numbers) in mine.items():
        np.testing.assert_allclose(numbers, theirs[entry][2], atol=1e-6)


def test_what_arrived_is_whole_and_outlives_the_process(tmp_path: Path, mirror: Mirror) -> None:
    """Text, metadata and vector come back to the bit, also when nobody closed the file."""
    entries = copies("a", 3)
    put(mirror, entries[1:])
    put(mirror, entries[:1])
    for end in ("", "-wal"):
        (tmp_path / f"later{end}").write_bytes((tmp_path / f"mirror{end}").read_bytes())
    with closing(Mirror(tmp_path / "later")) as later:
        [found] = list(later.documents())
    assert found is not None
    assert [(copy.id, copy.text, copy.metadata) for copy in found] == [
        (copy.id, copy.text, copy.metadata) for copy in entries
    ]
    assert [copy.vector.tobytes() for copy in found] == [copy.vector.tobytes() for copy in entries]


def test_chunks_of_a_version_that_was_cut_off_are_not_taken_for_the_old_one(mirror: Mirror) -> None:
    """New chunks under the old mark: each is whole, and the document is not."""
    put(mirror, copies("a", 3))
    put(mirror, copies("b", 2))
    put(mirror, copies("a", 3, version=2)[1:])
    assert whole(mirror) == ([texts(copies("b", 2))], 1)
    put(mirror, copies("a", 3, version=2)[:1])
    assert whole(mirror) == ([texts(copies("a", 3, version=2)), texts(copies("b", 2))], 0)


def test_a_call_that_was_not_answered_leaves_its_documents_in_doubt(mirror: Mirror) -> None:
    """They may be in the collection or not; a later call of theirs that is answered settles it."""
    put(mirror, copies("a", 1) + copies("b", 1))
    put(mirror, copies("b", 1, version=2), arrives=False)
    assert whole(mirror) == ([texts(copies("a", 1))], 1)
    assert mirror.doubtful() == [copies("b", 1)[0].id]
    put(mirror, copies("b", 1, version=3))
    assert whole(mirror) == ([texts(copies("a", 1)), texts(copies("b", 1, version=3))], 0)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_document_with_a_chunk_too_few_is_not_whole(mirror: Mirror, missing: int) -> None:
    """Whichever chunk it is."""
    put(mirror, copies("a", 3))
    with mirror.forgetting([copies("a", 3)[missing].id]):
        pass
    assert whole(mirror) == ([], 1)


@pytest.mark.parametrize("change", ["vector = zeroblob(128)", "text = 'another'", "metadata = '{\"a\": 1}'"])
def test_an_entry_that_was_changed_on_the_disk_is_not_trusted(tmp_path: Path, change: str) -> None:
    """Its seal binds id, text, metadata and vector together."""
    with closing(Mirror(tmp_path / "mirror")) as mirror:
        put(mirror, copies("a", 2) + copies("b", 1))
    with closing(sqlite3.connect(tmp_path / "mirror")) as database, database:
        database.execute(f"UPDATE entries SET {change} WHERE document LIKE '%\"a\"' AND number = 1")
    with closing(Mirror(tmp_path / "mirror")) as mirror:
        assert whole(mirror)[0] == [texts(copies("b", 1))]


@pytest.mark.parametrize("doubt", ["never answered", "changed on the disk"])
def test_new_metadata_does_not_make_a_doubtful_text_certain(tmp_path: Path, doubt: str) -> None:
    """The collection may hold another text under the same mark."""
    with closing(Mirror(tmp_path / "mirror")) as mirror:
        put(mirror, copies("a", 2))
        if doubt == "never answered":
            put(mirror, copies("a", 2, version=2)[1:], arrives=False)
    if doubt == "changed on the disk":
        with closing(sqlite3.connect(tmp_path / "mirror")) as database, database:
            database.execute("UPDATE entries SET text = 'another' WHERE number = 1")
    with closing(Mirror(tmp_path / "mirror")) as mirror:
        for number in (1, 0):
            entry = copies("a", 2)[number]
            with mirror.updating([(entry.id, {**entry.metadata, "new": 1})]):
                pass
        assert whole(mirror) == ([], 1)


def test_every_change_of_a_knowledge_base_is_mirrored(folder: Path) -> None:
    """New texts, fewer chunks, new metadata, removals: both copies are always the same."""
    store = opened(folder)
    store.upsert([ONE, TWO, numbered("three", 2), document("four", ["old"], {"a": 1, "b": None})])
    store.upsert([numbered("two", 2, version=2), document("four", ["new"], {"b": 2.5})])
    store.update_metadata([MetadataUpdate(ONE.id, {"c": True}, fingerprint("x", {"c": True}))])
    store.delete([numbered("three", 2).id])
    epoch = store.advance().epoch
    store.close()
    assert len(mirrored(folder)) == 4
    assert_equal(folder)
    [file] = mirror_files(folder)
    with closing(Mirror(file)) as mirror:
        about = mirror.about()
    assert about is not None
    assert (about[0], about[1]["syncd_epoch"], about[1]["syncd_embedding"]) == ("things", epoch, "e:1")


@pytest.mark.parametrize("lost", ["call", "answer"])
def test_the_next_opening_finds_out_what_became_of_a_call_that_was_cut_off(
    folder: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Whichever call of an upsert it was, or of a deletion, and whether it reached the collection or not."""
    store = opened(folder)
    names = [f"cut at {failing}" for failing in (2, 3, 4)]
    store.upsert([ONE, *(numbered(name, 3) for name in names)])
    for failing, name in enumerate(names, 2):
        assert cut_off(monkeypatch, failing, lost, partial(store.upsert, [numbered(name, 2, version=2)]))
    assert cut_off(monkeypatch, 2, lost, partial(store.delete, [ONE.id]))
    store.close()
    opened(folder).close()
    assert_equal(folder)


@pytest.mark.parametrize("how", ["from before there were mirrors", "broken"])
def test_a_mirror_that_is_gone_is_made_from_the_collection(folder: Path, how: str) -> None:
    """The store goes on, and is mirrored from then on."""
    store = opened(folder)
    store.upsert([ONE, TWO])
    store.close()
    [file] = mirror_files(folder)
    if how == "broken":
        file.write_bytes(os.urandom(file.stat().st_size))
    else:
        file.unlink()
        (folder / "closed.json").unlink()
    store = opened(folder)
    assert store.count() == 4
    store.close()
    assert len(mirrored(folder)) == 4
    assert_equal(folder)


def test_a_mirror_that_breaks_while_it_is_open_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write that met it is carried out."""
    store = opened(folder)
    store.upsert([ONE])
    broken = sqlite3.DatabaseError("database disk image is malformed")
    broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    put, failures = Mirror._put, iter([broken])

    def failing(self: Mirror, entries: Any) -> None:
        for error in failures:
            raise error
        put(self, entries)

    monkeypatch.setattr(Mirror, "_put", failing)
    store.upsert([TWO])
    store.close()
    assert next(failures, None) is None
    assert len(mirrored(folder)) == 4
    assert_equal(folder)


def test_a_full_disk_fails_the_write_and_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is worth another try, as when Chroma's own file has no room."""
    store = opened(folder)
    store.upsert([ONE])
    with monkeypatch.context() as patch:
        patch.setattr(Mirror, "_put", lambda *_: (_ for _ in ()).throw(sqlite3.OperationalError("disk is full")))
        with pytest.raises(TransientError, match="disk is full"):
            store.upsert([TWO])
    assert store.count() == 1
    store.upsert([TWO])
    store.close()
    assert_equal(folder)


def test_the_mirror_of_a_collection_that_was_removed_goes_too(folder: Path) -> None:
    """At the next opening."""
    opened(folder).close()
    (folder / "mirror-of-none.sqlite3").touch()
    mark_closed(folder)
    opened(folder).close()
    assert len(mirror_files(folder)) == 1
