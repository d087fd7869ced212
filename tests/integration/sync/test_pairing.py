"""State and knowledge base are a pair: whichever of them is older, swapped or new, nothing is lost or embedded twice."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from syncd.state.backup import back_up, restore
from syncd.testing.failpoints import VARIABLE
from tests.engine import Engine
from tests.world import World, now


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> World:
    """An installation whose 150 rows are synced; a later run reads none of them again but the newest."""
    made = World.make(tmp_path, sqlite_url)
    made.rewrite(("    window_rows: 100", "    window_rows: 100\n    lookback: 0"))
    made.fill(1, 150)
    made.sync()
    return made


def keep(world: World, name: str) -> Path:
    """Copy the knowledge base."""
    return shutil.copytree(world.folder / "kb", world.folder / name)


def put_in_place(world: World, name: str, aside: str) -> None:
    """Put a copy in the knowledge base's place, and keep what was there under another name."""
    (world.folder / "kb").rename(world.folder / aside)
    (world.folder / name).rename(world.folder / "kb")


def back_up_state(world: World) -> Path:
    """Back the state up."""
    return back_up(world.state_url, world.folder / "backup.db", overwrite=True).file


def restore_state(world: World) -> None:
    """Put the backup of the state back."""
    restore(world.state_url, world.folder / "backup.db", now())


def change(world: World, what: str) -> None:
    """Change one row, and add an empty one after it, so that no later run reads the changed one again by itself."""
    world.execute(f"UPDATE t SET {what}, f = 300 WHERE id = 3", "INSERT INTO t VALUES (301, 301, '', NULL, 0)")


def mend(world: World, embedded: int) -> None:
    """Sync, and see that this was embedded and that nothing is missing."""
    run = world.sync()
    assert (run.status, run.counts.embedded) == ("completed", embedded), run
    world.assert_in_step()


def test_an_older_state_reads_again_what_a_newer_knowledge_base_holds(world: World) -> None:
    back_up_state(world)
    world.fill(200, 260)
    world.execute("UPDATE t SET gone = 1, f = 300 WHERE id = 7", "UPDATE t SET tag = 'x', f = 301 WHERE id = 8")
    world.sync()
    restore_state(world)
    world.fill(400, 409)
    mend(world, 10)


def test_a_pair_that_is_restored_together_goes_on_from_its_watermark(world: World) -> None:
    back_up_state(world)
    keep(world, "kb.copy")
    world.fill(200, 260)
    world.sync()
    restore_state(world)
    put_in_place(world, "kb.copy", "kb.newer")
    run = world.sync()
    assert (run.counts.records_read, run.counts.embedded) == (62, 61)
    world.assert_in_step()


def test_documents_that_were_purged_after_the_backup_come_back_with_the_state(world: World) -> None:
    back_up_state(world)
    with Engine.of(world) as engine:
        engine.parts.purge(engine.job)
        engine.state.jobs.delete(engine.job.id, now())
    assert world.held() == {}
    restore_state(world)
    mend(world, 150)


def test_a_state_from_before_a_definition_changed_mends_what_the_later_one_wrote(world: World) -> None:
    back_up_state(world)
    world.rewrite(("metadata_columns: [tag]", "metadata_columns: []"))
    assert world.sync().counts.metadata_updated == 150
    world.rewrite(("metadata_columns: []", "metadata_columns: [tag]"))
    restore_state(world)
    mend(world, 0)


def test_every_job_of_a_restored_state_is_asked_before_one_of_them_writes(world: World) -> None:
    """And once that is settled, the next run goes on from its watermark."""
    world.rewrite(("server:", world.config.read_text().partition("jobs:\n")[2].partition("server:")[0] + "server:"))
    text = world.config.read_text()
    second = text.rindex("  copy:")
    world.config.write_text(text[:second] + text[second:].replace("copy:", "other:").replace("db.t", "db.u"))
    world.execute(
        "CREATE TABLE u AS SELECT id, f, 'other ' || body AS body, tag, gone FROM t",
        "CREATE UNIQUE INDEX u_id ON u (id)",
    )
    world.rewrite(("source_table: db.u", "source_table: db.u\n    key_columns: [id]"))
    world.sync("other")
    back_up_state(world)
    with Engine.of(world) as engine:
        engine.parts.purge(engine.state.jobs.get("other"))
    restore_state(world)
    assert world.sync("copy").counts.records_read == 150
    assert world.sync("copy").counts.records_read == 1
    assert world.sync("other").counts.embedded == 150


def test_a_state_that_is_made_anew_embeds_nothing_that_is_held(world: World) -> None:
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (world.folder / name).unlink(missing_ok=True)
    world.fill(200, 204)
    mend(world, 5)


def test_two_states_may_take_turns_on_one_knowledge_base(world: World) -> None:
    here, there = "state.db", "other.db"
    for turn in range(1, 4):
        world.rewrite((f"/{here}", f"/{there}"))
        here, there = there, here
        world.fill(1000 * turn, 1000 * turn + 9)
        world.execute(f"UPDATE t SET body = 'turn {turn}', f = {1000 * turn + 50} WHERE id = {turn}")
        mend(world, 11)


def test_an_older_copy_is_noticed_that_lacks_what_a_killed_run_wrote(world: World) -> None:
    """The run after the kill found it written, and its checkpoint covers it."""
    keep(world, "kb.copy")
    world.fill(200, 260)
    world.rewrite(("window_rows: 100", "window_rows: 200"))
    assert world.run("sync", "copy", env={VARIABLE: "written:1"}).returncode == -signal.SIGKILL
    assert world.sync().counts.embedded == 0
    put_in_place(world, "kb.copy", "kb.newer")
    mend(world, 61)


@pytest.mark.parametrize("what", ["tag = 'x'", "gone = 1"])
def test_an_older_copy_is_noticed_that_lacks_only_an_update_or_a_removal(world: World, what: str) -> None:
    keep(world, "kb.copy")
    change(world, what)
    world.sync()
    put_in_place(world, "kb.copy", "kb.newer")
    mend(world, 0)


@pytest.mark.parametrize("step", ["written", "commit", "committed"])
def test_a_copy_that_was_taken_in_the_middle_of_a_run_is_mended(world: World, step: str) -> None:
    world.fill(200, 499)
    with Engine.of(world) as engine:
        engine.at_step[step] = lambda: (world.folder / "kb.copy").exists() or keep(world, "kb.copy")
        assert engine.run().counts.embedded == 300
    put_in_place(world, "kb.copy", "kb.newer")
    assert world.sync().status == "completed"
    world.assert_in_step()


def test_the_original_that_is_put_back_after_its_copy_went_on_is_noticed(world: World) -> None:
    """The original has seen more runs than the copy, and lacks what only the copy was told."""
    keep(world, "kb.copy")
    for n in range(200, 206):
        world.fill(n, n)
        world.sync()
    put_in_place(world, "kb.copy", "kb.original")
    mend(world, 6)
    change(world, "body = 'told to the copy'")
    mend(world, 1)
    put_in_place(world, "kb.original", "kb.copy")
    mend(world, 1)


def test_a_knowledge_base_that_is_swapped_and_swapped_back_is_noticed_both_times(world: World) -> None:
    (world.folder / "kb").rename(world.folder / "kb.first")
    change(world, "body = 'told to the second'")
    mend(world, 150)
    put_in_place(world, "kb.first", "kb.second")
    mend(world, 1)
