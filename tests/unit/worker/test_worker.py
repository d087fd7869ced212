"""Queued runs are taken a few at a time, go on after every kind of interruption, and never stand in each other's way."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from syncd.errors import PermanentError, Unavailable
from syncd.model.run import RunStatus, Trigger
from syncd.state import owner_id
from tests.engine import TTL, Engine, Gate
from tests.waiting import until
from tests.world import World


@pytest.fixture
def engine(tmp_path: Path, sqlite_url: str) -> Iterator[Engine]:
    """A job over 250 rows in three windows, by the real clock."""
    world = World.make(tmp_path, sqlite_url)
    world.fill(1, 250)
    with Engine.of(world) as made:
        yield made


def several_jobs(world: World, count: int) -> None:
    """Give the world so many jobs more, each over a table of its own that is not there."""
    jobs = "".join(
        f"  job{number}: {{source_table: db.t{number}, kb_name: kb_one, content_columns: [body], filter_column: f, "
        f"interval: 1 DAY}}\n"
        for number in range(count)
    )
    world.rewrite(("server:", f"{jobs}limits: {{max_active_jobs: 1000}}\nserver:"))


def dead_owner() -> str:
    """The name of a process that has ended."""
    code = "from syncd.state import owner_id; print(owner_id())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_two_hundred_overdue_jobs_are_run_a_few_at_a_time(tmp_path: Path, sqlite_url: str) -> None:
    """Each of them has its turn, though none of them finds its table."""
    world = World.make(tmp_path, sqlite_url)
    several_jobs(world, 200)
    with Engine.of(world) as engine:
        for job in engine.state.jobs.list():
            assert engine.triggers.tick(job.id) is not None
        going: set[int] = set()
        most, lock, all_busy = 0, threading.Lock(), threading.Barrier(3)

        def enter() -> None:
            nonlocal most
            with lock:
                going.add(threading.get_ident())
                most = max(most, len(going))
            if not engine.finished:
                all_busy.wait(20)
            raise PermanentError("there is no such table")

        def leave() -> None:
            with lock:
                going.discard(threading.get_ident())

        engine.plugins.before |= {"source.begin": enter, "source.close": leave}
        with engine.working(concurrency=3):
            until(lambda: len(engine.finished) == 201)
        assert len({run.job_id for run in engine.finished}) == 201
        assert most == 3


def test_a_job_that_fails_does_not_hold_up_the_others(engine: Engine) -> None:
    several_jobs(engine.world, 1)
    with Engine.of(engine.world) as several, several.working(concurrency=1):
        for name in ("job0", "copy"):
            several.ask(name)
        until(lambda: len(several.finished) == 2)
        ends = [(run.job_name, run.status) for run in several.finished]
        assert ends == [("job0", RunStatus.FAILED), ("copy", RunStatus.COMPLETED)]


def test_stopping_ends_a_run_at_its_batch_and_the_next_start_completes_it(engine: Engine) -> None:
    gate = Gate()
    engine.at_step["committed"] = gate
    engine.ask("copy")
    worker = engine.worker()
    worker.start()
    gate.reached.wait(20)
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    engine.ask("copy")
    gate.open()
    stopping.join(20)
    [ended] = engine.finished
    assert ended.status is RunStatus.CANCELED
    assert "syncd was stopped" in str(ended.error)
    assert ended.counts.embedded < 250
    engine.at_step.clear()
    with engine.working():
        until(lambda: len(engine.finished) == 2)
    assert engine.finished[1].counts.embedded == 250 - ended.counts.embedded
    engine.parts.close()
    engine.world.assert_in_step()


def test_stopping_leaves_a_recovery_in_the_queue(engine: Engine) -> None:
    gate = Gate()
    engine.at_step["committed"] = gate
    engine.ask("copy")
    worker = engine.worker()
    worker.start()
    gate.reached.wait(20)
    threading.Timer(0.1, gate.open).start()
    assert worker.stop()
    waiting = engine.state.runs.live(engine.job.id)
    assert waiting is not None
    assert (waiting.status, waiting.trigger) == (RunStatus.QUEUED, Trigger.RECOVERY)


def test_a_run_that_does_not_come_to_a_boundary_is_ended_without_it_and_can_commit_nothing(engine: Engine) -> None:
    gate = Gate()
    engine.plugins.before["embedder.embed"] = gate
    run = engine.ask("copy")
    worker = engine.worker()
    worker.start()
    gate.reached.wait(20)
    begun = time.monotonic()
    assert not worker.stop(patience=0.3)
    assert time.monotonic() - begun < 5
    assert engine.state.runs.get(run.number).status is RunStatus.CANCELED
    engine.parts.close()
    assert engine.plugins.opened == 1
    gate.open()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("worker-")])
    assert engine.state.checkpoints.get(engine.job.id) is None
    assert [ended.number for ended in engine.finished] == [run.number]
    # The knowledge base was closed by its last user, so that another process may have it.
    with Engine.of(engine.world) as next_start, next_start.working():
        until(lambda: next_start.finished)
        assert next_start.finished[0].status is RunStatus.COMPLETED
        assert next_start.finished[0].trigger is Trigger.RECOVERY
    engine.world.assert_in_step()


def test_a_run_that_somebody_canceled_is_not_taken_up_again(engine: Engine) -> None:
    gate = Gate()
    engine.at_step["committed"] = gate
    run = engine.ask("copy")
    with engine.working(ttl=timedelta(seconds=1)):
        gate.reached.wait(20)
        engine.state.runs.request_cancel(run.number, engine.clock())
        threading.Timer(0.5, gate.open).start()
        until(lambda: engine.finished)
    assert engine.finished[0].status is RunStatus.CANCELED
    assert engine.state.runs.live(engine.job.id) is None


def test_a_run_whose_process_died_is_found_at_once_and_replaced(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    run = engine.ask("copy")
    assert engine.state.leases.claim(dead_owner(), engine.clock(), timedelta(days=1), run.number) is not None
    worker = engine.worker()
    worker.recover()
    assert engine.state.runs.get(run.number).status is RunStatus.CRASHED
    assert [ended.number for ended in engine.finished] == [run.number]
    waiting = engine.state.runs.live(engine.job.id)
    assert waiting is not None
    assert waiting.trigger is Trigger.RECOVERY
    assert "goes on from its checkpoint" in caplog.text
    worker.recover()
    assert len(engine.state.runs.list()) == 2


def test_a_run_of_a_living_process_is_left_alone(engine: Engine) -> None:
    run = engine.ask("copy")
    assert engine.state.leases.claim(owner_id(), engine.clock(), TTL, run.number) is not None
    engine.worker().recover()
    assert engine.state.runs.get(run.number).status is RunStatus.RUNNING


def test_a_lost_lease_is_told_and_the_worker_goes_on(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    run = engine.ask("copy")

    def take_away() -> None:
        engine.at_step.clear()
        engine.state.leases.recover(engine.clock() + timedelta(hours=1), lambda owner: True)

    engine.at_step["commit"] = take_away
    with engine.working(concurrency=1):
        until(lambda: "is held no more" in caplog.text)
        engine.ask("copy")
        until(lambda: engine.finished)
    assert engine.finished[0].status is RunStatus.COMPLETED
    assert engine.state.runs.get(run.number).status is RunStatus.CRASHED


@pytest.mark.parametrize("error", [Unavailable("the state is away"), ZeroDivisionError("odd")])
def test_a_run_whose_end_cannot_be_written_does_not_cost_the_worker_its_thread(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("syncd.worker.REPEAT_SECONDS", 0.05)
    finish, left = engine.state.runs.finish, [error]

    def fail_once(*arguments: object, **named: object) -> object:
        if left:
            raise left.pop()
        return finish(*arguments, **named)  # type: ignore[arg-type]  # passes on whatever it is given

    monkeypatch.setattr(engine.state.runs, "finish", fail_once)
    first = engine.ask("copy")
    with engine.working(concurrency=1) as worker:
        until(lambda: not left)
        # Its lease is not renewed any more, so that it is found like that of a process that died.
        engine.clock.now = engine.clock() + timedelta(hours=1)
        worker.recover()
        worker.wake()
        until(lambda: len(engine.finished) == 2)
    assert [run.status for run in engine.finished] == [RunStatus.CRASHED, RunStatus.COMPLETED]
    assert engine.finished[0].number == first.number


def test_history_is_kept_within_its_bound(engine: Engine) -> None:
    def ended(count: int) -> bool:
        return len(engine.finished) == count

    with engine.working(keep_runs=2):
        for count in range(1, 5):
            engine.ask("copy")
            until(partial(ended, count))
    assert [run.number for run in engine.state.runs.list()] == [run.number for run in engine.finished[:-3:-1]]


def test_a_run_stops_when_its_window_closes_and_goes_on_when_it_opens(engine: Engine) -> None:
    """It ends at a batch boundary, and a run in its place waits for the next opening."""
    engine.world.rewrite(
        ("    filter_column: f", '    execution_window: {start: "11:00", end: "13:00"}\n    filter_column: f')
    )
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    with Engine.of(engine.world, noon) as held:

        def close_the_window() -> None:
            held.at_step.clear()
            held.clock.now = noon + timedelta(hours=1)

        held.at_step["committed"] = close_the_window
        with held.working() as worker:
            held.ask()
            until(lambda: held.finished)
            [stopped] = held.finished
            assert (stopped.status, stopped.counts.embedded) == (RunStatus.CANCELED, 100)
            assert "the execution window has closed" in str(stopped.error)
            waiting = until(lambda: held.state.runs.live(held.job.id))
            assert waiting is not None
            assert (waiting.trigger, waiting.status) == (Trigger.RECOVERY, RunStatus.DELAYED)
            held.clock.now = noon + timedelta(hours=23)
            worker.admit()
            until(lambda: len(held.finished) == 2)
        after = held.finished[1]
        assert (after.number, after.status, after.counts.embedded) == (waiting.number, RunStatus.COMPLETED, 150)
