"""Sweeps: rows that are gone, rows that a pass cannot see, and the guard that keeps an emptied table from emptying all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.errors import Conflict
from syncd.model.identity import key_of
from syncd.model.run import RunOptions
from syncd.source.sql import SqlSource
from tests.engine import Engine
from tests.world import World, now

SWEEP = RunOptions(sweep=True)


@pytest.fixture
def world(tmp_path: Path, any_url: str) -> World:
    """An installation on each database whose job sweeps its table, with 250 rows in step."""
    if any_url.startswith("sqlite"):
        (tmp_path / "source.db").touch()
    made = World.make(tmp_path, any_url)
    made.rewrite(("mode: soft, column: gone", "mode: sweep, interval: 1 DAY"))
    made.fill(1, 250)
    assert made.sync().status == "completed"
    return made


def test_a_sweep_finds_what_no_pass_can_see(world: World) -> None:
    """Deleted rows, changes that left the filter value alone, reused keys: all of them in one sweep, each once."""
    world.execute("DELETE FROM t WHERE id IN (3, 103, 250)")
    world.execute("UPDATE t SET body = 'changed in silence' WHERE id = 7")
    world.execute("UPDATE t SET tag = 'moved' WHERE id IN (8, 9)")
    world.execute("DELETE FROM t WHERE id = 10", "INSERT INTO t (id, f, body, tag) VALUES (10, 10, 'another row', 'x')")
    run = world.sync(options=SWEEP)
    assert run.status == "completed"
    assert (run.counts.deleted, run.counts.embedded, run.counts.inserted, run.counts.metadata_updated) == (3, 2, 0, 2)
    assert run.counts.swept == 247 + 3
    world.assert_in_step()
    again = world.sync(options=SWEEP).counts
    assert (again.deleted, again.embedded, again.metadata_updated, again.swept) == (0, 0, 0, 247)


def test_a_sweep_asks_only_for_rows_that_it_has_not_just_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is gone it asks for none; what is gone it asks for twice, the second time just before it goes."""
    asked: list[str] = []
    present = SqlSource.present

    def noted(source: SqlSource, document_ids: Sequence[str]) -> frozenset[str]:
        asked.extend(document_ids)
        return present(source, document_ids)

    monkeypatch.setattr(SqlSource, "present", noted)
    assert world.sync(options=SWEEP).counts.swept == 250
    assert asked == []
    world.execute("DELETE FROM t WHERE id IN (3, 103)")
    assert world.sync(options=SWEEP).counts.deleted == 2
    assert sorted(map(key_of, asked)) == ["103", "103", "3", "3"]


def test_a_row_without_a_filter_value_is_swept(tmp_path: Path, postgres_url: str) -> None:
    """No pass reads it; the sweep does, and again when it gets a value."""
    world = World.make(tmp_path, postgres_url)
    world.rewrite(("mode: soft, column: gone", "mode: sweep"))
    world.execute("ALTER TABLE t ALTER f DROP NOT NULL")
    world.fill(1, 3)
    world.execute("INSERT INTO t (id, f, body, tag) VALUES (4, NULL, 'no value', 'x')")
    first = world.sync()
    assert (first.counts.records_read, first.counts.embedded, first.counts.inserted) == (3, 4, 4)
    world.assert_in_step()
    world.execute("UPDATE t SET f = 9 WHERE id = 4")
    assert world.sync().counts.metadata_updated == 1
    world.assert_in_step()


def test_sweeps_come_at_their_own_interval(tmp_path: Path, sqlite_url: str) -> None:
    """Each sweep tick has one sweep, also after a restart, and the runs between have none."""
    world = World.make(tmp_path, sqlite_url)
    world.rewrite(
        ("mode: soft, column: gone", "mode: sweep, interval: 2 HOURS"), ("interval: 1 DAY", "interval: 1 HOURS")
    )
    world.fill(1, 5)
    at = now().replace(hour=12, minute=0, second=1)
    swept = []
    for hours in (0, 1, 2, 2.5, 3, 4, 9):
        with Engine.of(world, at + timedelta(hours=hours)) as engine:
            swept.append(engine.run().counts.swept)
    assert swept == [5, 0, 5, 0, 0, 5, 5]


