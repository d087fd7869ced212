"""The wall clock is moved under a daemon: ticks go on, a run that goes on keeps its job, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from syncd.admission import Admission
from syncd.model.run import Run, RunStatus, Trigger
from syncd.state import owner_id
from tests.daemon import Serving, serving
from tests.engine import TTL, Engine, Gate
from tests.waiting import until
from tests.world import World

HOUR = timedelta(hours=1)
TEN_YEARS = timedelta(days=3652)


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> World:
    """A job with a tick each hour."""
    made = World.make(tmp_path, sqlite_url)
    made.rewrite(("interval: 1 DAY", "interval: 1 HOUR"))
    made.fill(1, 250)
    return made


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """The clock of this process, which a test moves; it goes on by itself."""
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        yield traveller


def completed(daemon: Serving) -> list[Run]:
    """The runs that ticks have made and that were completed."""
    return daemon.state.runs.list(trigger=Trigger.SCHEDULE, status=RunStatus.COMPLETED)


@pytest.mark.parametrize("jump", [TEN_YEARS, -2 * HOUR], ids=["forward", "back"])
def test_ticks_go_on_after_a_jump(world: World, clock: time_machine.Traveller, jump: timedelta) -> None:
    """One run makes up for all ticks that were passed; what changes after the jump is found at the ticks after it."""
    with serving(world) as daemon:
        until(lambda: len(completed(daemon)) == 1)
        world.fill(251, 260)
        clock.shift(jump)
        until(lambda: len(completed(daemon)) == 2)
        world.fill(261, 270)
        clock.shift(HOUR)
        until(lambda: len(completed(daemon)) == 3)
        assert len(daemon.state.runs.list()) == 3
    world.assert_in_step()


def test_a_run_that_goes_on_keeps_its_job_when_the_clock_is_moved_forward(
    world: World, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By the new time its lease has expired long since, though its process is well."""
    monkeypatch.setattr("syncd.daemon.REPEAT_SECONDS", 0.1)
    gate = Gate()
    with serving(world, lease_seconds=600, committed=gate) as daemon:
        assert gate.reached.wait(20)
        clock.shift(TEN_YEARS)
        until(lambda: "the clock was moved" in caplog.text)
        noticed = time.monotonic()
        until(lambda: time.monotonic() > noticed + 1.5)
        gate.open()
        until(lambda: completed(daemon))
        assert daemon.state.runs.list(status=RunStatus.CRASHED) == []
    world.assert_in_step()


def test_a_run_that_was_asked_for_by_a_clock_years_ahead_does_not_keep_its_job_from_its_ticks(world: World) -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    with Engine.of(world, now + TEN_YEARS) as engine:
        asked = engine.ask()
        engine.clock.now = now
        Admission(engine.state, engine.clock).review()
        tick = engine.triggers.tick(engine.job.id)
        assert tick is not None
        assert (tick.number, tick.status, tick.scheduled_at <= now) == (asked.number, RunStatus.QUEUED, True)
        assert engine.state.leases.claim(owner_id(), now, TTL, tick.number) is not None
