"""How a daemon ends, is ended, and goes on after that."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.model.run import Run, RunStatus, Trigger
from syncd.state import State
from tests.daemon import Process, process
from tests.held_daemon import HELD
from tests.waiting import until
from tests.world import World


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> World:
    """A job over 250 rows in three windows, which is due as soon as a daemon starts."""
    made = World.make(tmp_path, sqlite_url)
    made.fill(1, 250)
    return made


def runs(world: World) -> list[Run]:
    """Every run of the state, oldest first."""
    state = State.open(world.state_url)
    try:
        return state.runs.list()[::-1]
    finally:
        state.close()


def completed(world: World) -> Run | None:
    """The run that was completed, if there is one."""
    return next((run for run in runs(world) if run.status is RunStatus.COMPLETED), None)


def test_a_signal_stops_it_at_the_batch_and_the_next_start_goes_on_there(world: World) -> None:
    with process(world, hold="committed") as daemon:
        daemon.wait_for(HELD)
        daemon.send(signal.SIGTERM)
        daemon.wait_for('"stopping"')
        (world.folder / "go-on").touch()
        assert daemon.end() == 0
        daemon.wait_for('"stopped"')
    [canceled, waiting] = runs(world)
    assert (canceled.status, canceled.counts.embedded) == (RunStatus.CANCELED, 100)
    assert (waiting.status, waiting.trigger) == (RunStatus.QUEUED, Trigger.RECOVERY)
    with process(world) as daemon:
        done = until(lambda: completed(world))
        assert done is not None
        assert (done.number, done.counts.embedded) == (waiting.number, 150)
        lines = [line for line in daemon.lines if f'"{done.id}"' in line]
        assert lines
        assert all('"job": "copy"' in line for line in lines)

        beside = world.run("run")
        assert beside.returncode == 3
        assert f"pid {daemon.pid}" in " ".join(beside.stderr.split())

        world.rewrite(("window_rows: 100", "window_rows: 200"))
        daemon.send(signal.SIGHUP)
        daemon.wait_for("the configuration was read again")
        daemon.send(signal.SIGINT)
        assert daemon.end() == 0
    world.assert_in_step()


def kill(daemon: Process) -> int:
    daemon.send(signal.SIGKILL)
    return -signal.SIGKILL


def press_twice(daemon: Process) -> int:
    daemon.send(signal.SIGINT)
    daemon.wait_for('"stopping"')
    daemon.send(signal.SIGINT)
    return 130


@pytest.mark.parametrize("end", [kill, press_twice])
def test_an_end_without_notice_loses_nothing_and_is_found_at_once(world: World, end: Callable[[Process], int]) -> None:
    with process(world, hold="written") as daemon:
        daemon.wait_for(HELD)
        begun = time.monotonic()
        code = end(daemon)
        assert daemon.end() == code
        assert time.monotonic() - begun < 5
    assert [run.status for run in runs(world)] == [RunStatus.RUNNING]
    with process(world) as daemon:
        daemon.wait_for("the run was cut off (the process that ran it ended without finishing it)")
        done = until(lambda: completed(world))
        assert done is not None
        assert (done.trigger, done.counts.embedded, done.counts.unchanged) == (Trigger.RECOVERY, 150, 100)
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 0
    world.assert_in_step()


def test_a_run_that_hangs_in_a_library_does_not_keep_it_from_ending(world: World) -> None:
    with process(world, hold="embedder.embed") as daemon:
        daemon.wait_for(HELD)
        begun = time.monotonic()
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 0
        assert time.monotonic() - begun < 10
    assert [run.status for run in runs(world)] == [RunStatus.CANCELED, RunStatus.QUEUED]


def test_it_can_be_stopped_while_knowledge_bases_are_being_opened(world: World) -> None:
    with process(world, hold="store.open") as daemon:
        daemon.wait_for(HELD)
        begun = time.monotonic()
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 0
        assert time.monotonic() - begun < 5
    assert runs(world) == []
