"""A store whose index is mostly what was removed is written anew, and says and holds the same as before."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from syncd.knowledge.chroma import compaction, mirrored
from syncd.model.record import Document
from syncd.testing.documents import numbered
from tests.unit.knowledge.test_healing import asides, end, opened

__all__ = ["end", "opened"]

KEPT = [numbered(f"kept {number}", 1 + number % 3) for number in range(60)]
IDS = [one.id for one in KEPT]
CHUNKS = sum(len(one.chunks) for one in KEPT)

STEPS = {
    "while the new store is half full": "write = compaction.write_copies; compaction.ENTRIES = 30\n"
    "compaction.write_copies = lambda *of: (write(*of), end())",
    "when it is complete": "replacing._swap = end",
    "when the former one is set aside": "replacing._put_in_place = end",
    "when the new one is in place": "compaction.shutil.rmtree = end",
}


def passing(generation: int) -> list[Document]:
    """Documents that come and go."""
    return [numbered(f"passing {generation} {number}", 2) for number in range(100)]


@pytest.fixture(scope="module")
def worn_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worn") / "kb"
    store = opened(folder)
    store.upsert(KEPT)
    for generation in range(3):
        assert not store.is_worn()
        store.upsert(passing(generation))
        store.delete([one.id for one in passing(generation)])
    assert store.is_worn()
    store.advance()
    store.close()
    return folder


@pytest.fixture
def worn(worn_store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(worn_store, tmp_path / "kb"))


def test_it_holds_and_says_the_same_with_nothing_removed(worn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever remembers its identity finds it again, and every chunk is found by its own vector."""
    with monkeypatch.context() as patch:
        patch.setattr(mirrored, "LEAST_REMOVED", 10_000)
        store = opened(worn)
        before, identity = store.stored(IDS), store.identity()
        store.close()

    store = opened(worn)

    assert (store.identity(), store.stored(IDS), store.count()) == (identity, before, CHUNKS)
    assert not store.is_worn()
    assert store._store is not None and store._store.collection._mirror.removed() == 0
    chunks = [(one.id, number) for one in KEPT for number in range(len(one.chunks))]
    nearest = store.neighbours([chunk.vector for one in KEPT for chunk in one.chunks], 1)
    assert [(near.document_id, near.number) for [near] in nearest] == chunks
    store.close()
    assert asides(worn) == []


def test_a_document_that_a_kill_cut_off_stays_as_it_is(worn: Path) -> None:
    """What is not whole belongs to a window that no checkpoint covers, and is not syncd's to lose here either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirrored, "LEAST_REMOVED", 10_000)
        store = opened(worn)
        store._entries.remove([f"{IDS[1]}#0"])
        store.close()

    store = opened(worn)

    assert not store.is_worn()
    assert store.count() == CHUNKS - 1
    assert store.fingerprints(IDS[1:2]) == {}
    assert list(store.stored(IDS[1:2])[IDS[1]].chunks) == [1]
    store.close()


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_in_the_middle_leaves_one_of_the_two(worn: Path, step: str) -> None:
    """Nothing is lost, and the next opening goes on."""
    program = (
        "import sys; from syncd.knowledge.chroma import replacing\n"
        "from tests.unit.knowledge.test_compaction import Path, compaction, end, opened\n"
        f"{STEPS[step]}\nopened(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, str(worn)]
    ended = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr

    store = opened(worn)

    assert len(store.fingerprints(IDS)) == len(KEPT)
    assert store.count() == CHUNKS
    assert not store.is_worn()
    store.close()
    assert {entry.name for entry in worn.rglob("heal*")} == set()


def test_a_store_without_room_stays_and_is_not_opened_over_and_over(
    worn: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so, serves as before, and tries again when it is opened for another reason."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compaction, "write_copies", full)
    store = opened(worn)
    assert "could not be written anew: [Errno 28] No space left" in caplog.text
    assert (store.count(), store.is_worn()) == (CHUNKS, False)
    store.close()
    assert asides(worn) == []
    monkeypatch.undo()
    store = opened(worn)
    assert store._store is not None and not store._store.worn
    store.close()


@pytest.mark.parametrize("fails", [1, 2])
def test_a_rename_that_fails_leaves_no_older_copy_to_come_back(
    worn: Path, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    """Neither an empty store is opened meanwhile, nor the copy put in place after others have written."""
    rename, left = Path.rename, [fails + 1]

    def failing(path: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    store = opened(worn)
    monkeypatch.undo()
    assert store.count() == CHUNKS
    store.upsert(passing(9))
    store.close()
    store = opened(worn)
    assert store.count() == CHUNKS + 2 * len(passing(9))
    store.close()


def test_what_another_program_keeps_there_is_not_lost(worn: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A store that also holds a collection of somebody else's stays as it is."""
    store = opened(worn)
    store.close()
    store = opened(worn)
    where = store._binding.connection
    where.api.create_collection("of.another", tenant=where.tenant, database=where.database)
    for generation in range(3):
        store.upsert(passing(generation))
        store.delete([one.id for one in passing(generation)])
    store.close()

    store = opened(worn)

    assert "of.another was not made by syncd" in caplog.text
    assert store.count() == CHUNKS
    store.close()
