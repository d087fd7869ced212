"""When a job's ticks become runs, whatever the clock and the process have been through."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd.model.job import Job, JobDefinition, JobStatus, Origin
from syncd.model.run import Counts, Run, RunStatus, Trigger
from syncd.state import State
from syncd.triggers import Triggers

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LATE = timedelta(milliseconds=3)


class Clockwork:
    """A job with hourly ticks from START on, and a clock that is moved by hand."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.now = START
        self.triggers = Triggers(state, lambda: self.now)
        self.job = self.define()

    def define(self, **fields: object) -> Job:
        plain: dict[str, object] = {
            "source_table": "db.t",
            "kb_name": "kb",
            "content_columns": ["body"],
            "filter_column": "f",
            "interval": "1 HOUR",
            "start_time": START.isoformat(),
        }
        definition = JobDefinition.model_validate(plain | fields)
        self.job = self.state.jobs.put("orders", definition, Origin.FILE, self.now)
        return self.job

    def tick(self, now: datetime) -> datetime | None:
        """Look for a tick at this moment, bring its run to its end, and return which tick it was."""
        self.now = now
        run = self.triggers.tick(self.job.id)
        if run is None:
            return None
        self.finish(run)
        return run.scheduled_at

    def finish(self, run: Run) -> None:
        claimed = self.state.leases.claim("me", self.now, MINUTE, run.number)
        assert claimed is not None
        self.state.runs.finish(
            claimed[1],
            run.number,
            RunStatus.COMPLETED,
            counts=Counts(),
            stages={},
            watermark=None,
            error=None,
            now=self.now,
        )


@pytest.fixture
def clockwork(tmp_path: Path) -> Iterator[Clockwork]:
    state = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    yield Clockwork(state)
    state.close()


def test_ticks_are_counted_from_the_start_and_each_has_one_run(clockwork: Clockwork) -> None:
    assert clockwork.tick(START - LATE) is None
    assert clockwork.tick(START + LATE) == START
    assert clockwork.tick(START + 59 * MINUTE) is None
    assert clockwork.tick(START + HOUR) == START + HOUR
    assert clockwork.tick(START + HOUR + LATE) is None


def test_ticks_that_were_missed_become_one_run(clockwork: Clockwork) -> None:
    clockwork.tick(START)
    assert clockwork.tick(START + 30 * DAY + LATE) == START + 30 * DAY
    assert clockwork.tick(START + 30 * DAY + MINUTE) is None
    assert len(clockwork.state.runs.list()) == 2


def test_a_tick_exactly_at_end_time_runs_though_it_is_noticed_a_moment_later(clockwork: Clockwork) -> None:
    job = clockwork.define(end_time=(START + 2 * HOUR).isoformat())
    clockwork.tick(START + HOUR)
    assert clockwork.tick(START + 2 * HOUR + LATE) == START + 2 * HOUR
    assert clockwork.tick(START + 2 * HOUR + MINUTE) is None
    assert job.status(clockwork.now, running=False) is JobStatus.ENDED


def test_after_end_time_nothing_runs_that_was_not_due_there(clockwork: Clockwork) -> None:
    clockwork.define(end_time=(START + 2 * HOUR + MINUTE).isoformat())
    assert clockwork.tick(START + 2 * HOUR + 2 * MINUTE) is None
    clockwork.define(end_time=(START + 2 * HOUR).isoformat())
    assert clockwork.tick(START + 3 * HOUR) is None
    assert clockwork.state.runs.list() == []


def test_a_window_shorter_than_the_interval_has_one_tick(clockwork: Clockwork) -> None:
    clockwork.define(end_time=(START + timedelta(seconds=5)).isoformat())
    assert clockwork.tick(START + 4 * timedelta(seconds=1)) == START
    assert clockwork.tick(START + timedelta(seconds=5)) is None


def test_a_clock_that_was_years_ahead_costs_one_run_and_then_the_ticks_go_on(clockwork: Clockwork) -> None:
    clockwork.tick(START)
    future = START + 3652 * DAY
    assert clockwork.tick(future + LATE) == future
    assert clockwork.tick(START + HOUR) == START + HOUR
    assert clockwork.tick(START + HOUR + LATE) is None
    assert clockwork.tick(START + 2 * HOUR) == START + 2 * HOUR


def test_a_clock_that_is_set_back_does_not_repeat_ticks_nor_stop_them(clockwork: Clockwork) -> None:
    for hour in range(5):
        clockwork.tick(START + hour * HOUR)
    assert clockwork.tick(START + 2 * HOUR + LATE) is None
    assert [clockwork.tick(START + hour * HOUR) for hour in (3, 4, 5)] == [None, None, START + 5 * HOUR]


@pytest.mark.parametrize("fields", [{"enabled": False}, {"start_time": "2030-01-01T00:00:00"}])
def test_a_job_that_is_disabled_or_not_begun_has_no_ticks(clockwork: Clockwork, fields: dict[str, object]) -> None:
    clockwork.define(**fields)
    assert clockwork.tick(START + HOUR) is None


def test_a_paused_job_runs_once_when_it_is_resumed(clockwork: Clockwork) -> None:
    clockwork.state.jobs.pause(clockwork.job.id, START)
    assert clockwork.tick(START + 5 * HOUR) is None
    clockwork.state.jobs.resume(clockwork.job.id, START)
    assert clockwork.tick(START + 5 * HOUR + MINUTE) == START + 5 * HOUR


def test_a_blocked_job_is_tried_again_at_each_tick(clockwork: Clockwork) -> None:
    clockwork.state.jobs.block(clockwork.job.id, "no table", START)
    assert clockwork.tick(START + HOUR) == START + HOUR


def test_a_run_that_was_cut_off_is_replaced_with_its_own_options(clockwork: Clockwork) -> None:
    run = clockwork.triggers.tick(clockwork.job.id)
    assert run is not None
    clockwork.finish(run)
    replacement = clockwork.triggers.recover(run)
    assert replacement is not None
    assert (replacement.trigger, replacement.status) == (Trigger.RECOVERY, RunStatus.QUEUED)
    assert clockwork.triggers.recover(run) == replacement


def test_a_run_is_not_replaced_once_end_time_has_passed_unless_somebody_asked_for_it(clockwork: Clockwork) -> None:
    clockwork.define(end_time=(START + HOUR).isoformat())
    scheduled = clockwork.triggers.tick(clockwork.job.id)
    assert scheduled is not None
    clockwork.finish(scheduled)
    manual = clockwork.triggers.ask(clockwork.job)
    clockwork.finish(manual)
    clockwork.now = START + HOUR + LATE
    assert clockwork.triggers.recover(scheduled) is None
    last = clockwork.triggers.tick(clockwork.job.id)
    assert last is not None
    clockwork.finish(last)
    for run in (manual, last):
        replacement = clockwork.triggers.recover(run)
        assert replacement is not None
        clockwork.finish(replacement)
