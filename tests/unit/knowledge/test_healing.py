"""A healing that is cut off anywhere is completed or repeated, and takes every collection of syncd's along."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from syncd.errors import PermanentError, Unavailable
from syncd.knowledge.chroma import ChromaKnowledgeBase, healing
from syncd.knowledge.chroma.closing import is_closed
from syncd.knowledge.chroma.connection import connect_embedded
from syncd.knowledge.chroma.healing import heal
from syncd.knowledge.chroma.mirrored import mirror_file
from syncd.knowledge.chroma.options import ChromaOptions
from syncd.testing.documents import numbered

DOCUMENTS = [numbered(f"d{number}", 1 + number % 3) for number in range(100)]
IDS = [one.id for one in DOCUMENTS]

STEPS = {
    "while the new store is half full": "write = healing.write_copies; healing.ENTRIES = 30\n"
    "healing.write_copies = lambda *of: (write(*of), end())",
    "when it is complete": "replacing._swap = end",
    "when the damaged one is set aside": "replacing._put_in_place = end",
    "when the new one is in place": "healing.Healed = end",
}


def end(*_: object, **__: object) -> None:
    """End as a kill ends."""
    os.kill(os.getpid(), signal.SIGKILL)


def opened(folder: Path, name: str = "things", embedding: str = "e:1") -> ChromaKnowledgeBase:
    return ChromaKnowledgeBase(name, ChromaOptions(path=str(folder)), embedding, {"pid": "1"})


def damage(folder: Path) -> None:
    """Cut Chroma's database in half."""
    database = folder / "chroma.sqlite3"
    os.truncate(database, database.stat().st_size // 2)


def asides(folder: Path) -> list[Path]:
    return sorted(folder.parent.glob(f"{folder.name}.damaged-*"))


def collection_of(folder: Path, name: str) -> str:
    """The id that Chroma gave a collection."""
    connection = connect_embedded(folder)
    try:
        return str(next(model.id for model in connection.collections() if model.name == name))
    finally:
        connection.close()


def spoil(folder: Path, collection: str, documents: Iterable[str]) -> None:
    """Change vectors in a mirror behind its back."""
    with closing(sqlite3.connect(mirror_file(folder, collection))) as database, database:
        database.executemany(
            "UPDATE entries SET vector = zeroblob(128) WHERE document = ?", [(one,) for one in documents]
        )


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "kb"
    store = opened(folder)
    store.upsert(DOCUMENTS)
    store.close()
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A store of a hundred documents."""
    return Path(shutil.copytree(sound, tmp_path / "kb"))


@pytest.mark.parametrize("step", STEPS)
def test_a_healing_that_is_killed_is_completed_or_repeated(folder: Path, step: str) -> None:
    """Nothing is lost, nothing half-filled is trusted, and one damaged folder is left."""
    damage(folder)
    program = (
        "import sys; from syncd.knowledge.chroma import replacing\n"
        f"from tests.unit.knowledge.test_healing import *\n{STEPS[step]}\nheal(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, str(folder)]
    ended = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    store = opened(folder)
    assert len(store.fingerprints(IDS)) == len(DOCUMENTS)
    assert store.count() == sum(len(one.chunks) for one in DOCUMENTS)
    store.close()
    assert len(asides(folder)) == 1
    assert {entry.name for entry in folder.rglob("heal*")} == set()
    assert is_closed(folder)


def test_every_collection_of_syncd_is_healed_with_all_that_it_says_of_itself(tmp_path: Path) -> None:
    """Each keeps its name, its metadata and its documents, and none its identity; others stay with the old files."""
    folder = tmp_path / "kb"
    names = ("things", "things.next", "things.former")
    before = {}
    for number, name in enumerate(names):
        store = opened(folder, name, f"e:{number}")
        store.upsert([numbered(f"{name} {one}", 2) for one in range(number + 3)])
        store._collection.modify(metadata={**store._collection.metadata, "more": number})
        store.advance()
        before[name] = store.identity()
        store.close()
    spoil(folder, collection_of(folder, "things.next"), [numbered("things.next 0", 1).id])
    connection = connect_embedded(folder)
    connection.api.create_collection("of.another", tenant=connection.tenant, database=connection.database)
    connection.close()

    healed = heal(folder)

    assert (healed.recovered, healed.lost) == (3 + 3 + 5, 1)
    connection = connect_embedded(folder)
    models = {model.name: model.metadata for model in connection.collections()}
    connection.close()
    assert models.keys() == set(names)
    for number, name in enumerate(names):
        assert {key: value for key, value in models[name].items() if key != "syncd_uuid"} == {
            "syncd_epoch": before[name].epoch,
            "syncd_embedding": f"e:{number}",
            "more": number,
        }
        assert models[name]["syncd_uuid"] != before[name].uuid
        store = opened(folder, name, f"e:{number}")
        assert store.count() == 2 * (number + 3 - (number == 1))
        store.close()


def test_where_both_copies_are_broken_the_store_starts_empty_and_says_so(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be told is not made up."""
    damage(folder)
    [mirror] = folder.glob("mirror-*")
    mirror.write_bytes(bytes(20_000))
    store = opened(folder)
    assert store.count() == 0
    store.close()
    assert "0 documents were recovered, an unknown number will be embedded again" in caplog.text


def test_a_mirror_that_is_broken_in_the_middle_gives_what_can_be_read(folder: Path) -> None:
    """The rest is embedded again."""
    [mirror] = folder.glob("mirror-*")
    with mirror.open("rb+") as file:
        file.seek(mirror.stat().st_size // 2)
        file.write(os.urandom(mirror.stat().st_size // 3))
    healed = heal(folder)
    assert healed.lost is None or healed.lost > 0
    store = opened(folder)
    prints = store.fingerprints(IDS)
    assert len(prints) == healed.recovered < len(DOCUMENTS)
    assert prints.items() <= {one.id: one.fingerprint for one in DOCUMENTS}.items()
    for match in store.search(DOCUMENTS[0].chunks[0].vector, 300, {}):
        assert match.text.startswith("d")
    store.close()


def test_only_the_newest_damaged_folder_is_kept(folder: Path) -> None:
    """Ten kills do not fill the disk with ten copies."""
    for _ in range(3):
        healed = heal(folder)
        assert asides(folder) == [healed.aside]


def test_a_healing_without_room_moves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The damaged store waits for space, and is healed when there is some."""
    damage(folder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(healing, "write_copies", full)
        with pytest.raises(Unavailable, match="No space left"):
            opened(folder)
    assert asides(folder) == []
    assert heal(folder).recovered == len(DOCUMENTS)


def test_a_refusal_leaves_a_sound_store_trusted(folder: Path) -> None:
    """A job of another model is refused at each tick; the store need not be examined each time."""
    with pytest.raises(PermanentError, match="another model"):
        opened(folder, embedding="e:2")
    assert is_closed(folder)
