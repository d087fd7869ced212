"""The SQLite file is private, durable, and trusted only when it is sound."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.errors import Unavailable
from syncd.model.job import Job, Origin
from syncd.model.record import Reject
from syncd.model.run import Counts
from syncd.state import State, sqlite_file
from syncd.state.database import Database
from tests.integration.state.values import NOW, checkpoint, definition, start


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the state is made."""
    return tmp_path / "deep" / "data" / "syncd.db"


@pytest.fixture
def filled(path: Path) -> Path:
    """A state of some pages, closed."""
    state = State.open(f"sqlite:///{path}")
    job = state.jobs.put("orders", definition(), Origin.FILE, NOW)
    run, lease = start(state, job)
    rejects = [Reject(f"{number:06}", "r" * 100) for number in range(500)]
    state.checkpoints.commit(
        lease, run.number, checkpoint(), counts=Counts(), stages={}, rejects=rejects, resolved=[], now=NOW
    )
    state.close()
    return path


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_its_owner_can_read_the_file_and_its_logs(path: Path) -> None:
    state = State.open(f"sqlite:///{path}")
    state.jobs.put("a", definition(), Origin.FILE, NOW)
    files = sorted(found.name for found in path.parent.iterdir())
    assert files == ["syncd.db", "syncd.db-shm", "syncd.db-wal"]
    assert {_mode(path.parent / name) for name in files} == {0o600}
    assert _mode(path.parent) == 0o700
    state.close()


def test_a_file_that_others_could_read_is_closed_to_them(filled: Path) -> None:
    filled.chmod(0o644)
    State.open(f"sqlite:///{filled}").close()
    assert _mode(filled) == 0o600


def test_commits_are_synced_to_the_disk_and_references_checked(path: Path) -> None:
    database = Database.open(f"sqlite:///{path}")

    def settings(connection: sa.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert database.read(settings) == ["wal", 2, 1]
    database.close()


def _flip_page_headers(content: bytearray) -> None:
    for start_of_page in range(4096, len(content), 4096):
        content[start_of_page] ^= 0xFF
        content[start_of_page + 3] ^= 0xFF


def _flip_magic(content: bytearray) -> None:
    content[3] ^= 0x01


def _flip_one_page(content: bytearray) -> None:
    content[-4096:-4000] = bytes(byte ^ 0xFF for byte in content[-4096:-4000])


def _cut_in_half(content: bytearray) -> None:
    del content[len(content) // 2 :]


def _cut_in_first_page(content: bytearray) -> None:
    del content[100:]


def _cut_to_nothing(content: bytearray) -> None:
    content.clear()


def _zero(content: bytearray) -> None:
    content[:] = bytes(len(content))


def _zero_the_tail(content: bytearray) -> None:
    content[8192:] = bytes(len(content) - 8192)


@pytest.mark.parametrize(
    "damage",
    [
        _flip_page_headers, _flip_magic, _flip_one_page, _cut_in_half, _cut_in_first_page, _cut_to_nothing, _zero,
        _zero_the_tail,
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_by_name_with_a_remedy_and_left_as_it_is(
    filled: Path, damage: Callable[[bytearray], None]
) -> None:
    content = bytearray(filled.read_bytes())
    damage(content)
    filled.write_bytes(content)
    with pytest.raises(Unavailable, match=r"syncd\.db .*put a backup of the file in its place") as refused:
        State.open(f"sqlite:///{filled}")
    print(refused.value)
    assert filled.read_bytes() == content
    assert [found.name for found in filled.parent.iterdir() if found.suffix == ".db"] == ["syncd.db"]


def test_a_lost_file_is_not_replaced_while_its_log_is_there(filled: Path) -> None:
    filled.with_name("syncd.db-wal").write_bytes(b"log")
    filled.unlink()
    with pytest.raises(Unavailable, match=r"is missing, but its log syncd\.db-wal is there"):
        State.open(f"sqlite:///{filled}")
    assert not filled.exists()


def test_a_database_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    other = tmp_path / "orders.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    content = other.read_bytes()
    with pytest.raises(Unavailable, match="no state of syncd"):
        State.open(f"sqlite:///{other}")
    assert other.read_bytes() == content


def test_a_place_that_cannot_hold_a_file_is_named(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.touch()
    with pytest.raises(Unavailable, match=r"file/syncd\.db cannot be made or read"):
        State.open(f"sqlite:///{blocker}/syncd.db")
    with pytest.raises(Unavailable, match=str(tmp_path)):
        State.open(f"sqlite:///{tmp_path}")


def test_a_creation_that_fails_leaves_no_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(_: Path, __: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("syncd.state.sqlite_file.os.link", no_links)
    with pytest.raises(Unavailable, match="Operation not permitted"):
        State.open(f"sqlite:///{path}")
    assert list(path.parent.iterdir()) == []


LIMITED = """
import resource, sys
from syncd.errors import Unavailable
from syncd.state import State
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    State.open(f"sqlite:///{sys.argv[1]}")
except Unavailable as error:
    print(error)
"""


@pytest.mark.parametrize("size", [0, 4096, 40_000])
def test_a_disk_with_too_little_room_for_a_new_state_is_told_and_left_clean(path: Path, size: int) -> None:
    told = subprocess.run(
        [sys.executable, "-B", "-c", LIMITED, str(path), str(size)], check=True, capture_output=True, text=True
    ).stdout
    assert told.startswith(f"the state {path} cannot be "), told
    assert told.endswith("(check that its disk is sound and not full)\n"), told
    assert list(path.parent.iterdir()) == []


def test_a_full_disk_undoes_the_transaction_and_says_so(filled: Path) -> None:
    database = Database.open(f"sqlite:///{filled}")

    def fill(connection: sa.Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        connection.exec_driver_sql("CREATE TABLE big AS SELECT randomblob(1000000) AS b")

    with pytest.raises(Unavailable, match=r"full \(free some space on its disk\)") as raised:
        database.write(fill)
    assert isinstance(raised.value.__cause__, sa.exc.OperationalError)
    database.close()
    state = State.open(f"sqlite:///{filled}")
    assert state.dead_letters.count(1) == 500
    state.close()


def test_a_writer_waits_for_another_and_then_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.01)
    state = State.open(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        pauses: list[float] = []

        def let_go(seconds: float) -> None:
            pauses.append(seconds)
            if other.in_transaction:
                other.execute("COMMIT")

        monkeypatch.setattr("syncd.state.database.time.sleep", let_go)
        job: Job = state.jobs.put("a", definition(), Origin.FILE, NOW)
    assert len(pauses) == 1
    assert state.jobs.list() == [job]
    state.close()


def test_a_lock_that_is_never_given_back_ends_the_waiting(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.01)
    state = State.open(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match=r"locked \(find the process that keeps it locked\)"):
            state.jobs.put("a", definition(), Origin.FILE, NOW)
        assert state.jobs.list() == [], "readers do not wait"
    state.close()


def test_nobody_writes_between_a_transactions_reading_and_its_writing(path: Path) -> None:
    database = Database.open(f"sqlite:///{path}")
    refused = threading.Event()

    def work(connection: sa.Connection) -> None:
        connection.exec_driver_sql("SELECT count(*) FROM jobs").scalar()
        with (
            closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            other.execute("BEGIN IMMEDIATE")
        refused.set()
        connection.exec_driver_sql(
            "INSERT INTO events (kind, detail, at) VALUES ('a', 'b', '2026-01-01 00:00:00.000000')"
        )

    database.write(work)
    assert refused.is_set()
    database.close()
