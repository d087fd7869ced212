"""Each of the nine answers to why a row is in the knowledge base, or is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.errors import Invalid
from syncd.inspection import Inspection
from syncd.model.inspection import Answer, Explanation
from tests.engine import Engine
from tests.world import TABLE, World, now


def why(world: World, key: str) -> Explanation:
    """Ask about the row with a key."""
    with Engine.of(world) as engine:
        return Inspection(engine.state, engine.parts, now).why(engine.job, key)


@pytest.fixture
def world(tmp_path: Path, any_url: str) -> World:
    """On each database, rows that stand in every way; 5000 rows apart, so that the lookback does not reach the first."""
    if any_url.startswith("sqlite"):
        (tmp_path / "source.db").touch()
    made = World.make(tmp_path, any_url)
    made.execute("DROP TABLE t", TABLE.replace("f INTEGER NOT NULL", "f INTEGER"))
    made.rewrite(("    interval:", "    filters: [{column: tag, op: ne, value: hidden}]\n    interval:"))
    made.fill(1, 9)
    made.fill(9001, 9003)
    made.execute(
        "INSERT INTO t (id, f, body, tag) VALUES (20, NULL, 'no value', 'x'), (21, 21, '', 'x'), (22, 22, 'b', 'hidden')"
    )
    made.execute("INSERT INTO t (id, f, body, tag, gone) VALUES (23, 23, 'marked', 'x', 1)")
    assert made.sync().status == "completed"
    return made


def test_every_answer(world: World) -> None:
    """One row for each, with what happens next."""
    world.execute("UPDATE t SET body = 'silent' WHERE id IN (2, 9002)", "DELETE FROM t WHERE id = 3")
    world.fill(9004, 9004)
    asked = {key: why(world, key) for key in ("1", "2", "3", "20", "21", "22", "23", "777", "9002", "9004")}
    assert {key: found.answer for key, found in asked.items()} == {
        "1": Answer.SYNCED,
        "2": Answer.BEHIND_THE_WATERMARK,
        "3": Answer.DELETED_AT_THE_SOURCE,
        "20": Answer.FILTER_VALUE_IS_NULL,
        "21": Answer.EMPTY_TEXT,
        "22": Answer.FILTERED_OUT,
        "23": Answer.DELETED_AT_THE_SOURCE,
        "777": Answer.NOT_IN_THE_SOURCE,
        "9002": Answer.NOT_READ_YET,
        "9004": Answer.NOT_READ_YET,
    }
    assert (asked["1"].document_id, asked["1"].held, asked["1"].filter_value) == ("db.t:1", True, "1")
    assert "its document stays" in asked["3"].detail
    assert asked["20"].filter_value == "NULL"
    assert "below the lookback" in asked["2"].detail
    assert "an older version is held: the next run reads it" in asked["9002"].detail


def test_a_row_in_the_dead_letters(tmp_path: Path, sqlite_url: str) -> None:
    """The answer is the reason for which it is there."""
    world = World.make(tmp_path, sqlite_url)
    world.execute("INSERT INTO t (id, f, body, tag) VALUES (1, 1, CAST(x'fffe' AS TEXT), 'x')")
    world.sync()
    found = why(world, "1")
    assert found.answer is Answer.QUARANTINED
    assert "not valid Unicode" in found.detail


def test_before_the_first_run_nothing_is_read(tmp_path: Path, sqlite_url: str) -> None:
    """A row that is there waits for the first run."""
    world = World.make(tmp_path, sqlite_url)
    world.fill(1, 1)
    assert why(world, "1").answer is Answer.NOT_READ_YET


@pytest.mark.parametrize(
    ("declared", "value", "written", "encoded"),
    [
        ("VARCHAR(50)", "'ann'", "ann", '"ann"'),
        ("VARCHAR(50)", "'42'", "42", '"42"'),
        ("VARCHAR(50)", "'a,\"b'", '"a,\\"b"', '"a,\\"b"'),
        ("NUMERIC(10,2)", "1.50", "1.5", "n1.5"),
        ("DATE", "'2026-11-24'", "2026-11-24", "d2026-11-24"),
    ],
)
def test_a_key_may_be_written_as_the_database_shows_it(
    tmp_path: Path, postgres_url: str, declared: str, value: str, written: str, encoded: str
) -> None:
    """Or as it stands in a document's id."""
    world = World.make(tmp_path, postgres_url)
    world.execute(
        "DROP TABLE t",
        f"CREATE TABLE t (id {declared} PRIMARY KEY, f INTEGER, body TEXT, tag TEXT, gone INTEGER NOT NULL DEFAULT 0)",
        f"INSERT INTO t (id, f, body) VALUES ({value}, 1, 'text')",
    )
    world.sync()
    for key in (written, encoded):
        found = why(world, key)
        assert (found.document_id, found.answer) == (f"db.t:{encoded}", Answer.SYNCED)


def test_what_cannot_be_a_key_is_refused(tmp_path: Path, postgres_url: str) -> None:
    """With the columns that make a key, and what they hold."""
    world = World.make(tmp_path, postgres_url)
    with pytest.raises(Invalid, match="'ann' is no int, as id holds"):
        why(world, "ann")
    world.execute("DROP TABLE t", TABLE.replace("id INTEGER PRIMARY KEY", "id INTEGER, PRIMARY KEY (id, f)"))
    with pytest.raises(Invalid, match="give id, f, separated by commas"):
        why(world, "1")
    assert why(world, "1,2").document_id == "db.t:1,2"
