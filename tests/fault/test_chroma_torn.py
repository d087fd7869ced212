"""An embedded Chroma torn by a kill or a power loss: what the log announces as lost, and nothing else, is embedded again."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from syncd.knowledge.chroma import collection
from syncd.knowledge.chroma.closing import unmark
from syncd.model.run import RunOptions
from syncd.testing.failpoints import VARIABLE
from tests.world import World

ROWS, MORE = 400, 150

ANNOUNCED = re.compile(r"(\d+) documents were recovered, (\d+) will be embedded again; its files are now in (\S+)")


@pytest.fixture(autouse=True)
def index_is_written_often() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collection, "ROWS_BETWEEN_WRITES", 100)
        yield


def index_of(kb: Path) -> Path:
    """The folder of Chroma's index, whose name Chroma chose."""
    [index] = kb.glob("*/header.bin")
    return index.parent


def older(kb: Path, before: Path, *names: str) -> None:
    """Put files of the index back to what they were some writes ago."""
    for name in names:
        shutil.copy(index_of(before) / name, index_of(kb) / name)


def cut(kb: Path, name: str, share: float) -> None:
    file = index_of(kb) / name
    os.truncate(file, int(file.stat().st_size * share))


def spoil(kb: Path, count: int) -> None:
    """Change vectors in the second copy behind its back."""
    [mirror] = kb.glob("mirror-*.sqlite3")
    with closing(sqlite3.connect(mirror)) as database, database:
        database.execute("UPDATE entries SET vector = zeroblob(4) WHERE rowid % 40 = 1 AND rowid < ?", (40 * count,))


TORN: dict[str, tuple[Callable[[Path, Path], object], int]] = {
    "a header newer than its data": (lambda kb, before: older(kb, before, "data_level0.bin", "link_lists.bin"), 0),
    "links older than the rest: Chroma refuses its log": (lambda kb, before: older(kb, before, "link_lists.bin"), 0),
    "data that never reached the disk": (lambda kb, _: cut(kb, "data_level0.bin", 0.6), 3),
    "the map of ids is missing": (lambda kb, _: (index_of(kb) / "index_metadata.pickle").unlink(), 0),
    "a database cut short": (lambda kb, _: os.truncate(kb / "chroma.sqlite3", 100_000), 5),
}


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> World:
    """A table in step with a knowledge base."""
    made = World.make(tmp_path, sqlite_url)
    made.fill(1, ROWS)
    made.sync()
    return made


def assert_nothing_else_is_embedded(world: World, caplog: pytest.LogCaptureFixture, rows: int, new: int) -> int:
    """Sync, and hold the count of embeddings against what was announced; returns how many were lost."""
    with caplog.at_level(logging.WARNING):
        run = world.sync()
    assert run.status == "completed"
    [(recovered, lost, aside)] = ANNOUNCED.findall(caplog.text)
    assert int(recovered) > 0
    assert int(recovered) + int(lost) == rows
    assert run.counts.embedded == int(lost) + new
    assert Path(aside).is_dir()
    world.assert_in_step()
    caplog.clear()
    assert world.sync(options=RunOptions(full=True)).counts.embedded == 0
    assert ANNOUNCED.search(caplog.text) is None
    return int(lost)


@pytest.mark.parametrize("state", TORN)
def test_a_torn_store_is_healed_without_embedding_again(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture, state: str
) -> None:
    kb = tmp_path / "kb"
    before = shutil.copytree(kb, tmp_path / "before")
    world.fill(ROWS + 1, ROWS + MORE)
    world.sync()
    tear, spoiled = TORN[state]
    tear(kb, before)
    spoil(kb, spoiled)
    unmark(kb)
    assert assert_nothing_else_is_embedded(world, caplog, ROWS + MORE, 0) == spoiled


def test_a_copy_that_was_taken_while_syncd_wrote_is_healed(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its files are of different moments, and its last call was never answered."""
    kb = tmp_path / "kb"
    taken = tmp_path / "taken"
    shutil.copytree(index_of(kb), taken / index_of(kb).name)
    world.fill(ROWS + 1, ROWS + MORE)
    ended = world.run("sync", "copy", env={VARIABLE: "written:2"})
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    shutil.copytree(kb, tmp_path / "later")
    for name in ("data_level0.bin", "length.bin"):
        shutil.copy(taken / index_of(kb).name / name, index_of(kb) / name)
    assert_nothing_else_is_embedded(world, caplog, ROWS + MORE, 0)
