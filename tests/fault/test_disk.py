"""A disk that is full or read-only fails the run with a remedy; what was synced stays, and the next run does the rest."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.attempt import Stop
from syncd.errors import Unavailable
from syncd.model.run import RunStatus
from syncd.state import State
from tests.engine import Engine
from tests.services import lacking
from tests.world import World

ROWS = 250


class Disk:
    """A small file system of its own, in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no space."""
        with self._ballast.open("wb", buffering=0) as stream:
            for size in (65_536, 4_096):
                with suppress(OSError):
                    while stream.write(bytes(size)) == size:
                        pass
        with pytest.raises(OSError, match="No space") as full:
            (self.folder / "one-more").write_bytes(b"x")
        assert full.value.errno == errno.ENOSPC
        (self.folder / "one-more").unlink(missing_ok=True)

    def free(self) -> None:
        """Give the space back."""
        self._ballast.unlink()

    def make(self, mode: str) -> None:
        """Make it read-only (`ro`) or writable again (`rw`)."""
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 16 MB; only root can make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        lacking(f"a disk cannot be mounted here: {mounted.stderr}")
    yield Disk(folder)
    subprocess.run(["umount", str(folder)], check=True)


def world_with(folder: Path, source: str, what: str, disk: Disk) -> World:
    """A job over 250 rows whose state or knowledge base is on the disk."""
    world = World.make(folder, source)
    world.rewrite(("interval: 1 DAY", "interval: 1 DAY\n    lookback: 0"))
    world.fill(1, ROWS, length=30)
    if what == "state":
        world.rewrite((world.state_url, f"sqlite:///{disk.folder}/state.db"))
    else:
        world.rewrite((f"path: {folder}/kb", f"path: {disk.folder}/kb"))
        (folder / "kb").symlink_to(disk.folder / "kb")
    return world


def test_a_full_disk_under_the_knowledge_base(tmp_path: Path, sqlite_url: str, disk: Disk) -> None:
    """The store is still sound afterwards: nothing is set aside, and every vector that it held is found."""
    world = world_with(tmp_path, sqlite_url, "kb", disk)
    with Engine.of(world) as engine:
        windows = 0

        def fill_in_the_second_window() -> None:
            nonlocal windows
            windows += 1
            if windows == 2:
                disk.fill()

        engine.at_step["embedded"] = fill_in_the_second_window
        run = engine.run()
        assert run.status is RunStatus.FAILED
        assert "check" in str(run.error)
        assert "space" in str(run.error)
        assert run.counts.embedded == 100
        disk.free()
        engine.at_step.clear()
        again = engine.run()
        assert again.status is RunStatus.COMPLETED
        assert run.counts.embedded + again.counts.embedded == ROWS
    assert list(disk.folder.glob("*.damaged-*")) == []
    world.assert_in_step()


@pytest.mark.parametrize("step", ["embedded", "commit"])
def test_a_full_disk_under_the_state(tmp_path: Path, sqlite_url: str, disk: Disk, step: str) -> None:
    world = world_with(tmp_path, sqlite_url, "state", disk)
    with Engine.of(world) as engine:
        engine.at_step[step] = disk.fill
        run, lease = engine.claim()
        with pytest.raises(Unavailable, match="free some space on its disk"):
            engine.runner().execute(run, lease, Stop())
        assert engine.state.runs.get(run.number).status is RunStatus.RUNNING
        assert engine.state.checkpoints.get(engine.job.id) is None
        engine.at_step.clear()
        disk.free()
        engine.state.leases.recover(engine.clock() + timedelta(hours=1), lambda owner: True)
        again = engine.run()
        assert again.status is RunStatus.COMPLETED
        # What the knowledge base has acknowledged is not embedded again.
        assert again.counts.embedded == (ROWS - 100 if step == "commit" else ROWS)
    world.assert_in_step()


@pytest.mark.parametrize("what", ["state", "kb"])
def test_a_disk_that_became_read_only(tmp_path: Path, sqlite_url: str, disk: Disk, what: str) -> None:
    world = world_with(tmp_path, sqlite_url, what, disk)
    world.sync()
    world.fill(ROWS + 1, ROWS + 10)
    disk.make("ro")
    refused = world.run("sync", "copy")
    assert refused.returncode == (3 if what == "state" else 1)
    assert "Read-only file system" in refused.stderr
    assert ("let this user write the folder" in refused.stderr) == (what == "state")
    disk.make("rw")
    assert world.sync().counts.embedded == 10
    world.assert_in_step()


def test_a_full_disk_when_the_knowledge_base_is_opened(tmp_path: Path, sqlite_url: str, disk: Disk) -> None:
    world = world_with(tmp_path, sqlite_url, "kb", disk)
    disk.fill()
    run = world.sync()
    assert run.status is RunStatus.FAILED
    assert "check the disk's space and permissions" in str(run.error)
    disk.free()
    assert world.sync().counts.embedded == ROWS
    world.assert_in_step()


def test_a_log_that_cannot_be_written_stops_no_run(tmp_path: Path, sqlite_url: str) -> None:
    world = World.make(tmp_path, sqlite_url)
    world.fill(1, ROWS)
    with Path("/dev/full").open("w") as full:
        subprocess.run(world.command("sync", "copy"), stdout=subprocess.DEVNULL, stderr=full, check=True, timeout=60)
    state = State.open(world.state_url)
    assert [run.counts.embedded for run in state.runs.list(status=RunStatus.COMPLETED)] == [ROWS]
    state.close()
    world.assert_in_step()
