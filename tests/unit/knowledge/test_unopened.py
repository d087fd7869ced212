"""A store that was closed in order is counted without being opened; of any other, only opening it can tell."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.errors import InUse
from syncd.knowledge.chroma import ChromaKnowledgeBase
from syncd.knowledge.chroma.closing import mark_closed, unmark
from syncd.knowledge.chroma.mirrored import mirror_files
from syncd.knowledge.chroma.options import ChromaOptions
from syncd.testing.documents import numbered
from tests.unit.knowledge.test_healing import opened

CHUNKS = 10 + 20


@pytest.fixture(scope="module")
def closed_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("closed") / "kb"
    store = opened(folder)
    store.upsert([numbered(f"d{number}", 1 + number % 2) for number in range(20)])
    gone = numbered("gone", 1)
    store.upsert([gone])
    store.delete([gone.id])
    store.advance()
    store.close()
    return folder


@pytest.fixture
def closed(closed_store: Path, tmp_path: Path) -> Path:
    """A store of 20 documents, which have 30 chunks."""
    return Path(shutil.copytree(closed_store, tmp_path / "kb"))


def count(folder: Path, name: str = "things", embedding: str = "e:1") -> int | None:
    return ChromaKnowledgeBase.count_unopened(name, ChromaOptions(path=str(folder)), embedding, {"pid": "2"})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_it_says_what_opening_it_would_say_and_changes_nothing(closed: Path) -> None:
    before = contents(closed)
    assert count(closed) == CHUNKS
    assert contents(closed) == before
    store = opened(closed)
    assert store.count() == CHUNKS
    store.close()
    assert count(closed) == CHUNKS


def test_one_that_somebody_has_open_is_in_use(closed: Path) -> None:
    store = opened(closed)
    with pytest.raises(InUse, match="pid 1"):
        count(closed)
    store.close()


@pytest.mark.parametrize(("name", "embedding"), [("others", "e:1"), ("things", "e:2")])
def test_what_opening_would_make_or_refuse_is_left_to_it(closed: Path, name: str, embedding: str) -> None:
    assert count(closed, name, embedding) is None


def test_a_generation_that_is_being_filled_is_left_to_opening(closed: Path) -> None:
    """Which of the two is meant, and whether it still is there, Chroma knows."""
    store = opened(closed)
    store.generation(store.begin("e:1", "", recalls=False).uuid)
    store.close()
    assert count(closed) is None


def _opened_and_killed(folder: Path) -> None:
    unmark(folder)


def _cut_short(folder: Path) -> None:
    with (folder / "chroma.sqlite3").open("rb+") as database:
        database.truncate(4096)


def _without_its_mirror(folder: Path) -> None:
    [mirror] = mirror_files(folder)
    mirror.unlink()


def _with_a_broken_mirror(folder: Path) -> None:
    [mirror] = mirror_files(folder)
    mirror.write_bytes(b"no database")
    mark_closed(folder)


@pytest.mark.parametrize("happened", [_opened_and_killed, _cut_short, _without_its_mirror, _with_a_broken_mirror])
def test_a_store_that_is_not_as_it_was_closed_is_left_to_opening(
    closed: Path, happened: Callable[[Path], None]
) -> None:
    happened(closed)
    assert count(closed) is None


def test_a_server_is_left_to_opening() -> None:
    options = ChromaOptions(url="http://127.0.0.1:9")
    assert ChromaKnowledgeBase.count_unopened("things", options, "e:1", {}) is None