def test_a_job_ticks_for_its_sweeps_too(tmp_path: Path, sqlite_url: str) -> None:
    """A job that runs once a day and sweeps once an hour is run once an hour."""
    world = World.make(tmp_path, sqlite_url)
    world.rewrite(("mode: soft, column: gone", "mode: sweep, interval: 1 HOURS"))
    with Engine.of(world) as engine:
        noon = now().replace(hour=12, minute=0, second=0, microsecond=0)
        schedule = engine.job.definition.schedule
        assert schedule.next_tick(noon) == noon + timedelta(hours=1)
        assert schedule.due_tick(noon + timedelta(minutes=90)) == noon + timedelta(hours=1)


def test_an_emptied_table_does_not_empty_the_knowledge_base(world: World) -> None:
    """The sweep removes nothing, the job is blocked and goes on, and approval lets exactly that many go."""
    world.execute("DELETE FROM t WHERE id > 100")
    with Engine.of(world) as engine:
        held = engine.run("copy", options=SWEEP)
        assert (held.status, held.counts.deleted) == ("failed", 0)
        assert "would remove 150 of 250 documents" in str(held.error)
        world.fill(300, 301)
        between = engine.run()
        assert (between.status, between.counts.embedded, between.counts.swept) == ("completed", 2, 0)
        assert "syncd jobs approve" in str(engine.job.blocked)
        world.execute("DELETE FROM t WHERE id > 301 OR id = 100")
        engine.state.sweeps.approve(engine.job.id, None, now())
        more = engine.run("copy", options=SWEEP)
        assert (more.status, more.counts.deleted) == ("failed", 0), "one more is gone than was approved"
        engine.state.sweeps.approve(engine.job.id, None, now())
        done = engine.run("copy", options=SWEEP)
        assert (done.status, done.counts.deleted) == ("completed", 151)
        assert engine.job.blocked is None
        with pytest.raises(Conflict, match="no sweep"):
            engine.state.sweeps.approve(engine.job.id, None, now())
    world.assert_in_step()


def test_a_table_that_came_back_needs_no_approval(world: World) -> None:
    """A sweep that finds the rows again takes the block away by itself."""
    world.execute("ALTER TABLE t RENAME TO away", "CREATE TABLE t AS SELECT * FROM away WHERE id < 10")
    world.execute("ALTER TABLE t RENAME TO part", "CREATE VIEW t AS SELECT * FROM part")
    world.rewrite(("    content_columns", "    key_columns: [id]\n    content_columns"))
    assert world.sync(options=SWEEP).status == "failed"
    world.execute("DROP VIEW t", "ALTER TABLE away RENAME TO t")
    assert world.sync(options=SWEEP).status == "completed"
    with Engine.of(world) as engine:
        assert engine.job.blocked is None
    world.assert_in_step()


def test_a_row_that_comes_back_while_it_is_swept_keeps_its_document(world: World) -> None:
    """Each document is looked for once more just before it goes."""
    world.execute("DELETE FROM t WHERE id IN (20, 21)")
    with Engine.of(world) as engine:
        engine.at_step["listed"] = lambda: world.fill(21, 21)
        assert engine.run("copy", options=SWEEP).counts.deleted == 1
    world.assert_in_step()


def test_what_the_job_was_told_to_leave_out_stays_out(tmp_path: Path, postgres_url: str) -> None:
    """Rows below `initial` are not swept in; one that is held already is kept in step."""
    world = World.make(tmp_path, postgres_url)
    world.rewrite(("mode: soft, column: gone", "mode: sweep"), ("    interval", "    initial: 5000\n    interval"))
    world.fill(1, 20)
    world.fill(5001, 5010)
    first = world.sync()
    assert (first.counts.embedded, first.counts.swept) == (10, 30)
    world.execute("UPDATE t SET f = 2, body = 'moved below' WHERE id = 5001")
    second = world.sync(options=SWEEP)
    assert (second.counts.embedded, second.counts.inserted) == (1, 0)
