"""Many things at once at the start: overdue jobs, and a daemon that is ended again and again."""

from __future__ import annotations

import itertools
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from syncd.model.run import RunStatus
from syncd.state import State
from tests.daemon import process
from tests.engine import Engine
from tests.waiting import until
from tests.world import TABLE, World, words

JOBS, CONCURRENCY = 40, 4
ENDS = [signal.SIGKILL, signal.SIGTERM]


def test_overdue_jobs_all_have_their_run_a_few_at_a_time(tmp_path: Path, sqlite_url: str) -> None:
    world = World.make(tmp_path, sqlite_url)
    names = [f"t{number}" for number in range(JOBS)]
    for number, name in enumerate(names):
        rows = ", ".join(f"({n}, {n}, '{words(1000 * number + n, 4)}', 'tag')" for n in range(3))
        world.execute(
            TABLE.replace("TABLE t ", f"TABLE {name} "), f"INSERT INTO {name} (id, f, body, tag) VALUES {rows}"
        )
    jobs = "".join(
        f"  job_{name}: {{source_table: db.{name}, kb_name: kb_one, content_columns: [body], filter_column: f, "
        "interval: 1 DAY}\n"
        for name in names
    )
    world.rewrite(("server:", f"{jobs}limits: {{max_active_jobs: 1000}}\nserver:"))
    with Engine.of(world) as engine:
        for job in engine.state.jobs.list():
            assert engine.triggers.tick(job.id) is not None
        going: set[int] = set()
        most, lock = 0, threading.Lock()

        def enter() -> None:
            nonlocal most
            with lock:
                going.add(threading.get_ident())
                most = max(most, len(going))

        def leave() -> None:
            with lock:
                going.discard(threading.get_ident())

        engine.plugins.before |= {"source.begin": enter, "source.close": leave}
        with engine.working(concurrency=CONCURRENCY):
            until(lambda: len(engine.finished) == JOBS + 1)
        assert 1 < most <= CONCURRENCY
        assert {run.status for run in engine.finished} == {RunStatus.COMPLETED}
        assert len({run.job_id for run in engine.finished}) == JOBS + 1
    assert len(world.chunks()) == JOBS * 3


def test_a_daemon_that_is_ended_again_and_again_loses_no_run_and_no_row(tmp_path: Path, sqlite_url: str) -> None:
    world = World.make(tmp_path, sqlite_url)
    # Without it, only the watermark decides what is read again.
    world.rewrite(("interval: 1 DAY", "interval: 1 DAY\n    lookback: 0"))
    batches = itertools.count()
    for end in ENDS:
        first = 500 * next(batches) + 1
        world.fill(first, first + 499)
        with process(world) as daemon:
            daemon.wait_for("run started")
            daemon.send(end)
            assert daemon.end() == (0 if end is signal.SIGTERM else -end)
    with process(world) as daemon:
        until(lambda: at_rest(world), what=daemon.text)
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 0
    assert world.sync().counts.embedded == 0
    with closing(sqlite3.connect(world.folder / "state.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    world.assert_in_step()


def at_rest(world: World) -> bool:
    """Tell whether a run was completed and nothing is going on; and that one at most ever was, in the same look."""
    state = State.open(world.state_url)
    try:
        runs = state.runs.list()
    finally:
        state.close()
    assert len([run for run in runs if run.status is RunStatus.RUNNING]) <= 1
    return runs[0].status is RunStatus.COMPLETED and not [run for run in runs if run.status.live]
