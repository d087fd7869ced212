"""Hours of the day, retries, health and dynamic variables: plain arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.model.dynamic import FUNCTIONS, evaluated
from syncd.model.health import health_of
from syncd.model.job import JobDefinition
from syncd.model.policy import ExecutionWindow
from syncd.model.run import Run, RunStatus, Trigger

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
DEFINITION: dict[str, Any] = {
    "source_table": "db.t",
    "kb_name": "kb",
    "content_columns": ["body"],
    "filter_column": "f",
    "interval": "1 HOUR",
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "zone", "now", "opening"),
    [
        ("09:00", "17:00", "UTC", "2026-07-01T08:59:59", "2026-07-01T09:00:00"),
        ("09:00", "17:00", "UTC", "2026-07-01T09:00:00", "2026-07-01T09:00:00"),
        ("09:00", "17:00", "UTC", "2026-07-01T16:59:59", "2026-07-01T16:59:59"),
        ("09:00", "17:00", "UTC", "2026-07-01T17:00:00", "2026-07-02T09:00:00"),
        ("22:00", "06:00", "UTC", "2026-07-01T05:59:59", "2026-07-01T05:59:59"),
        ("22:00", "06:00", "UTC", "2026-07-01T06:00:00", "2026-07-01T22:00:00"),
        ("22:00", "06:00", "Europe/Berlin", "2026-07-01T19:00:00", "2026-07-01T20:00:00"),
        ("22:00", "06:00", "America/New_York", "2026-07-01T12:00:00", "2026-07-02T02:00:00"),
        # Berlin's clocks go from 02:00 to 03:00 on this day, so that the window does not open on it.
        ("02:30", "03:30", "Europe/Berlin", "2026-03-29T00:00:00", "2026-03-30T00:30:00"),
    ],
)
def test_a_window_opens_by_the_clock_of_its_zone(start: str, end: str, zone: str, now: str, opening: str) -> None:
    window = ExecutionWindow(start=start, end=end)
    assert window.opening(at(now), zone) == at(opening)


@given(
    st.tuples(st.integers(0, 23), st.integers(0, 59)),
    st.tuples(st.integers(0, 23), st.integers(0, 59)),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"]),
)
def test_a_window_always_opens_within_two_days_and_then_is_open(
    start: tuple[int, int], end: tuple[int, int], now: datetime, zone: str
) -> None:
    if start == end:
        return
    window = ExecutionWindow(start="{:02}:{:02}".format(*start), end="{:02}:{:02}".format(*end))
    opening = window.opening(now, zone)
    assert now <= opening <= now + timedelta(days=2, hours=2)
    assert window.opening(opening, zone) == opening
    assert window.closing(opening, zone) > opening


@pytest.mark.parametrize(
    ("strategy", "delays"),
    [
        ({"retry_strategy": "exponential"}, [1, 2, 4, 8, 16]),
        ({"retry_strategy": "linear", "retry_initial_delay_secs": 5}, [5, 10, 15, 20, 25]),
        ({"retry_strategy": "fixed", "retry_initial_delay_secs": 7}, [7, 7, 7, 7, 7]),
        ({"retry_strategy": "custom", "retry_delays_secs": [3, 1, 60]}, [3, 1, 60, 60, 60]),
        ({"retry_max_delay_secs": 5}, [1, 2, 4, 5, 5]),
    ],
)
def test_every_strategy_waits_as_it_says(strategy: dict[str, Any], delays: list[float]) -> None:
    job = JobDefinition.model_validate(DEFINITION | strategy)
    assert [job.retry_delay(attempt, 0) for attempt in range(1, 6)] == delays
    longest = job.retry_max_delay_secs
    assert all(delay <= job.retry_delay(n + 1, 1) <= min(1.1 * delay, longest) + 1e-9 for n, delay in enumerate(delays))
    assert job.retry_delay(10_000, 0) <= longest


def run(status: RunStatus, seconds: float | None) -> Run:
    ended = None if seconds is None else NOW + timedelta(seconds=seconds)
    return Run(1, 1, "j", 1, status, Trigger.API, NOW, NOW, started_at=NOW if ended else None, finished_at=ended)


def test_health_without_runs_is_unknown() -> None:
    for runs in ([], [run(RunStatus.SKIPPED, None)], [run(RunStatus.CANCELED, 3)]):
        assert (health_of(runs).health_score, health_of(runs).success_rate) == (None, None)


@given(st.lists(st.tuples(st.sampled_from([s for s in RunStatus if not s.live]), st.floats(0.01, 1e6)), max_size=40))
def test_health_stays_within_its_bounds(ended: list[tuple[RunStatus, float]]) -> None:
    health = health_of([run(status, seconds) for status, seconds in ended])
    assert health.health_score is None or 0 <= health.health_score <= 100
    assert health.p95_duration_secs is None or health.p95_duration_secs in {(run(s, d).seconds) for s, d in ended}


def test_health_counts_failures_and_uneven_durations() -> None:
    steady = [run(RunStatus.COMPLETED, 10)] * 10
    assert health_of(steady).health_score == 100
    scores = [health_of([*steady[n:], *[run(RunStatus.FAILED, 10)] * n]).health_score or 0 for n in range(11)]
    assert all(later < earlier for earlier, later in pairwise(scores))
    assert scores[10] == 30
    uneven = health_of([run(RunStatus.COMPLETED, seconds) for seconds in (1, 1, 1, 97)]).health_score or 0
    assert uneven == 70


def test_dynamic_variables_are_looked_up_and_never_run() -> None:
    values, unknown = evaluated({name: name for name in FUNCTIONS}, {}, NOW)
    assert unknown == []
    assert values == {
        "CurrentTime()": "2026-07-01T12:00:00Z",
        "CurrentDate()": "2026-07-01",
        "Yesterday()": "2026-06-30",
        "Tomorrow()": "2026-07-02",
        "CurrentUnixTimestamp()": 1782907200,
    }
    values, unknown = evaluated({"a": "$b", "c": "$ghost", "d": "exit()"}, {"b": 7}, NOW)
    assert (values, unknown) == ({"a": 7}, ["c", "d"])
