"""`syncd backup` and `syncd restore`: what they say, what they refuse, and that nothing is changed where they do."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd.state import State
from syncd.state.lock import StateLock
from syncd.triggers import Triggers
from tests.integration.cli.conftest import CONFIG, Call, Shop, Started


@pytest.fixture
def state(shop: Shop, call: Call) -> Path:
    """The shop's state, made and closed: a token and the job are in it."""
    assert call("tokens", "create", "first", "--scope", "admin").returncode == 0
    assert call("jobs", "pause", "orders").returncode == 0
    assert call("jobs", "resume", "orders").returncode == 0
    return shop.folder / "data" / "syncd.db"


def names(call: Call) -> list[str]:
    """The tokens that a state knows."""
    return [token["name"] for token in json.loads(call("tokens", "list", "--json").stdout)]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but locks."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file() and file.suffix != ".lock"}


def test_a_backup_is_one_private_checked_file(shop: Shop, state: Path, call: Call) -> None:
    done = call("backup", "copy.db")
    assert done.returncode == 0, done.stderr
    copy = shop.folder / "copy.db"
    assert f"copy.db: {copy.stat().st_size:,} bytes, 1 job, in " in done.stdout
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [file.name for file in shop.folder.iterdir() if "copy" in file.name] == ["copy.db"]
    copy.chmod(0o400)
    with closing(sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("SELECT name FROM tokens").fetchall() == [("first",)]


def test_a_backup_takes_no_file_away_unless_it_is_told_to(shop: Shop, state: Path, call: Call) -> None:
    copy = shop.folder / "copy.db"
    copy.write_text("precious")
    refused = call("backup", "copy.db")
    assert (refused.returncode, copy.read_text()) == (2, "precious")
    assert "is there already" in refused.stderr
    state.with_name("state.txt").write_bytes(state.read_bytes())
    state.write_bytes(state.read_bytes()[:8192])
    damaged = call("backup", "copy.db", "--force")
    assert (damaged.returncode, copy.read_text()) == (3, "precious")
    assert "is damaged" in damaged.stderr
    state.write_bytes(state.with_name("state.txt").read_bytes())
    assert json.loads(call("backup", "copy.db", "--force", "--json").stdout) == {
        "file": "copy.db",
        "bytes": copy.stat().st_size,
        "jobs": 1,
        "seconds": pytest.approx(0, abs=5),
    }


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", ".lock"])
def test_a_backup_is_never_written_over_the_state(shop: Shop, state: Path, call: Call, ending: str) -> None:
    (shop.folder / "link").symlink_to("data")
    before = contents(state.parent)
    refused = call("backup", f"link/syncd.db{ending}", "--force")
    assert refused.returncode == 2
    assert "belongs to the state itself" in refused.stderr
    assert contents(state.parent) == before


def test_what_cannot_be_backed_up_is_told(shop: Shop, call: Call) -> None:
    missing = call("backup", "copy.db")
    assert missing.returncode == 2
    assert "there is no state data/syncd.db yet" in missing.stderr
    assert not (shop.folder / "data").exists()
    assert call("tokens", "create", "first", "--scope", "admin").returncode == 0
    nowhere = call("backup", "no/such/folder/copy.db")
    assert nowhere.returncode == 3
    assert "no/such/folder/copy.db cannot be written: No such file" in nowhere.stderr
    folder = call("backup", ".")
    assert folder.returncode == 2
    assert "is a folder" in folder.stderr
    with closing(sqlite3.connect(shop.folder / "data" / "syncd.db")) as connection, connection:
        connection.execute("UPDATE syncd_version SET version_num = '9999'")
    newer = call("backup", "copy.db")
    assert newer.returncode == 3
    assert "was written by a newer syncd" in newer.stderr
    assert not (shop.folder / "copy.db").exists()


def test_a_state_in_postgresql_has_tools_of_its_own(shop: Shop, call: Call) -> None:
    shop.configure("state: postgresql://syncd:secret@nowhere/state\n" + CONFIG.format(url="sqlite:///shop.db"))
    for command, tool in (("backup", "pg_dump"), ("restore", "pg_restore")):
        refused = call(command, "copy.db")
        assert refused.returncode == 2
        assert f"hint: use {tool}" in refused.stderr
        assert "secret" not in refused.stderr


def test_what_was_backed_up_comes_back_and_what_was_there_is_kept(shop: Shop, state: Path, call: Call) -> None:
    assert call("backup", "copy.db").returncode == 0
    assert call("tokens", "create", "second", "--scope", "admin").returncode == 0
    done = call("restore", "copy.db")
    assert done.returncode == 0, done.stderr
    assert "data/syncd.db: restored from copy.db" in done.stdout
    assert "tokens are as they were then" in done.stderr
    assert names(call) == ["first"]
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    [aside] = state.parent.glob("syncd.db.before-restore-*Z")
    assert aside.name in done.stderr
    assert call("restore", f"data/{aside.name}").returncode == 0
    assert names(call) == ["first", "second"]


def test_numbers_that_were_given_out_after_the_backup_are_not_given_again(state: Path, call: Call) -> None:
    """Neither of what the backup holds already, as tokens, nor of what it holds none of, as runs."""

    def given() -> list[str]:
        made = call("tokens", "create", "second", "--scope", "admin")
        asked = call("jobs", "trigger", "orders", "--no-wait")
        return re.findall(r"\b(?:tok|run)_\d+", made.stderr + asked.stdout + asked.stderr)

    assert call("backup", "copy.db").returncode == 0
    assert given() == ["tok_2", "run_1"]
    assert call("restore", "copy.db").returncode == 0
    assert given() == ["tok_1000002", "run_1000001"]


@pytest.mark.parametrize("present", ["damaged", "missing", "empty"])
def test_a_state_that_cannot_be_used_is_what_a_restore_is_for(
    shop: Shop, state: Path, call: Call, present: str
) -> None:
    assert call("backup", "copy.db").returncode == 0
    damaged = {"damaged": b"\x00" * 9000, "empty": b""}.get(present)
    if damaged is None:
        state.unlink()
        state.with_name("syncd.db-wal").write_bytes(b"left over")
    else:
        state.write_bytes(damaged)
    for command in (
        ("status",), ("jobs",), ("jobs", "pause", "orders"), ("runs",), ("tokens", "list"), ("tokens", "create", "x", "--scope", "admin"),
        ("tokens", "revoke", "first"), ("check",), ("sync", "orders"), ("run",), ("backup", "again.db"),
    ):  # fmt: skip
        refused = call(*command)
        assert (refused.returncode, refused.stdout) == (3, ""), command
        assert "`syncd restore`" in refused.stderr, command
    assert state.exists() is (damaged is not None)
    report = json.loads(call("restore", "copy.db", "--json").stdout)
    assert names(call) == ["first"]
    aside = shop.folder / report["aside"]
    assert (aside if damaged is not None else aside.with_name(aside.name + "-wal")).read_bytes() == (
        damaged if damaged is not None else b"left over"
    )
    assert not state.with_name("syncd.db-wal").exists()


def test_a_state_may_be_restored_where_there_is_none(shop: Shop, state: Path, call: Call) -> None:
    assert call("backup", "copy.db").returncode == 0
    state.parent.rename(shop.folder / "lost")
    assert json.loads(call("restore", "copy.db", "--json").stdout)["aside"] is None
    assert names(call) == ["first"]


def _text(content: bytes) -> bytes:
    return b"no database"


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _torn(content: bytes) -> bytes:
    return content[:20_480] + bytes(4096) + content[24_576:]


def _nothing(content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize(
    ("damage", "said"), [(_text, "is damaged"), (_half, "is damaged"), (_torn, "is damaged"), (_nothing, "is empty")]
)
def test_a_backup_that_is_not_sound_changes_nothing(
    shop: Shop, state: Path, call: Call, damage: Callable[[bytes], bytes], said: str
) -> None:
    copy = shop.folder / "copy.db"
    assert call("backup", "copy.db").returncode == 0
    copy.write_bytes(damage(copy.read_bytes()))
    before = contents(state.parent)
    refused = call("restore", "copy.db")
    assert refused.returncode == 3
    assert f"the backup copy.db {said}" in refused.stderr
    assert contents(state.parent) == before


def test_what_is_no_backup_changes_nothing(shop: Shop, state: Path, call: Call) -> None:
    assert call("backup", "newer.db").returncode == 0
    with closing(sqlite3.connect(shop.folder / "newer.db")) as connection, connection:
        connection.execute("UPDATE syncd_version SET version_num = '9999'")
    before = contents(state.parent)
    for file, code, said in (
        ("shop.db", 3, "no state of syncd"),
        ("newer.db", 3, "the state newer.db was written by a newer syncd"),
        ("nothing.db", 2, "there is no file nothing.db"),
        ("data", 2, "there is no file data"),
        ("data/syncd.db", 2, "belongs to the state itself"),
    ):
        refused = call("restore", file)
        assert (refused.returncode, refused.stdout) == (code, ""), file
        assert said in refused.stderr, file
        assert contents(state.parent) == before, file


def test_nothing_is_restored_under_a_process_that_uses_the_state(
    shop: Shop, state: Path, call: Call, daemon_of: Callable[[Shop], Started]
) -> None:
    daemon = daemon_of(shop)
    assert call("backup", "copy.db").returncode == 0
    before = state.stat().st_ino
    refused = call("restore", "copy.db")
    assert refused.returncode == 3
    assert f"is used by process {daemon.process.pid}" in refused.stderr
    daemon.process.kill()
    daemon.process.wait()
    assert state.stat().st_ino == before
    assert call("restore", "copy.db").returncode == 0, "a lock does not outlive its process"
    assert names(call) == ["first"]


def test_nothing_opens_a_state_that_is_being_restored(state: Path, call: Call) -> None:
    lock = StateLock(state)
    lock.own()
    for command in (("tokens", "list"), ("run",), ("backup", "copy.db"), ("restore", "shop.db")):
        refused = call(*command)
        assert refused.returncode == 3, command
        assert "is being restored" in refused.stderr or "is used by process" in refused.stderr, command
    lock.release()
    assert names(call) == ["first"]


def test_a_restored_state_says_so_in_its_events(state: Path, call: Call) -> None:
    assert call("backup", "copy.db").returncode == 0
    assert call("restore", "copy.db").returncode == 0
    opened = State.open(f"sqlite:///{state}")
    [event] = opened.events.list(limit=1)
    assert (event.kind, event.detail, event.job_id) == ("state_restored", "from copy.db", None)
    opened.close()


def test_an_approval_does_not_come_back_to_life(state: Path, call: Call) -> None:
    """It was given for what the table looked like when the backup was made."""
    at = datetime.now(UTC)
    opened = State.open(f"sqlite:///{state}")
    job = opened.jobs.get("orders")
    run = Triggers(opened, lambda: at).ask(job)
    claimed = opened.leases.claim("tests", at, timedelta(seconds=30), run.number)
    assert claimed is not None
    lease = claimed[1]
    opened.sweeps.withhold(lease, at, 150, 200)
    opened.sweeps.approve(job.id, None, at)
    opened.close()
    assert call("backup", "copy.db").returncode == 0
    assert call("restore", "copy.db").returncode == 0
    opened = State.open(f"sqlite:///{state}")
    sweep = opened.sweeps.get(job.id)
    opened.close()
    assert sweep is not None
    assert (sweep.orphans, sweep.approved) == (150, 0)
