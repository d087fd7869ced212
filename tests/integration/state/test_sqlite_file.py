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
    assert files == ["syncd.db", "syncd.db-shm", "syncd.db-wal", "syncd.db.lock"]
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


def _zero_a_page_in_the_middle(content: bytearray) -> None:
    page = len(content) // 8192 * 4096
    content[page : page + 4096] = bytes(4096)


@pytest.mark.parametrize(
    "damage",
    [
        _flip_page_headers, _flip_magic, _flip_one_page, _cut_in_half, _cut_in_first_page, _cut_to_nothing, _zero,
        _zero_the_tail, _zero_a_page_in_the_middle,
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_by_name_with_a_remedy_and_left_as_it_is(
    filled: Path, damage: Callable[[bytearray], None]
) -> None:
    content = bytearray(filled.read_bytes())
    damage(content)
    filled.write_bytes(content)
    with pytest.raises(Unavailable, match=r"syncd\.db .*put a backup in its place with `syncd restore`"):
        State.open(f"sqlite:///{filled}")
    assert filled.read_bytes() == content
    assert [found.name for found in filled.parent.iterdir() if found.suffix == ".db"] == ["syncd.db"]


@pytest.mark.parametrize("log", ["wal", "journal"])
def test_a_lost_file_is_not_replaced_while_its_log_is_there(filled: Path, log: str) -> None:
    filled.with_name(f"syncd.db-{log}").write_bytes(b"log")
    filled.unlink()
    for use in (State.open, State.is_new):
        with pytest.raises(Unavailable, match=rf"is missing, but its log syncd\.db-{log} is there"):
            use(f"sqlite:///{filled}")
    assert not filled.exists()


def test_a_link_to_a_disk_that_is_not_mounted_is_not_followed(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.symlink_to(path.parent / "disk" / "syncd.db")
    for use in (State.open, State.is_new):
        with pytest.raises(Unavailable, match=r"is a link to .*disk/syncd\.db, which is not there"):
            use(f"sqlite:///{path}")
    (path.parent / "disk").mkdir()
    with pytest.raises(Unavailable, match="is a link"):
        State.open(f"sqlite:///{path}")
    assert list((path.parent / "disk").glob("*.db")) == []


@pytest.mark.parametrize("table", ["jobs", "checkpoints", "syncd_version", "every"])
def test_a_sound_file_whose_tables_are_gone_is_refused(filled: Path, table: str) -> None:
    with closing(sqlite3.connect(filled)) as connection:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE TABLE%'")
        ]
        for name in names if table == "every" else [table]:
            if name != "sqlite_sequence":
                connection.execute(f"DROP TABLE {name}")
        connection.commit()
        left = connection.execute("SELECT sql FROM sqlite_master").fetchall()
        with pytest.raises(Unavailable, match=r"syncd\.db is damaged: .*`syncd restore`"):
            State.open(f"sqlite:///{filled}")
        assert connection.execute("SELECT sql FROM sqlite_master").fetchall() == left


@pytest.mark.parametrize("where", ["header", "first", "last"])
def test_flipped_bytes_in_the_log_cost_its_later_transactions_and_nothing_before(path: Path, where: str) -> None:
    """The log carries checksums: what follows the flipped byte is as if it had not been committed."""
    state = State.open(f"sqlite:///{path}")
    state.jobs.put("early", definition(), Origin.FILE, NOW)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number in range(5):
        state.jobs.put(f"late{number}", definition(), Origin.FILE, NOW)
    for name in ("syncd.db", "syncd.db-wal"):
        (path.parent / name).with_name(f"x{name}").write_bytes((path.parent / name).read_bytes())
    state.close()
    log = path.with_name("xsyncd.db-wal")
    content = bytearray(log.read_bytes())
    content[{"header": 20, "first": 100, "last": len(content) - 100}[where]] ^= 0xFF
    log.write_bytes(content)
    state = State.open(f"sqlite:///{path.with_name('xsyncd.db')}")
    kept = {"header": 0, "first": 0, "last": 4}[where]
    assert [job.name for job in state.jobs.list()] == ["early", *(f"late{number}" for number in range(kept))]
    state.close()


def test_another_journal_mode_is_set_back(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection:
        assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    database = Database.open(f"sqlite:///{filled}")
    assert database.read(lambda connection: connection.exec_driver_sql("PRAGMA journal_mode").scalar()) == "wal"
    database.close()


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
    assert [file.name for file in path.parent.iterdir()] == ["syncd.db.lock"]


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
    assert [file.name for file in path.parent.iterdir()] == ["syncd.db.lock"]


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
