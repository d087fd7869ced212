"""An embedded Chroma that is damaged for good is set aside; one that is merely out of reach is left alone."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.errors import InUse, TransientError, Unavailable
from syncd.knowledge.chroma import ChromaKnowledgeBase, collection
from syncd.knowledge.chroma.options import ChromaOptions
from syncd.testing.documents import numbered

HOLDER = {"pid": "1"}
DOCUMENTS = [numbered(f"d{number}", 1) for number in range(2400)]
"""More than twice what Chroma gathers here before it writes its index to disk."""


def opened(folder: Path) -> ChromaKnowledgeBase:
    """Open a store whose index is written often, so that few documents are enough."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collection, "ROWS_BETWEEN_WRITES", 1000)
        return ChromaKnowledgeBase("things", ChromaOptions(path=str(folder)), "e:1", HOLDER)


def index_of(folder: Path) -> Path:
    [index] = [entry for entry in folder.iterdir() if entry.is_dir()]
    return index


def killed(folder: Path) -> None:
    """Leave the lock file as an owner leaves it that was killed."""
    folder.with_name(folder.name + ".lock").write_text('{"pid": "1"}')


def set_aside(folder: Path) -> list[Path]:
    return sorted(folder.parent.glob(f"{folder.name}.damaged-*"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that was closed in order."""
    folder = tmp_path_factory.mktemp("sound") / "kb"
    store = opened(folder)
    store.upsert(DOCUMENTS[:1200])
    store.upsert(DOCUMENTS[1200:])
    store.close()
    return folder


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store just before and just after Chroma wrote its index to disk."""
    after = tmp_path_factory.mktemp("halves") / "kb"
    before = after.with_name("before")
    store = opened(after)
    store.upsert(DOCUMENTS[:1200])
    store.upsert(DOCUMENTS[1200:1900])
    shutil.copytree(after, before)
    store.upsert(DOCUMENTS[1900:])
    store.close()
    return before, after


@pytest.fixture
def killed_while_writing(halves: tuple[Path, Path], tmp_path: Path) -> Callable[..., Path]:
    """Make a store as a kill leaves it when only these files of its index were written."""

    def mix(*written: str) -> Path:
        before, after = halves
        folder = tmp_path / "kb"
        shutil.copytree(before, folder)
        for name in written:
            shutil.copy(index_of(after) / name, index_of(folder) / name)
        killed(folder)
        return folder

    return mix


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path], Path]:
    """Copy a store with its lock file into this test's own folder."""

    def copy(folder: Path) -> Path:
        target = tmp_path / "kb"
        shutil.copytree(folder, target)
        shutil.copy(folder.with_name(folder.name + ".lock"), tmp_path / "kb.lock")
        return target

    return copy


