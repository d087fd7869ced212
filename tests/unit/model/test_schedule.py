"""A schedule's arithmetic: ticks are anchored, in UTC, and none is lost or made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.model.schedule import Schedule, parse_duration, parse_interval

moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
intervals = st.integers(1, 40_000).map(lambda minutes: timedelta(minutes=minutes))


@given(start=moments, interval=intervals, now=moments)
def test_next_tick_is_the_first_one_after_now(start: datetime, interval: timedelta, now: datetime) -> None:
    tick = Schedule(interval, start).next_tick(now)
    assert tick is not None
    assert tick > now or tick == start > now
    assert (tick - start) % interval == timedelta()
    assert tick == start or tick - interval <= now


@given(start=moments, interval=intervals, now=moments)
def test_last_tick_is_the_newest_one_up_to_now(start: datetime, interval: timedelta, now: datetime) -> None:
    tick = Schedule(interval, start).last_tick(now)
    if now < start:
        assert tick is None
    else:
        assert tick is not None
        assert tick <= now < tick + interval
        assert (tick - start) % interval == timedelta()


@given(start=moments, interval=intervals, now=moments, length=intervals)
def test_no_tick_lies_outside_start_and_end(
    start: datetime, interval: timedelta, now: datetime, length: timedelta
) -> None:
    schedule = Schedule(interval, start, start + length)
    for tick in (schedule.next_tick(now), schedule.last_tick(now)):
        assert tick is None or start <= tick <= start + length


@given(start=moments, interval=intervals, count=st.integers(0, 50))
def test_a_tick_exactly_at_the_end_is_a_tick(start: datetime, interval: timedelta, count: int) -> None:
    end = start + count * interval
    schedule = Schedule(interval, start, end)
    assert schedule.next_tick(end - timedelta(microseconds=1)) == end
    assert schedule.last_tick(end + timedelta(days=9)) == end
    assert schedule.next_tick(end) is None
    assert not schedule.ended(end)
    assert schedule.ended(end + timedelta(microseconds=1))


def test_a_window_shorter_than_the_interval_ticks_once_at_its_start() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    schedule = Schedule(timedelta(hours=1), start, start + timedelta(seconds=5))
    assert schedule.next_tick(start - timedelta(days=1)) == start
    assert schedule.next_tick(start) is None


def test_without_a_start_ticks_fall_on_round_times() -> None:
    schedule = Schedule(timedelta(minutes=10))
    assert schedule.next_tick(datetime(2026, 5, 4, 12, 3, 7, tzinfo=UTC)) == datetime(2026, 5, 4, 12, 10, tzinfo=UTC)


@given(start=moments, interval=intervals, now=moments)
def test_a_clock_that_jumps_ten_years_costs_one_step(start: datetime, interval: timedelta, now: datetime) -> None:
    schedule = Schedule(interval, start)
    later = now + timedelta(days=3650)
    assert schedule.next_tick(later) == Schedule(interval, start).next_tick(later)
    last = schedule.last_tick(later)
    assert last is None or later - last < interval


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10 MINUTES", timedelta(minutes=10)),
        ("1 minute", timedelta(minutes=1)),
        ("  6   Hours ", timedelta(hours=6)),
        ("7 DAYS", timedelta(days=7)),
        ("2 weeks", timedelta(weeks=2)),
        ("HOURLY", timedelta(hours=1)),
        ("daily", timedelta(days=1)),
        ("Weekly", timedelta(weeks=1)),
    ],
)
def test_intervals_are_read_in_any_case_and_spacing(text: str, expected: timedelta) -> None:
    assert parse_interval(text) == expected


@pytest.mark.parametrize(
    "text", ["", "10", "MINUTES", "0 MINUTES", "-1 HOURS", "1.5 DAYS", "30 SECONDS", "1 MONTH", "EVERY DAY"]
)
def test_what_is_no_interval_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(ValueError, match="HOURLY, DAILY, WEEKLY"):
        parse_interval(text)


def test_durations_know_seconds() -> None:
    assert parse_duration("30 seconds") == timedelta(seconds=30)
