"""One sync after another: what is embedded, what is not, and that the knowledge base equals the table."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from syncd.model.run import RunOptions
from tests.world import TABLE, World


@pytest.fixture
def world(tmp_path: Path, any_url: str) -> World:
    """An installation on each database, with 250 rows, more than two windows."""
    if any_url.startswith("sqlite"):
        (tmp_path / "source.db").touch()
    made = World.make(tmp_path, any_url)
    made.fill(1, 250)
    return made


def test_changes_cost_what_changed_and_nothing_more(world: World) -> None:
    first = world.sync()
    assert first.status == "completed"
    assert (first.counts.records_read, first.counts.embedded, first.counts.chunks, first.counts.unchanged) == (
        250,
        250,
        250,
        0,
    )
    world.assert_in_step()

    again = world.sync(options=RunOptions(full=True))
    assert (again.counts.records_read, again.counts.embedded, again.counts.unchanged) == (250, 0, 250)

    world.execute(
        "UPDATE t SET body = 'new text', f = 300 WHERE id = 7", "UPDATE t SET tag = 'x', f = 301 WHERE id = 8"
    )
    world.execute("UPDATE t SET tag = NULL, f = 302 WHERE id = 9", "UPDATE t SET gone = 1, f = 303 WHERE id = 10")
    world.execute("UPDATE t SET body = '', f = 304 WHERE id = 11")
    world.fill(400, 402)
    changed = world.sync()
    assert (changed.counts.embedded, changed.counts.metadata_updated, changed.counts.deleted) == (4, 2, 2)
    world.assert_in_step()
    assert "db.t:10" not in world.held()


def test_a_text_that_shrinks_leaves_no_chunk_behind(world: World) -> None:
    world.execute(f"UPDATE t SET body = '{' '.join(f'long{n}' for n in range(100))}', f = 500 WHERE id = 3")
    assert world.sync().counts.chunks > 255
    assert len([id_ for id_ in world.chunks() if id_.startswith("db.t:3#")]) > 5
    world.execute("UPDATE t SET body = 'short', f = 501 WHERE id = 3")
    report = world.sync()
    assert (report.counts.embedded, report.counts.chunks) == (1, 1)
    assert [id_ for id_ in world.chunks() if id_.startswith("db.t:3#")] == ["db.t:3#0"]
    world.assert_in_step()


def test_a_limited_run_goes_on_where_it_stopped(world: World) -> None:
    assert world.sync(options=RunOptions(limit=120)).counts.records_read == 120
    assert len(world.held()) == 120
    report = world.sync()
    assert report.counts.embedded == 130
    world.assert_in_step()


def test_a_wiped_knowledge_base_is_noticed_and_filled_again(world: World) -> None:
    world.sync()
    (world.folder / "kb").rename(world.folder / "kb.gone")
    report = world.sync()
    assert report.counts.embedded == 250
    world.assert_in_step()


def test_a_job_that_began_now_loses_nothing_with_its_knowledge_base(tmp_path: Path, sqlite_url: str) -> None:
    world = World.make(tmp_path, sqlite_url)
    config = world.folder / "syncd.yaml"
    config.write_text(
        config.read_text().replace("    window_rows", "    initial: now\n    lookback: 0\n    window_rows")
    )
    world.fill(1, 20)
    assert world.sync().counts.embedded == 1
    world.fill(21, 40)
    assert world.sync().counts.embedded == 20
    (world.folder / "kb").rename(world.folder / "kb.gone")
    world.sync()
    world.assert_in_step()


def test_an_older_copy_of_the_knowledge_base_is_noticed_and_mended(world: World) -> None:
    world.sync()
    shutil.copytree(world.folder / "kb", world.folder / "kb.copy")
    world.execute("UPDATE t SET body = 'changed once', f = 2000 WHERE id = 1")
    world.fill(3000, 3001)
    world.sync()
    shutil.rmtree(world.folder / "kb")
    (world.folder / "kb.copy").rename(world.folder / "kb")
    report = world.sync()
    assert report.counts.embedded == 3
    world.assert_in_step()


def test_another_definition_compares_the_table_from_the_beginning(world: World) -> None:
    world.sync()
    config = world.folder / "syncd.yaml"
    config.write_text(config.read_text().replace("metadata_columns: [tag]", "metadata_columns: []"))
    report = world.sync()
    assert (report.counts.records_read, report.counts.embedded, report.counts.metadata_updated) == (250, 0, 250)
    assert all("tag" not in metadata for _, _, metadata in world.held().values())


def test_another_chunking_is_refused_and_touches_nothing(world: World) -> None:
    world.sync()
    before = world.chunks()
    config = world.folder / "syncd.yaml"
    config.write_text(config.read_text().replace("max_tokens: 16", "max_tokens: 32"))
    run = world.sync()
    assert run.status == "failed"
    assert "another model or chunking" in str(run.error)
    assert world.chunks() == before


def test_a_bad_row_costs_one_dead_letter_until_it_is_mended(tmp_path: Path, sqlite_url: str) -> None:
    world = World.make(tmp_path, sqlite_url)
    world.fill(1, 1000)
    world.execute("UPDATE t SET body = CAST(x'ff' AS TEXT) WHERE id = 500")
    report = world.sync()
    assert report.status == "completed_with_warnings"
    assert (report.counts.embedded, report.counts.dead_lettered) == (999, 1)
    assert len(world.held()) == 999
    world.execute("UPDATE t SET body = 'mended', f = 5000 WHERE id = 500")
    report = world.sync()
    assert (report.status, report.counts.embedded) == ("completed", 1)
    world.assert_in_step()


def test_a_filter_that_a_row_stops_meeting_removes_its_document(tmp_path: Path, sqlite_url: str) -> None:
    world = World.make(tmp_path, sqlite_url)
    config = world.folder / "syncd.yaml"
    config.write_text(
        config.read_text().replace(
            "    window_rows", "    filters: [{column: tag, op: eq, value: tag1}]\n    window_rows"
        )
    )
    world.fill(1, 50)
    assert world.sync().counts.embedded == 10
    world.execute("UPDATE t SET tag = 'tag2', f = 900 WHERE id = 1", "UPDATE t SET tag = 'tag1', f = 901 WHERE id = 2")
    report = world.sync()
    assert (report.counts.embedded, report.counts.deleted) == (1, 1)
    assert set(world.held()) == {f"db.t:{n}" for n in range(2, 51) if n % 5 == 1 or n == 2}


def test_an_older_copy_is_noticed_for_every_job_that_fills_it(tmp_path: Path, sqlite_url: str) -> None:
    world = World.make(tmp_path, sqlite_url)
    config = world.folder / "syncd.yaml"
    before, _, rest = config.read_text().partition("  copy:")
    job, _, after = rest.partition("server:")
    config.write_text(f"{before}  copy:{job}  other:{job.replace('db.t', 'db.u')}server:{after}")
    world.fill(1, 300)
    world.execute(TABLE.replace("TABLE t", "TABLE u"), "INSERT INTO u SELECT id, f, 'other ' || body, tag, gone FROM t")
    world.sync("copy")
    world.sync("other")
    shutil.copytree(world.folder / "kb", world.folder / "kb.copy")
    world.execute("INSERT INTO u SELECT id + 5000, f + 5000, 'new ' || body, tag, gone FROM u WHERE id <= 50")
    world.execute("INSERT INTO u VALUES (9999, 9999, 'the last one', 'x', 0)")
    world.fill(5001, 5250)
    world.sync("other")
    world.sync("copy")
    shutil.rmtree(world.folder / "kb")
    (world.folder / "kb.copy").rename(world.folder / "kb")
    assert world.sync("copy").counts.embedded == 250
    assert world.sync("other").counts.embedded == 51