def assert_started_anew(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The store is empty and works, the old files are kept, and one warning says so."""
    with caplog.at_level(logging.WARNING):
        store = opened(folder)
    assert store.count() == 0
    store.upsert(DOCUMENTS[:3])
    assert store.search(DOCUMENTS[1].chunks[0].vector, 1, {})[0].text == DOCUMENTS[1].chunks[0].text
    store.close()
    [aside] = set_aside(folder)
    assert (aside / "chroma.sqlite3").exists()
    [warning] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert str(aside) in warning.getMessage()
    assert "embedded again" in warning.getMessage()
    again = opened(folder)
    assert again.count() == 3
    again.close()
    assert len(set_aside(folder)) == 1


@pytest.mark.parametrize(
    "written",
    [
        ("header.bin", "data_level0.bin"),  # Chroma refuses every question: "Failed to apply logs"
        ("data_level0.bin",),  # reading it ends the process with a segmentation fault
        ("header.bin",),  # it reads memory that nobody wrote: all looks right, or the process ends
    ],
)
def test_a_store_torn_by_a_kill_is_started_anew(
    killed_while_writing: Callable[..., Path], caplog: pytest.LogCaptureFixture, written: tuple[str, ...]
) -> None:
    """Whatever a torn index does to its reader, the process that opens it lives and starts an empty store."""
    assert_started_anew(killed_while_writing(*written), caplog)


@pytest.mark.parametrize(
    ("file", "share"),
    [("index_metadata.pickle", 0.0), ("index_metadata.pickle", 0.5), ("header.bin", 0.0), ("link_lists.bin", 0.0)],
)
def test_a_broken_index_is_started_anew(
    sound: Path, copy_of: Callable[[Path], Path], caplog: pytest.LogCaptureFixture, file: str, share: float
) -> None:
    """Also when the last owner closed it in order and a disk lost something later."""
    folder = copy_of(sound)
    broken = index_of(folder) / file
    if file == "link_lists.bin":
        broken.unlink()
    else:
        os.truncate(broken, int(broken.stat().st_size * share))
    assert_started_anew(folder, caplog)


def test_an_index_that_lost_its_vectors_is_started_anew(
    sound: Path, copy_of: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    """A store that counts right and finds nothing is damaged as well."""
    folder = copy_of(sound)
    shutil.rmtree(index_of(folder))
    killed(folder)
    assert_started_anew(folder, caplog)


@pytest.mark.parametrize("keep", [0.5, 0.1])
def test_a_broken_database_is_started_anew(
    sound: Path, copy_of: Callable[[Path], Path], caplog: pytest.LogCaptureFixture, keep: float
) -> None:
    """A truncated SQLite file is damage."""
    folder = copy_of(sound)
    database = folder / "chroma.sqlite3"
    os.truncate(database, int(database.stat().st_size * keep))
    assert_started_anew(folder, caplog)


def test_the_identity_changes_with_the_store(killed_while_writing: Callable[..., Path]) -> None:
    """Whoever remembers the old one learns that it is gone."""
    folder = killed_while_writing("header.bin", "data_level0.bin")
    with sqlite3.connect(folder / "chroma.sqlite3") as database:
        [(before,)] = database.execute("select str_value from collection_metadata where key = 'syncd_uuid'").fetchall()
    database.close()
    store = opened(folder)
    assert store.identity().uuid != before
    assert store.identity().epoch == 0
    store.close()


def test_a_sound_store_survives_a_kill(sound: Path, copy_of: Callable[[Path], Path]) -> None:
    """The examination after a kill harms nothing, and happens once."""
    folder = copy_of(sound)
    killed(folder)
    store = opened(folder)
    assert store.count() == len(DOCUMENTS)
    store.close()
    assert set_aside(folder) == []
    assert folder.with_name("kb.lock").read_text() == ""


def test_acknowledged_documents_survive_a_real_kill(tmp_path: Path) -> None:
    """A writer is killed with -9; what it had acknowledged is there, or the store was set aside and says so."""
    program = (
        "import sys; from tests.unit.knowledge.test_damage import opened, DOCUMENTS; from pathlib import Path\n"
        "store = opened(Path(sys.argv[1]))\n"
        "for start in range(0, 2400, 100):\n"
        "    store.upsert(DOCUMENTS[start : start + 100]); print(start + 100, flush=True)\n"
    )
    folder = tmp_path / "kb"
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, cwd=root, text=True
    ) as writer:
        assert writer.stdout is not None
        while int(writer.stdout.readline()) < 1500:
            pass
        with pytest.raises(InUse):
            opened(folder)
        writer.send_signal(signal.SIGKILL)
        acknowledged = max([1500, *map(int, writer.stdout.read().split())])
    store = opened(folder)
    if not set_aside(folder):
        ids = [one.id for one in DOCUMENTS[:acknowledged]]
        assert len(store.fingerprints(ids)) == acknowledged
    store.close()


def test_a_file_in_place_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    """It is no knowledge base, and no damaged one."""
    (tmp_path / "kb").write_text("mine")
    with pytest.raises(Unavailable):
        opened(tmp_path / "kb")
    assert (tmp_path / "kb").read_text() == "mine"
    assert set_aside(tmp_path / "kb") == []


@pytest.mark.parametrize(
    "message",
    [
        "error returned from database: (code: 5) database is locked",
        "error returned from database: (code: 13) database or disk is full",
        "error returned from database: (code: 8) attempt to write a readonly database",
        "error returned from database: (code: 14) unable to open database file",
        "Error creating hnsw segment reader: Too many open files (os error 24)",
    ],
)
def test_an_unusable_environment_moves_nothing(
    sound: Path, copy_of: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    """A full disk, wrong permissions and the like are told, and the files stay."""
    from chromadb.api.models.Collection import Collection
    from chromadb.errors import InternalError

    def failing(_: Collection) -> int:
        raise InternalError(message)

    folder = copy_of(sound)
    with monkeypatch.context() as patch:
        patch.setattr(Collection, "count", failing)
        with pytest.raises(Unavailable, match="disk"):
            opened(folder)
    assert set_aside(folder) == []
    store = opened(folder)
    assert store.count() == len(DOCUMENTS)
    store.close()


def test_a_failure_while_open_is_looked_into_at_the_next_opening(
    sound: Path, copy_of: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An internal error is worth another try, and makes the next owner examine the files."""
    from chromadb.api.models.Collection import Collection
    from chromadb.errors import InternalError

    def failing(*_: object, **__: object) -> None:
        raise InternalError("Error in compaction: Failed to apply logs to the hnsw segment writer")

    folder = copy_of(sound)
    store = opened(folder)
    with monkeypatch.context() as patch:
        patch.setattr(Collection, "upsert", failing)
        with pytest.raises(TransientError, match="Failed to apply logs"):
            store.upsert(DOCUMENTS[:1])
    store.close()
    assert folder.with_name("kb.lock").read_text() != ""
    again = opened(folder)
    assert again.count() == len(DOCUMENTS)
    again.close()
