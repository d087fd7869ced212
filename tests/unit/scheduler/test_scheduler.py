"""The clock fires each tick once, at its time, also when the wall clock is moved or the queue does not answer."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import Unavailable
from syncd.model.job import Job, JobDefinition, Origin
from syncd.model.schedule import Schedule
from syncd.scheduler import Scheduler, TickTrigger, clocks

HOUR = timedelta(hours=1)
START = datetime(2026, 3, 1, tzinfo=UTC)


def job(number: int = 1, **fields: Any) -> Job:
    """A job with a definition and no more."""
    plain = {"source_table": "db.t", "kb_name": "kb", "content_columns": ["b"], "filter_column": "f"}
    definition = JobDefinition.model_validate(plain | {"interval": "1 HOUR"} | fields)
    moment = datetime.now(UTC)
    return Job(number, f"job{number}", definition, Origin.FILE, 1, moment, moment)


class Ticks:
    """Writes down which job's tick came; fails while it is told to."""

    def __init__(self) -> None:
        self.came: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.error: Exception | None = None

    def __call__(self, job_id: int) -> None:
        self.came.put(job_id)
        if self.error is not None:
            raise self.error

    def next(self, count: int) -> list[int]:
        """Wait for so many ticks, and return their jobs in order."""
        return sorted(self.came.get(timeout=20) for _ in range(count))


@contextmanager
def scheduling(ticks: Ticks, told: Callable[[], tuple[float, float]] = clocks) -> Iterator[Scheduler]:
    """Run a scheduler."""
    scheduler = Scheduler(ticks, told)
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.stop()


def test_every_job_is_looked_at_when_it_is_made_known_and_again_at_its_tick() -> None:
    ticks = Ticks()
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    with scheduling(ticks) as scheduler:
        scheduler.update([job(1), job(2, start_time=soon), job(3, enabled=False)])
        assert ticks.next(3) == [1, 2, 2]
        assert datetime.now(UTC) >= datetime.fromisoformat(soon)
    assert ticks.came.empty()


def test_a_job_that_is_no_longer_told_of_fires_no_more() -> None:
    ticks = Ticks()
    soon = (datetime.now(UTC) + timedelta(seconds=0.5)).isoformat()
    with scheduling(ticks) as scheduler:
        scheduler.update([job(1, start_time=soon)])
        assert ticks.next(1) == [1]
        scheduler.update([job(2), job(3, start_time=soon)])
        assert ticks.next(3) == [2, 3, 3]


def test_jobs_that_stay_the_same_are_not_looked_at_again() -> None:
    ticks = Ticks()
    known = [job(1)]
    with scheduling(ticks) as scheduler:
        scheduler.update(known)
        assert ticks.next(1) == [1]
        scheduler.follow(known)
        scheduler.follow([*known, job(2)])
        assert ticks.next(2) == [1, 2]
    assert ticks.came.empty()


def test_a_schedule_that_is_over_fires_only_the_look_at_the_beginning() -> None:
    ticks = Ticks()
    with scheduling(ticks) as scheduler:
        scheduler.update([job(1, end_time="2020-01-01T00:00:00")])
        assert ticks.next(1) == [1]


@pytest.mark.parametrize("jump", [-2 * 3600, 10 * 365 * 86400])
def test_a_clock_that_was_moved_sets_every_job_anew(jump: float, caplog: pytest.LogCaptureFixture) -> None:
    told = [(1000.0, 50.0)]
    ticks = Ticks()
    with scheduling(ticks, lambda: told[-1]) as scheduler:
        scheduler.update([job(1), job(2)])
        ticks.next(2)
        told.append((1001.0, 51.0))
        scheduler.watch_clock()
        told.append((1091.5, 141.0))
        scheduler.watch_clock()
        assert caplog.messages == []
        told.append((1092.5 + jump, 142.0))
        scheduler.watch_clock()
        assert ticks.next(2) == [1, 2]
        scheduler.watch_clock()
    assert ticks.came.empty()
    assert caplog.messages == [f"the clock was moved by {jump:+.0f} s: every job is scheduled anew"]


def test_a_tick_that_could_not_be_queued_is_repeated_until_it_is(caplog: pytest.LogCaptureFixture) -> None:
    ticks = Ticks()
    ticks.error = Unavailable("the state is away")
    with scheduling(ticks) as scheduler:
        scheduler.update([job(1), job(2)])
        assert ticks.next(2) == [1, 2]
    scheduler.repeat_missed()
    ticks.error = None
    scheduler.repeat_missed()
    scheduler.repeat_missed()
    assert ticks.next(4) == [1, 1, 2, 2]
    assert ticks.came.empty()
    assert caplog.messages.count("the tick of job job1 waits: the state is away") == 2


def test_an_error_that_is_not_known_is_told_in_full_and_costs_one_tick(caplog: pytest.LogCaptureFixture) -> None:
    ticks = Ticks()
    ticks.error = ZeroDivisionError("odd")
    with scheduling(ticks) as scheduler:
        scheduler.update([job(1)])
        ticks.next(1)
    [record] = caplog.records
    assert record.exc_info is not None


def test_an_hour_that_summer_time_leaves_out_or_repeats_changes_no_tick() -> None:
    """Ticks are counted in UTC; both nights of a zone with summer time have one tick in each hour."""
    schedule = Schedule(HOUR, START)
    for night in (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)):
        moment, ticks = night, []
        while moment < night + 6 * HOUR:
            moment = TickTrigger(schedule).get_next_fire_time(night, moment) or moment
            ticks.append(moment)
        assert ticks == [night + n * HOUR for n in range(1, 7)]


@given(st.datetimes(datetime(1990, 1, 1), datetime(2500, 1, 1)), st.integers(1, 10_000))
def test_the_next_tick_is_one_step_of_arithmetic_however_long_nobody_looked(naive: datetime, minutes: int) -> None:
    trigger = TickTrigger(Schedule(timedelta(minutes=minutes), START))
    moment = naive.replace(tzinfo=UTC)
    found = trigger.get_next_fire_time(START, moment)
    assert found is not None
    assert max(moment, START - timedelta(microseconds=1)) < found
    assert (found - START) % timedelta(minutes=minutes) == timedelta(0)


def test_a_clock_ten_years_ahead_fires_once_and_not_once_for_each_tick() -> None:
    ticks = Ticks()
    with time_machine.travel(START, tick=True) as traveller:
        with scheduling(ticks) as scheduler:
            scheduler.update([job(1, interval="1 MINUTE")])
            ticks.next(1)
            traveller.shift(timedelta(days=3652))
            scheduler.watch_clock()
            assert ticks.next(1) == [1]
            traveller.shift(timedelta(days=-3652, hours=-2))
            scheduler.watch_clock()
            assert ticks.next(1) == [1]
        assert ticks.came.empty()
