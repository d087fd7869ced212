"""Two daemons on one state: when one is held up for longer than its lease, the other takes over, and only its word counts."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from syncd.model.run import Run, RunStatus, Trigger
from syncd.state import State
from tests.daemon import Process, process
from tests.held_daemon import HELD
from tests.waiting import until
from tests.world import World


def stopped_between_transactions(world: World, daemon: Process) -> bool:
    """Hold up a daemon, unless that would keep everybody else out of a state in SQLite, which one writes at a time."""
    daemon.send(signal.SIGSTOP)
    try:
        with closing(sqlite3.connect(world.folder / "state.db", timeout=0.2, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        daemon.send(signal.SIGCONT)
        return False
    return True


def test_a_daemon_that_was_held_up_meets_the_one_that_took_over(
    tmp_path: Path, sqlite_url: str, chroma_server: str
) -> None:
    """Neither moves a watermark that is not its own, nor writes over what the other one has written since."""
    world = World.make(tmp_path, sqlite_url)
    port = sa.make_url(chroma_server).port
    world = World(tmp_path, sqlite_url, served=port)
    world.rewrite((f"path: {tmp_path}/kb", f"url: {chroma_server}"))
    world.fill(1, 250)
    state = State.open(world.state_url)

    def ended(trigger: Trigger) -> Run | None:
        return next((run for run in state.runs.list(trigger=trigger) if not run.status.live), None)

    def completed() -> list[Run]:
        return state.runs.list(status=RunStatus.COMPLETED)

    with process(world, hold="commit", lease_seconds=3) as first:
        first.wait_for(HELD)
        until(lambda: stopped_between_transactions(world, first))
        world.execute("UPDATE t SET body = 'changed meanwhile', f = 900 WHERE id = 7")
        with process(world, lease_seconds=4) as second:
            second.wait_for("the run was cut off (its lease expired: the process that ran it stopped answering)")
            taken = until(lambda: ended(Trigger.RECOVERY), what=second.text)
            assert taken is not None
            assert (taken.status, taken.counts.records_read) == (RunStatus.COMPLETED, 250)
            job_id = taken.job_id
            known = state.checkpoints.get(job_id)
            (tmp_path / "go-on").touch()
            first.send(signal.SIGCONT)
            first.wait_for("is held no more")
            # It cannot know whether its last write came before the other one's.
            compared = until(lambda: next((run for run in completed() if run.options.full), None))
            assert compared is not None
            assert compared.counts.unchanged == 250
            after = state.checkpoints.get(job_id)
            assert known is not None
            assert after is not None
            assert after.watermark == known.watermark
            lost = ended(Trigger.SCHEDULE)
            assert lost is not None
            assert (lost.status, lost.counts.embedded) == (RunStatus.CRASHED, 0)
            first.send(signal.SIGTERM)
            assert first.end() == 0
            second.send(signal.SIGTERM)
            assert second.end() == 0
    assert [run.trigger for run in state.runs.list()] == [Trigger.RECOVERY, Trigger.RECOVERY, Trigger.SCHEDULE]
    state.close()
    world.assert_in_step()
