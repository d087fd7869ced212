"""The lock on a folder: one owner, told by name, gone with its process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from syncd.errors import InUse, Unavailable
from syncd.knowledge.chroma.lock import FolderLock, holder_of

HOLDER = {"pid": "12", "role": "sync", "since": "2026-01-01T00:00:00Z", "url": ""}


def test_the_same_process_cannot_own_it_twice(tmp_path: Path) -> None:
    """The second attempt learns who the first one is."""
    lock = FolderLock(tmp_path / "kb", HOLDER)
    with pytest.raises(InUse, match="role sync") as refusal:
        FolderLock(tmp_path / "kb", {"pid": "13"})
    assert refusal.value.holder == HOLDER
    lock.release()
    FolderLock(tmp_path / "kb", HOLDER).release()


def test_another_process_is_refused_until_the_owner_ends(tmp_path: Path) -> None:
    """A killed owner leaves no lock behind."""
    program = (
        "import sys; from pathlib import Path; from syncd.knowledge.chroma.lock import FolderLock\n"
        "FolderLock(Path(sys.argv[1]), {'pid': 'theirs'}); print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "kb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "held\n"
        with pytest.raises(InUse, match="theirs"):
            FolderLock(tmp_path / "kb", HOLDER)
        owner.kill()
    FolderLock(tmp_path / "kb", HOLDER).release()


def test_a_child_process_does_not_keep_it(tmp_path: Path) -> None:
    """A program that was started meanwhile does not hold the lock on after its release."""
    lock = FolderLock(tmp_path / "kb", HOLDER)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        lock.release()
        FolderLock(tmp_path / "kb", HOLDER).release()
        assert child.poll() is None
        assert child.stdin is not None
        child.stdin.close()


def test_the_folder_can_be_moved_while_it_is_locked(tmp_path: Path) -> None:
    """The lock stays with the path, not with the folder that was there."""
    (tmp_path / "kb").mkdir()
    lock = FolderLock(tmp_path / "kb", HOLDER)
    (tmp_path / "kb").rename(tmp_path / "aside")
    (tmp_path / "kb").mkdir()
    with pytest.raises(InUse):
        FolderLock(tmp_path / "kb", HOLDER)
    lock.release()


def test_a_lock_file_that_says_nonsense_still_locks(tmp_path: Path) -> None:
    """What it says is only for people."""
    (tmp_path / "kb.lock").write_bytes(b"\xff\x00[1, 2")
    lock = FolderLock(tmp_path / "kb", HOLDER)
    with pytest.raises(InUse):
        FolderLock(tmp_path / "kb", HOLDER)
    lock.release()


def test_the_lock_file_is_private(tmp_path: Path) -> None:
    """Nobody else reads who works here."""
    before = os.umask(0)
    try:
        lock = FolderLock(tmp_path / "kb", HOLDER)
    finally:
        os.umask(before)
    assert lock.path.stat().st_mode & 0o777 == 0o600
    lock.release()


def test_a_place_where_no_file_can_be_made(tmp_path: Path) -> None:
    """It is the environment that must be mended."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be made"):
        FolderLock(tmp_path / "file" / "kb", HOLDER)


def test_who_holds_it_can_be_seen_without_being_in_the_way(tmp_path: Path) -> None:
    """A look tells nothing of owners that let go, or died, and makes no file."""
    assert holder_of(tmp_path / "kb") == {}
    assert list(tmp_path.iterdir()) == []
    lock = FolderLock(tmp_path / "kb", HOLDER)
    assert holder_of(tmp_path / "kb") == HOLDER
    lock.release()
    assert holder_of(tmp_path / "kb") == {}
    (tmp_path / "kb.lock").write_text('{"pid": "of one that was killed"}')
    assert holder_of(tmp_path / "kb") == {}
    FolderLock(tmp_path / "kb", HOLDER).release()
    assert holder_of(tmp_path / "kb") == {}
