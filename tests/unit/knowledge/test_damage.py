"""An embedded Chroma that is damaged for good is healed; one that is merely out of reach is left alone."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from syncd.errors import InUse, TransientError, Unavailable
from syncd.knowledge.chroma import ChromaKnowledgeBase, collection
from syncd.knowledge.chroma.closing import is_closed, mark_closed, unmark
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
    """Leave the folder as an owner leaves it that was killed."""
    unmark(folder)


def set_aside(folder: Path) -> list[Path]:
    return sorted(folder.parent.glob(f"{folder.name}.damaged-*"))


def _killed_while_trying(folder: Path) -> set[Path]:
    """Kill a process once it has written its trial file, and return what it left that was not there."""
    before = set(folder.iterdir())
    program = (
        "import os, signal, sys; from pathlib import Path; from syncd.knowledge.chroma import embedded; "
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL); "
        "embedded._try_out(Path(sys.argv[1]))"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(folder)], check=False)
    assert ended.returncode == -signal.SIGKILL
    return set(folder.iterdir()) - before


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
    """Copy a store into this test's own folder."""

    def copy(folder: Path) -> Path:
        target = tmp_path / "kb"
        shutil.copytree(folder, target)
        return target

    return copy


def assert_healed(folder: Path, caplog: pytest.LogCaptureFixture, documents: int) -> None:
    """Every document is there with its vector, the old files are kept, and one warning says so."""
    with caplog.at_level(logging.WARNING):
        store = opened(folder)
    held = DOCUMENTS[:documents]
    assert store.count() == documents
    assert store.fingerprints([one.id for one in held]) == {one.id: one.fingerprint for one in held}
    vectors = store._collection.get(ids=[f"{one.id}#0" for one in held], include=["embeddings"])
    written = {f"{one.id}#0": one.chunks[0].vector for one in held}
    np.testing.assert_allclose(vectors["embeddings"], [written[entry] for entry in vectors["ids"]], atol=1e-6)
    assert store.search(DOCUMENTS[1].chunks[0].vector, 1, {})[0].text == DOCUMENTS[1].chunks[0].text
    store.upsert(DOCUMENTS[:3])
    store.close()
    [aside] = set_aside(folder)
    [warning] = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert f"its files are now in {aside}" in warning
    assert f"{documents} documents were recovered, 0 will be embedded again" in warning
    assert is_closed(folder)
    again = opened(folder)
    assert again.count() == documents
    again.close()
    assert set_aside(folder) == [aside]


@pytest.mark.parametrize(
    "written",
    [
        ("header.bin", "data_level0.bin"),  # Chroma refuses every question: "Failed to apply logs"
        ("data_level0.bin",),  # reading it ends the process with a segmentation fault
        ("header.bin",),  # it reads memory that nobody wrote: all looks right, or the process ends
    ],
)
def test_a_store_torn_by_a_kill_is_healed(
    killed_while_writing: Callable[..., Path], caplog: pytest.LogCaptureFixture, written: tuple[str, ...]
) -> None:
    """Whatever a torn index does to its reader, the process that opens it lives and has every vector again."""
    assert_healed(killed_while_writing(*written), caplog, 1900)


@pytest.mark.parametrize(
    ("file", "share"),
    [("index_metadata.pickle", 0.5), ("header.bin", 0.0)],
)
def test_a_broken_index_is_healed(
    sound: Path, copy_of: Callable[[Path], Path], caplog: pytest.LogCaptureFixture, file: str, share: float
) -> None:
    """Also when the last owner closed it in order and a disk lost something later."""
    folder = copy_of(sound)
    broken = index_of(folder) / file
    os.truncate(broken, int(broken.stat().st_size * share))
    assert_healed(folder, caplog, 2400)


def test_an_index_that_lost_its_vectors_is_healed(
    sound: Path, copy_of: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    """A store that counts right and finds nothing is damaged as well."""
    folder = copy_of(sound)
    shutil.rmtree(index_of(folder))
    assert_healed(folder, caplog, 2400)


def test_a_page_of_the_index_that_never_reached_the_disk_is_noticed(
    sound: Path, copy_of: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    """After a power loss a file may be as long as it was and hold zeros: every vector is compared, not a sample."""
    folder = copy_of(sound)
    with (index_of(folder) / "data_level0.bin").open("rb+") as data:
        data.seek(400_000)
        data.write(bytes(4096))
    killed(folder)
    assert_healed(folder, caplog, 2400)


def test_a_database_that_is_empty_is_healed(
    sound: Path, copy_of: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    """Chroma would make another one; texts, metadata and vectors are there a second time."""
    folder = copy_of(sound)
    os.truncate(folder / "chroma.sqlite3", 0)
    assert_healed(folder, caplog, 2400)


def test_a_sound_store_survives_a_kill(sound: Path, copy_of: Callable[[Path], Path]) -> None:
    """The examination after a kill harms nothing, and happens once."""
    folder = copy_of(sound)
    killed(folder)
    store = opened(folder)
    assert store.count() == len(DOCUMENTS)
    store.close()
    assert set_aside(folder) == []
    assert is_closed(folder)


def test_a_kill_while_the_disk_is_tried_leaves_no_file_behind(sound: Path, copy_of: Callable[[Path], Path]) -> None:
    """The file that an owner wrote to see whether the disk takes one is removed by the next owner."""
    folder = copy_of(sound)
    [trial] = _killed_while_trying(folder)
    opened(folder).close()
    assert not trial.exists()
    assert set_aside(folder) == []


def test_acknowledged_documents_survive_a_real_kill(tmp_path: Path) -> None:
    """A writer is killed with -9; what it had acknowledged is there, whether the store had to be healed or not."""
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
    assert not is_closed(folder)
    mark_closed(folder)
    store = opened(folder)
    assert store.count() == len(DOCUMENTS)
    store.close()


def test_a_failure_while_open_is_looked_into_at_the_next_opening(
    sound: Path, copy_of: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An internal error is worth another try, and makes the next owner examine the files.

    What the call was to replace, and could not put back, the next run writes.
    """
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
    assert not is_closed(folder)
    again = opened(folder)
    assert set(again.fingerprints([one.id for one in DOCUMENTS])) == {one.id for one in DOCUMENTS[1:]}
    again.close()
